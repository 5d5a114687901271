/* SPDX-License-Identifier: GPL-2.0 */
/* Command lines: options of one letter, in a table. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "die.h"

/* An option sets one of these; the table ends with an option without letter. */
struct option_spec {
	char letter;
	bool *flag;		/* the option has no argument */
	const char **string;
	int *number;
	uint64_t *bytes;
};

/* A size or an offset: a number with an optional k or m behind it. */
static inline uint64_t parse_bytes(const char *text)
{
	char *end;
	uint64_t bytes = strtoull(text, &end, 0);

	if (*end == 'k' || *end == 'K')
		bytes <<= 10, end++;
	else if (*end == 'm' || *end == 'M')
		bytes <<= 20, end++;
	if (end == text || *end)
		die("'%s' is no number of bytes", text);
	return bytes;
}

static inline void set_option(const struct option_spec *option, const char *argument)
{
	if (option->flag)
		*option->flag = true;
	else if (option->string)
		*option->string = argument;
	else if (option->number)
		*option->number = atoi(argument);
	else
		*option->bytes = parse_bytes(argument);
}

/* Leaves optind at the first operand; exits with code 2 if an option is not in the table. */
static inline void parse_options(int argc, char **argv, const struct option_spec *options)
{
	const struct option_spec *option;
	char letters[64], *to = letters;
	int letter;

	for (option = options; option->letter; option++) {
		*to++ = option->letter;
		if (!option->flag)
			*to++ = ':';
	}
	*to = 0;
	while ((letter = getopt(argc, argv, letters)) != -1) {
		for (option = options; option->letter && option->letter != letter; option++)
			;
		if (!option->letter)
			exit(2);
		set_option(option, optarg);
	}
}

#endif
