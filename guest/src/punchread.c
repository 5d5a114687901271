// SPDX-License-Identifier: GPL-2.0
/*
 * punchread FILE SOURCE HOLD RELEASE
 *
 * Maps FILE, of which a large folio is in the page cache, and lets a direct read bring
 * data to some pages of it from SOURCE, which the command HOLD keeps waiting. A hole is
 * punched in the pages behind, and the command RELEASE lets the data come. They have to
 * be there afterwards, in the mapping and after a sync on the disk, and the hole has to
 * be empty. Prints "ok", "not ok" or "skip" (no large folio) with what was found; exits
 * 1 for "not ok".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pageflags.h"

#define PG	4096UL
#define LEN	(4UL << 20)	/* of FILE */
#define AT	(1UL << 20)	/* where the device writes */
#define PAGES	16UL		/* as many are punched out behind */

static void die(const char *what)
{
	printf("not ok %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Is the page of the same folio as the one before it? */
static bool is_tail(const char *at)
{
	uint64_t bits;

	return page_flags(at, &bits) && bits >> KPF_COMPOUND_TAIL & 1;
}

static void fill(char *buf, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = 1 + (i * 13 + (i >> 12) * 7 + seed) % 250;
}

/* How many pages are not as they should be */
static unsigned int wrong(const char *is, const char *want, size_t len)
{
	unsigned int n = 0;
	size_t off;

	for (off = 0; off < len; off += PG)
		n += memcmp(is + off, want + off, PG) != 0;
	return n;
}

int main(int argc, char **argv)
{
	static char want[LEN], is[LEN] __attribute__((aligned(PG)));
	size_t len = PAGES * PG, i;
	struct iocb cb = { 0 }, *cbs = &cb;
	unsigned int mapped, stored;
	aio_context_t ctx = 0;
	struct io_event ev;
	int file, source;
	char *map;

	if (argc != 5) {
		fprintf(stderr, "usage: punchread FILE SOURCE HOLD RELEASE\n");
		return 2;
	}
	source = open(argv[2], O_RDWR | O_DIRECT);
	fill(is, len, 99);
	if (source < 0 || pwrite(source, is, len, 0) != (ssize_t)len || fsync(source))
		die(argv[2]);
	file = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	fill(want, LEN, 1);
	if (file < 0 || pwrite(file, want, LEN, 0) != (ssize_t)LEN || fsync(file) ||
	    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED))
		die(argv[1]);
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (map == MAP_FAILED || madvise(map, LEN, MADV_HUGEPAGE))
		die("mmap");
	for (i = 0; i < LEN; i += PG)
		if (*(volatile char *)(map + i) != want[i])
			die("data of the new file");
	for (i = AT; i < AT + 2 * len; i += PG)
		if (!is_tail(map + i)) {
			printf("skip: page %zu of the file is not part of a large folio\n", i / PG);
			return 0;
		}

	cb.aio_lio_opcode = IOCB_CMD_PREAD;
	cb.aio_fildes = source;
	cb.aio_buf = (uintptr_t)map + AT;
	cb.aio_nbytes = len;
	if (system(argv[3]))
		die(argv[3]);
	if (syscall(__NR_io_setup, 1, &ctx) || syscall(__NR_io_submit, ctx, 1, &cbs) != 1)
		die("io_submit");
	if (fallocate(file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, AT + len, len))
		die("fallocate");
	if (system(argv[4]))
		die(argv[4]);
	if (syscall(__NR_io_getevents, ctx, 1, 1, &ev, NULL) != 1 || ev.res != (int64_t)len)
		die("io_getevents");

	memcpy(want + AT, is, len);
	memset(want + AT + len, 0, len);
	mapped = wrong(map, want, LEN);
	if (fsync(file))
		die("fsync");
	file = open(argv[1], O_RDONLY | O_DIRECT);
	if (file < 0 || pread(file, is, LEN, 0) != (ssize_t)LEN)
		die("direct read");
	stored = wrong(is, want, LEN);
	printf("%s: %u pages are wrong in the mapping, %u on the disk; %lu were read to, and %lu punched out\n",
	       mapped || stored ? "not ok" : "ok", mapped, stored, PAGES, PAGES);
	return mapped || stored;
}
