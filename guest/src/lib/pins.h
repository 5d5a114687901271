/* SPDX-License-Identifier: GPL-2.0 */
/* The counters of pinned pages in /proc/vmstat, which count in the whole system. */
#ifndef PINS_H
#define PINS_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct vmstat_entry {
	const char *name;
	uint64_t value;
	bool found;		/* false: this kernel has no such counter */
};

static inline void read_vmstat(struct vmstat_entry *entries, size_t count)
{
	char line[128], name[96];
	FILE *file = fopen("/proc/vmstat", "r");
	uint64_t value;
	size_t i;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%95s %ju", name, (uintmax_t *)&value) != 2)
			continue;
		for (i = 0; i < count; i++)
			if (!strcmp(name, entries[i].name)) {
				entries[i].value = value;
				entries[i].found = true;
			}
	}
	if (file)
		fclose(file);
}

/*
 * Adds the per-CPU parts of the counters to the totals. EINVAL: a counter, maybe another
 * one, is below zero, but all of them are folded.
 */
static inline void fold_vmstat(void)
{
	char c[16];
	int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY);

	if (fd < 0)
		return;
	if (read(fd, c, sizeof(c)) < 0 && errno != EINVAL)
		perror("stat_refresh");
	close(fd);
}

struct pins {
	uint64_t acquired, released;
	uint64_t backoffs;	/* pins of GUP-fast that were given back at once */
	bool counted;		/* false: this kernel does not count pins */
};

static inline struct pins read_pins(void)
{
	struct vmstat_entry entries[] = {
		{ .name = "nr_foll_pin_acquired" },
		{ .name = "nr_foll_pin_released" },
		{ .name = "nr_gup_fast_page_backoffs" },
	};

	fold_vmstat();
	read_vmstat(entries, sizeof(entries) / sizeof(entries[0]));
	return (struct pins) {
		.acquired = entries[0].value, .released = entries[1].value,
		.backoffs = entries[2].value, .counted = entries[0].found,
	};
}

/* Waits until all pins are released, but for @limit tenths of a second at most. */
static inline struct pins wait_unpinned(unsigned int limit)
{
	struct pins pins = read_pins();

	while (pins.acquired != pins.released && limit--) {
		usleep(100000);
		pins = read_pins();
	}
	return pins;
}

/* Writeback copies pinned pages: a kernel with this series. */
static inline bool kernel_bounces(void)
{
	struct vmstat_entry entry = { .name = "writeback_bounced" };

	read_vmstat(&entry, 1);
	return entry.found;
}

#endif
