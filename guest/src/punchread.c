// SPDX-License-Identifier: GPL-2.0
/*
 * punchread [-t] [-s] FILE SOURCE HOLD RELEASE
 *
 * Maps FILE, of which a large folio is in the page cache, and submits a direct read from
 * SOURCE into some of its pages. The command HOLD makes SOURCE keep that read waiting. The
 * pages behind are punched out of FILE, and the command RELEASE lets the data come. Then
 * the data must be in the mapping and, after a sync, on the disk, and the hole must be
 * empty. Prints "ok", "not ok" or "skip" (no large folio) with the number of wrong pages;
 * exits 1 for "not ok".
 *
 * -t  FILE is truncated in the middle of the pages of the read, and gets its old size back
 *     when the data has come. It must have the data in front of that place, and zeros behind.
 * -s  FILE is synced before it is punched or truncated, so that its pages are clean.
 */
#define _GNU_SOURCE
#include <linux/falloc.h>

#include "aio.h"
#include "die.h"
#include "options.h"
#include "page.h"
#include "pageflags.h"
#include "pattern.h"

#define FILE_SIZE	(4 * MIB)
#define READ_AT		MIB		/* the device writes here */
#define READ_PAGES	16UL		/* as many are punched out behind */
#define READ_SIZE	(READ_PAGES * PAGE_SIZE)
#define TRUNCATE_AT	(READ_AT + READ_SIZE / 2)

static bool truncated, synced;

/* Creates the file with @want as its content, and reads it back into large folios. */
static char *map_file(const char *path, const char *want, int *fd)
{
	char *map;
	size_t pos;

	*fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (*fd < 0 || pwrite(*fd, want, FILE_SIZE, 0) != (ssize_t)FILE_SIZE || fsync(*fd) ||
	    posix_fadvise(*fd, 0, 0, POSIX_FADV_DONTNEED))
		die_not_ok(path);
	map = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (map == MAP_FAILED || madvise(map, FILE_SIZE, MADV_HUGEPAGE))
		die_not_ok("mmap");
	for (pos = 0; pos < FILE_SIZE; pos += PAGE_SIZE)
		if (*(volatile char *)(map + pos) != want[pos])
			die_not_ok("data of the new file");
	return map;
}

/* Read and hole are in one large folio: each page is of the same folio as the one before it. */
static bool in_large_folio(const char *map)
{
	size_t pos;

	for (pos = READ_AT; pos < READ_AT + 2 * READ_SIZE; pos += PAGE_SIZE)
		if (!page_has_flag(map + pos, KPF_COMPOUND_TAIL)) {
			printf("skip: page %zu of the file is not part of a large folio\n",
			       pos / PAGE_SIZE);
			return false;
		}
	return true;
}

static void cut(int fd)
{
	if (synced && fsync(fd))
		die_not_ok("fsync");
	if (truncated && ftruncate(fd, TRUNCATE_AT))
		die_not_ok("ftruncate");
	if (!truncated && fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
				    READ_AT + READ_SIZE, READ_SIZE))
		die_not_ok("fallocate");
}

static void read_and_cut(int source, int fd, char *map, const char *hold, const char *release)
{
	struct iocb request = aio_request(IOCB_CMD_PREAD, source, map + READ_AT, READ_SIZE, 0);
	struct io_event event;
	aio_context_t ctx;

	if (system(hold))
		die_not_ok(hold);
	if (aio_setup(1, &ctx) || aio_submit(ctx, &request, 1) != 1)
		die_not_ok("io_submit");
	cut(fd);
	if (system(release))
		die_not_ok(release);
	if (aio_wait(ctx, 1, 1, &event) != 1 || event.res != (int64_t)READ_SIZE)
		die_not_ok("io_getevents");
	if (truncated && ftruncate(fd, FILE_SIZE))
		die_not_ok("ftruncate");
}

int main(int argc, char **argv)
{
	static char want[FILE_SIZE], buf[FILE_SIZE] __attribute__((aligned(PAGE_SIZE)));
	static const struct option_spec options[] = {
		{ 't', .flag = &truncated }, { 's', .flag = &synced }, { 0 }
	};
	size_t mapped, stored;
	int fd, source;
	char *map;

	parse_options(argc, argv, options);
	argv += optind - 1;
	if (argc - optind != 4)
		die("usage: punchread [-t] [-s] FILE SOURCE HOLD RELEASE");
	source = open(argv[2], O_RDWR | O_DIRECT);
	fill_bytes(buf, READ_SIZE, 99);
	if (source < 0 || pwrite(source, buf, READ_SIZE, 0) != (ssize_t)READ_SIZE || fsync(source))
		die_not_ok(argv[2]);
	fill_bytes(want, FILE_SIZE, 1);
	map = map_file(argv[1], want, &fd);
	if (!in_large_folio(map))
		return 0;
	read_and_cut(source, fd, map, argv[3], argv[4]);

	memcpy(want + READ_AT, buf, READ_SIZE);
	if (truncated)
		memset(want + TRUNCATE_AT, 0, FILE_SIZE - TRUNCATE_AT);
	else
		memset(want + READ_AT + READ_SIZE, 0, READ_SIZE);
	mapped = differing_pages(map, want, FILE_SIZE);
	if (fsync(fd))
		die_not_ok("fsync");
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0 || pread(fd, buf, FILE_SIZE, 0) != (ssize_t)FILE_SIZE)
		die_not_ok("direct read");
	stored = differing_pages(buf, want, FILE_SIZE);
	printf("%s: %zu pages are wrong in the mapping, %zu on the disk; %lu were read to, and %s\n",
	       mapped || stored ? "not ok" : "ok", mapped, stored, READ_PAGES,
	       truncated ? "half of these were cut off" : "as many behind were punched out");
	return mapped || stored;
}
