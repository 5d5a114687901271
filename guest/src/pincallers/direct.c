// SPDX-License-Identifier: GPL-2.0
/*
 * Direct reads from each SOURCE into the mapping. fsync() cleans the pages while the device
 * writes to them. When the read has completed, the next sync must save its data. With
 * write_part a byte of each page is written after that fsync(), so the pages are dirty when
 * the read completes, but where blocks are smaller than a page, only one block of each.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

#include "aio.h"
#include "extent.h"
#include "pageflags.h"
#include "pincallers.h"

#define DELAY_US 10000		/* reading a SOURCE takes so long */

static int (*next_sync)(int fd);	/* fsync or syncfs */
static bool write_part;

static char data[FILE_SIZE] __attribute__((aligned(PAGE_SIZE)));	/* of each SOURCE */

static unsigned int dirty_pages(void)
{
	unsigned int pages = 0;
	uint64_t bits;
	size_t pos;

	for (pos = 0; pos < FILE_SIZE; pos += PAGE_SIZE) {
		if (!page_flags(target.map + pos, &bits))
			die_not_ok("pagemap");
		pages += bits >> KPF_DIRTY & 1;
	}
	return pages;
}

/*
 * How many pages of the data are not on DISK, where FILE is in one piece. Reading FILE
 * itself would write it back first. Without DISK: how many pages are dirty.
 */
static unsigned int unsaved_pages(void)
{
	static char on_disk[FILE_SIZE] __attribute__((aligned(PAGE_SIZE)));
	struct fiemap_extent extent;
	int fd;

	if (!target.disk)
		return dirty_pages();
	fd = open(target.disk, O_RDONLY | O_DIRECT);
	if (first_extent(target.fd, 0, FILE_SIZE, &extent) != 1 || extent.fe_length < FILE_SIZE)
		die_not_ok("FIEMAP");
	if (fd < 0 || pread(fd, on_disk, FILE_SIZE, extent.fe_physical) != FILE_SIZE)
		die_not_ok(target.disk);
	close(fd);
	return differing_pages(on_disk, data, FILE_SIZE);
}

/* fsync(), and with write_part a byte of each page: the byte that the read puts there, too. */
static bool sync_during_read(void)
{
	size_t pos;

	if (fsync(target.fd))
		return false;
	for (pos = PAGE_SIZE - 1; write_part && pos < FILE_SIZE; pos += PAGE_SIZE)
		if (pwrite(target.fd, data + pos, 1, pos) != 1)
			return false;
	return true;
}

static void sync_and_check(unsigned int *unsaved)
{
	if (next_sync(target.fd))
		die_not_ok("sync");
	*unsaved += unsaved_pages();
}

static void check_mapping(void)
{
	if (memcmp(target.map, data, FILE_SIZE))
		die_not_ok("data in the mapping");
}

static void io_submit_round(int source, aio_context_t ctx, unsigned int *unsaved)
{
	struct io_event event;

	submit_read(ctx, source);
	if (!sync_during_read() || aio_wait(ctx, 1, 1, &event) != 1)
		die_not_ok("io_getevents");
	sync_and_check(unsaved);
	if (event.res != FILE_SIZE)
		die_not_ok("data in the mapping");
	check_mapping();
}

static void pread_round(int source, unsigned int *unsaved)
{
	pid_t child = fork();

	if (!child)
		_exit(usleep(DELAY_US / 3) || !sync_during_read());
	if (pread(source, target.map, FILE_SIZE, 0) != FILE_SIZE)
		die_not_ok("pread");
	sync_and_check(unsaved);
	if (child > 0)
		waitpid(child, NULL, 0);
	check_mapping();
}

static void read_rounds(const char *name, int source, bool asynchronous, aio_context_t ctx)
{
	unsigned int round, unsaved = 0;

	for (round = 0; round < ROUNDS; round++) {
		memset(target.map, 0, FILE_SIZE);
		if (asynchronous)
			io_submit_round(source, ctx, &unsaved);
		else
			pread_round(source, &unsaved);
	}
	printf("%s %s of %s, fsync%s meanwhile: %u of %lu pages not saved by the next %s\n",
	       unsaved ? "not ok" : "ok", asynchronous ? "io_submit" : "pread", name,
	       write_part ? " and write of a byte" : "", unsaved, ROUNDS * FILE_PAGES,
	       next_sync == fsync ? "fsync" : "syncfs");
	fflush(stdout);
	if (unsaved)
		case_failed = true;
}

static void direct_cases(void)
{
	struct sched_param fifo = { .sched_priority = 50 }, other = { 0 };
	aio_context_t ctx;
	unsigned int i;
	int source;

	if (!target.sources[0])
		return;
	/* On one CPU, no work item runs between the wakeup and the next fsync(). */
	if (sched_setscheduler(0, SCHED_FIFO, &fifo))
		die_not_ok("SCHED_FIFO");
	memset(target.map, 0, FILE_SIZE);
	if (fsync(target.fd) || aio_setup(1, &ctx))
		die_not_ok("io_setup");
	fill_bytes(data, FILE_SIZE, 40);
	for (i = 0; i < MAX_SOURCES && target.sources[i]; i++) {
		const char *name = target.sources[i];

		source = open(name, O_RDWR | O_CREAT | O_DIRECT, 0600);
		if (source < 0 || pwrite(source, data, FILE_SIZE, 0) != FILE_SIZE || fsync(source))
			die_not_ok(name);
		read_rounds(name, source, false, ctx);
		read_rounds(name, source, true, ctx);
		close(source);
	}
	aio_destroy(ctx);
	sched_setscheduler(0, SCHED_OTHER, &other);
}

void call_direct(void)
{
	next_sync = fsync;
	write_part = false;
	direct_cases();
}

void call_direct_syncfs(void)
{
	next_sync = syncfs;
	write_part = false;
	direct_cases();
}

void call_direct_part(void)
{
	next_sync = fsync;
	write_part = true;
	direct_cases();
}
