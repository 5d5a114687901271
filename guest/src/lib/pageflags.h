/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's flags of a page that is mapped, from /proc/kpageflags; only root can read them. */
#ifndef PAGEFLAGS_H
#define PAGEFLAGS_H

#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "page.h"

/* Sets bits 1 << KPF_*; false if no page is mapped at @addr. */
static inline bool page_flags(const volatile void *addr, uint64_t *bits)
{
	static int pagemap = -1, flags = -1;
	uint64_t entry;

	if (pagemap < 0) {
		pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
		flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	}
	if (pread(pagemap, &entry, 8, (uintptr_t)addr / PAGE_SIZE * 8) != 8)
		goto error;
	if (!(entry >> 63))
		return false;
	if (pread(flags, bits, 8, (entry & ((1ULL << 55) - 1)) * 8) == 8)
		return true;
error:
	perror("/proc/self/pagemap, /proc/kpageflags");
	exit(2);
}

/* A page is mapped at @addr and has the flag KPF_*. */
static inline bool page_has_flag(const volatile void *addr, int flag)
{
	uint64_t bits;

	return page_flags(addr, &bits) && bits >> flag & 1;
}

#endif
