/* SPDX-License-Identifier: GPL-2.0 */
/* How a program of the guest ends early. */
#ifndef DIE_H
#define DIE_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The test could not be made: a message on stderr, exit code 2. */
__attribute__((noreturn, format(printf, 1, 2)))
static inline void die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

/* For programs that print a line a case: a failed step is a failed case, exit code 1. */
__attribute__((noreturn))
static inline void die_not_ok(const char *step)
{
	printf("not ok %s: %s\n", step, strerror(errno));
	exit(1);
}

#endif
