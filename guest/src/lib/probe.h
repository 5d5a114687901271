/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A program that makes requests to one FILE, one line a case. Pins are counted in each: as
 * many must be released as were acquired, and a kernel that pins must have acquired at
 * least as many as the case has given pages to the device.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "die.h"
#include "options.h"
#include "pins.h"

static struct {
	bool pins_expected;
	bool failed;		/* a case is not ok */
	uint64_t acquired;	/* pins before the case */
} probe;

/* Parses options and returns FILE, the only operand. */
static inline const char *probe_start(int argc, char **argv, const struct option_spec *options,
				      const char *usage)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	probe.pins_expected = kernel_bounces();
	parse_options(argc, argv, options);
	if (optind + 1 != argc)
		die("usage: %s", usage);
	return argv[optind];
}

static inline void probe_begin(void)
{
	probe.acquired = read_pins().acquired;
}

/* @ok: the request and its data were right; @pages: at least as many were pinned. */
__attribute__((format(printf, 3, 4)))
static inline void probe_end(bool ok, uint64_t pages, const char *format, ...)
{
	struct pins pins = wait_unpinned(50);
	uint64_t taken = pins.acquired - probe.acquired, left = pins.acquired - pins.released;
	va_list ap;

	if (left || (probe.pins_expected && taken < pages))
		ok = false;
	printf("%s ", ok ? "ok" : "not ok");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf(": %ju pins taken, %ju left, %ju pages given\n", (uintmax_t)taken, (uintmax_t)left,
	       (uintmax_t)pages);
	if (!ok)
		probe.failed = true;
}

/* A case went wrong in a way that is found after its line was printed. */
static inline void probe_not_ok(const char *text)
{
	printf("not ok %s\n", text);
	probe.failed = true;
}

#endif
