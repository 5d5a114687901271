/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The test data. Every 8-byte word tells its position and its writer, so that a
 * reader can judge each word without the others:
 *
 *	bits 63..56  the writer: FROM_PROGRAM (through the mapping) or FROM_SOURCE
 *	             (the source device holds it)
 *	bits 55..40  generation (0 for the source)
 *	bits 39..0   byte position divided by 8
 *
 * The source holds at position X the word that a direct read puts at position X of the
 * file, unless a scenario says otherwise.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FROM_PROGRAM	'F'
#define FROM_SOURCE	'S'

static inline uint64_t pattern_word(char writer, unsigned int generation, uint64_t pos)
{
	return (uint64_t)(unsigned char)writer << 56 |
	       (uint64_t)(generation & 0xffff) << 40 | (pos / 8 & 0xffffffffffULL);
}

static inline unsigned int pattern_generation(uint64_t word)
{
	return word >> 40 & 0xffff;
}

/* Writes the words of positions @pos to @pos + @len. */
static inline void put_pattern(void *to, size_t len, char writer, unsigned int generation,
			       uint64_t pos)
{
	uint64_t *words = to;
	size_t i;

	for (i = 0; i < len / 8; i++)
		words[i] = pattern_word(writer, generation, pos + i * 8);
}

static inline bool has_pattern(const void *data, size_t len, char writer,
			       unsigned int generation, uint64_t pos)
{
	const uint64_t *words = data;
	size_t i;

	for (i = 0; i < len / 8; i++)
		if (words[i] != pattern_word(writer, generation, pos + i * 8))
			return false;
	return true;
}

/* Other data: no byte is zero, and pages and seeds differ. */
static inline void fill_bytes(void *to, size_t len, unsigned int seed)
{
	unsigned char *bytes = to;
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = 1 + (i * 13 + (i >> 12) * 7 + seed) % 250;
}

#endif
