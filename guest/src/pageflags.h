/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel knows of the page that is mapped at an address; for root. */
#ifndef PAGEFLAGS_H
#define PAGEFLAGS_H

#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Bits of /proc/kpageflags, 1 << KPF_*; false if no page is mapped there. */
static inline bool page_flags(const volatile void *p, uint64_t *bits)
{
	static int pagemap = -1, flags = -1;
	uint64_t entry;

	if (pagemap < 0) {
		pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
		flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	}
	if (pread(pagemap, &entry, 8, (uintptr_t)p / 4096 * 8) != 8)
		goto error;
	if (!(entry >> 63))
		return false;
	if (pread(flags, bits, 8, (entry & ((1ULL << 55) - 1)) * 8) == 8)
		return true;
error:
	perror("/proc/self/pagemap, /proc/kpageflags");
	exit(2);
}

#endif
