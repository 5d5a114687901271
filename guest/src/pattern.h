/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test data looks like. Every 8-byte word says where it belongs and
 * who wrote it, so that a reader can tell, word by word, what it looks at:
 *
 *	bits 63..56  'F' written by the program through the mapping, or
 *	             'S' what the source device holds
 *	bits 55..40  generation (0 for the source)
 *	bits 39..0   byte position divided by 8
 *
 * The source holds at position X what a direct read puts at position X of the
 * file, unless a scenario says otherwise.
 */
#ifndef PATTERN_H
#define PATTERN_H

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PG 4096UL

static inline uint64_t word_at(char who, unsigned int gen, uint64_t pos)
{
	return (uint64_t)(unsigned char)who << 56 |
	       (uint64_t)(gen & 0xffff) << 40 | (pos / 8 & 0xffffffffffULL);
}

static inline void put_pattern(void *to, size_t len, char who,
			       unsigned int gen, uint64_t pos)
{
	uint64_t *w = to;
	size_t i;

	for (i = 0; i < len / 8; i++)
		w[i] = word_at(who, gen, pos + i * 8);
}

__attribute__((noreturn, format(printf, 1, 2)))
static inline void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

/* A size or an offset: a number with an optional k or m behind it. */
static inline uint64_t bytes(const char *s)
{
	char *end;
	uint64_t n = strtoull(s, &end, 0);

	if (*end == 'k' || *end == 'K')
		n <<= 10, end++;
	else if (*end == 'm' || *end == 'M')
		n <<= 20, end++;
	if (end == s || *end)
		die("'%s' is no number of bytes", s);
	return n;
}

#endif
