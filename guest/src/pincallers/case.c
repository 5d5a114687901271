// SPDX-License-Identifier: GPL-2.0
/* A case: its line, and the pins that it took. */
#include <stdarg.h>
#include <stdio.h>

#include "pincallers.h"
#include "pins.h"

bool case_failed;

static struct pins before;

void case_begin(void)
{
	before = read_pins();
}

/* The pins since case_begin(); waits up to 3 seconds until all of them are released. */
static struct pins pins_of_case(void)
{
	struct pins pins;
	int tries = 0;

	do {
		if (tries)
			usleep(100000);
		pins = read_pins();
		pins.acquired -= before.acquired;
		pins.released -= before.released;
		pins.backoffs -= before.backoffs;
	} while (pins.acquired != pins.released && ++tries < 30);
	return pins;
}

void case_end(const char *error, uint64_t pages, const char *name, ...)
{
	struct pins pins = pins_of_case();
	va_list ap;

	/*
	 * GUP-fast pins a page twice if its page table entry changes at that moment (fsync()
	 * makes it read-only).
	 */
	if ((pins.acquired < pages || pins.acquired > pages + pins.backoffs) && !error)
		error = "number of pages pinned";
	if (pins.acquired != pins.released && !error)
		error = "pages not unpinned";
	printf("%s ", error ? "not ok" : "ok");
	va_start(ap, name);
	vprintf(name, ap);
	va_end(ap);
	printf(": %ju pages pinned, %ju unpinned, %ju expected, %ju backoffs%s%s\n",
	       (uintmax_t)pins.acquired, (uintmax_t)pins.released, (uintmax_t)pages,
	       (uintmax_t)pins.backoffs, error ? ": " : "", error ? error : "");
	fflush(stdout);
	if (error)
		case_failed = true;
}

void case_skip(const char *name, const char *reason)
{
	printf("skip %s: %s (%s)\n", name, reason, strerror(errno));
	fflush(stdout);
}
