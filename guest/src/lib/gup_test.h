/* SPDX-License-Identifier: GPL-2.0 */
/* Pins by the kernel's own test, debugfs gup_test (mm/gup_test.h of Linux 6.1). */
#ifndef GUP_TEST_H
#define GUP_TEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "page.h"

#define GUP_TEST_FILE	"/sys/kernel/debug/gup_test"

struct gup_test {
	uint64_t get_delta_usec, put_delta_usec, addr, size;
	uint32_t nr_pages_per_call, gup_flags, test_flags, which_pages[8];
};

#define PIN_FAST_BENCHMARK	_IOWR('g', 2, struct gup_test)
#define PIN_LONGTERM_BENCHMARK	_IOWR('g', 3, struct gup_test)
#define PIN_BASIC_TEST		_IOWR('g', 5, struct gup_test)

/* Pins pages for writing, all in one call, and unpins them; -1 with errno. */
static inline int gup_test_pin(int fd, unsigned long command, void *addr, size_t pages)
{
	struct gup_test test = {
		.addr = (uintptr_t)addr, .size = pages * PAGE_SIZE,
		.nr_pages_per_call = pages, .gup_flags = 1 /* FOLL_WRITE */,
	};

	return ioctl(fd, command, &test);
}

#endif
