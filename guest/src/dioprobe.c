// SPDX-License-Identifier: GPL-2.0
/*
 * dioprobe [-wb] [-s SCRATCH] FILE
 *
 * Direct I/O on FILE (a file or a block device that holds the source pattern, see
 * lib/pattern.h; FILE is at least 4 MiB) in the ways that treat user pages differently.
 * After each request the data is compared, and the pins are counted: nr_foll_pin_acquired
 * and nr_foll_pin_released must have grown by the same number. On a kernel that pins
 * (writeback_bounced is in /proc/vmstat) they must have grown at least by the number of
 * pages that the device was given.
 * -w: FILE may be overwritten: try writes, too.
 * -b: direct I/O of less than 4 KiB goes through the page cache here (btrfs).
 * -s: a file on a filesystem with a page cache, to be mapped as the buffer.
 *
 * sgprobe (the same program by another name) DEVICE: SG_IO on a SCSI disk or its sg
 * device, READ(10) and WRITE(10) with direct I/O from and to user pages.
 *
 * One line a case; exits 1 if a case is not ok.
 */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <sys/uio.h>

#include "aio.h"
#include "page.h"
#include "pageflags.h"
#include "pattern.h"
#include "probe.h"
#include "sg.h"

static bool small_are_buffered;		/* -b */

/* How many pages a request pins that is not made of 4 KiB blocks. */
static uint64_t unless_buffered(uint64_t pages)
{
	return small_are_buffered ? 0 : pages;
}

static void read_case(const char *name, int fd, char *buf, size_t len, uint64_t pos)
{
	ssize_t n;

	probe_begin();
	n = pread(fd, buf, len, pos);
	probe_end(n == (ssize_t)len && has_pattern(buf, len, FROM_SOURCE, 0, pos),
		  len % PAGE_SIZE ? unless_buffered((len + PAGE_SIZE - 1) / PAGE_SIZE) :
		  len / PAGE_SIZE, "%s", name);
}

/* A buffer that begins and ends inside a page. */
static void unaligned_read(int fd)
{
	read_case("read of 5 sectors, across a page", fd,
		  (char *)map_anonymous(2 * PAGE_SIZE) + 3 * 512, 5 * 512, 512);
}

static void vector_read(int fd)
{
	char *a = map_anonymous(MIB), *b = map_anonymous(MIB);
	struct iovec iov[] = {
		{ a + 512, 512 },
		{ b, 3 * PAGE_SIZE },
		{ a + PAGE_SIZE, PAGE_SIZE },
		{ a + 2 * PAGE_SIZE, 512 },
	};
	size_t i, len = 0;
	bool ok = true;
	ssize_t n;

	probe_begin();
	n = preadv(fd, iov, ARRAY_SIZE(iov), 0);
	for (i = 0; i < ARRAY_SIZE(iov); len += iov[i++].iov_len)
		ok = ok && has_pattern(iov[i].iov_base, iov[i].iov_len, FROM_SOURCE, 0, len);
	probe_end(ok && n == (ssize_t)len, unless_buffered(6), "read into four pieces");
}

static void aio_read(int fd)
{
	size_t len = 2 * MIB;
	char *buf = map_anonymous(len);
	struct iocb request = aio_request(IOCB_CMD_PREAD, fd, buf, len, 0);
	struct io_event event = { 0 };
	aio_context_t ctx;

	if (aio_setup(1, &ctx))
		die("io_setup: %m");
	probe_begin();
	if (aio_submit(ctx, &request, 1) != 1)
		die("io_submit: %m");
	aio_wait(ctx, 1, 1, &event);
	probe_end(event.res == (long)len && has_pattern(buf, len, FROM_SOURCE, 0, 0),
		  len / PAGE_SIZE, "asynchronous read of 2 MiB");
	aio_destroy(ctx);
}

static void mapped_read(int fd, const char *scratch)
{
	char *buf = map_new_file(scratch, MIB);

	read_case("read into a mapped file", fd, buf, MIB, 0);
	munmap(buf, MIB);
}

/* The last sectors of the file, into a buffer that is longer. */
static void tail_read(int fd)
{
	uint64_t end = lseek(fd, 0, SEEK_END), pos = (end - 1024) & ~511ULL;
	char *buf = map_anonymous(MIB);
	ssize_t n;

	memset(buf, 0, MIB);
	probe_begin();
	n = pread(fd, buf, MIB, pos);
	probe_end(n == (ssize_t)(end - pos), unless_buffered(1), "read across the end of the file");
	probe_begin();
	n = pread(fd, buf, MIB, (end + 511) & ~511ULL);
	probe_end(n == 0, 0, "read behind the end of the file");
}

/* The second half of the buffer is not mapped: a read fails, or returns the first half or less. */
static void bad_buffer(int fd)
{
	char *buf = map_anonymous(MIB);
	bool ok;
	ssize_t n;

	if (mprotect(buf + MIB / 2, MIB / 2, PROT_NONE))
		die("mprotect: %m");
	probe_begin();
	n = pread(fd, buf, MIB, 0);
	if (n < 0)
		ok = errno == EFAULT;
	else
		ok = n > 0 && n <= (ssize_t)MIB / 2 && has_pattern(buf, n, FROM_SOURCE, 0, 0);
	probe_end(ok, 0, "read into a buffer of which half is there");
	probe_begin();
	n = pread(fd, buf + MIB / 2, PAGE_SIZE, 0);
	probe_end(n < 0 && errno == EFAULT, 0, "read into a buffer that is not there");
}

static void splice_case(int fd)
{
	size_t len = 16 * PAGE_SIZE;
	char *buf = map_anonymous(len);
	ssize_t n, done = 0, part;
	loff_t pos = 0;
	int pipe_fd[2];

	if (pipe(pipe_fd))
		die("pipe: %m");
	probe_begin();
	n = splice(fd, &pos, pipe_fd[1], NULL, len, 0);
	while (done < n && (part = read(pipe_fd[0], buf + done, n - done)) > 0)
		done += part;
	probe_end(n > 0 && done == n && has_pattern(buf, n, FROM_SOURCE, 0, 0), 0,
		  "splice into a pipe");
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* Writes from memory that was never touched: sixteen times the zero page, which is not pinned. */
static void zero_page_write(int fd, char *buf)
{
	static const char zeros[16 * PAGE_SIZE];
	char *untouched = map_anonymous(sizeof(zeros));
	ssize_t n;

	probe_begin();
	n = pwrite(fd, untouched, sizeof(zeros), 0);
	probe_end(n == sizeof(zeros), 0, "write from the zero page");
	/* GUP of 5.4 breaks copy-on-write for reading, too: no zero page is mapped there. */
	if (probe.pins_expected && page_has_flag(untouched, KPF_ZERO_PAGE) &&
	    read_pins().acquired != probe.acquired)
		probe_not_ok("write from the zero page: it was pinned");
	n = pread(fd, buf, sizeof(zeros), 0);
	if (n != sizeof(zeros) || memcmp(buf, zeros, n))
		probe_not_ok("write from the zero page: no zeros on the disk");
	put_pattern(buf, sizeof(zeros), FROM_SOURCE, 0, 0);
	if (pwrite(fd, buf, sizeof(zeros), 0) != sizeof(zeros))
		die("write: %m");
}

static void write_cases(int fd)
{
	size_t len = 2 * MIB;
	char *buf = map_anonymous(len);
	ssize_t n;

	put_pattern(buf, len, FROM_SOURCE, 0, MIB);
	probe_begin();
	n = pwrite(fd, buf, len, MIB);
	probe_end(n == (ssize_t)len, len / PAGE_SIZE, "write of 2 MiB");
	read_case("read back", fd, map_anonymous(len), len, MIB);
	zero_page_write(fd, buf);
}

static void sg_read_case(const char *name, int fd, char *buf, size_t len, uint64_t pages)
{
	int result;

	probe_begin();
	result = sg_transfer(fd, false, buf, len, 0);
	probe_end(!result && has_pattern(buf, len, FROM_SOURCE, 0, 0), pages, "%s", name);
}

static void sg_cases(const char *device)
{
	uint64_t pages = strncmp(device, "/dev/sg", 7) ? 64 : 0;
	size_t len = 64 * PAGE_SIZE;
	int fd = open(device, O_RDWR), result;
	char *buf = map_anonymous(MIB);
	sg_iovec_t halves[2];

	if (fd < 0)
		die("%s: %m", device);
	put_pattern(buf, len, FROM_SOURCE, 0, 0);
	probe_begin();
	result = sg_transfer(fd, true, buf, len, 0);
	probe_end(!result, pages, "SG_IO write of 256 KiB");
	buf = map_anonymous(MIB);
	sg_read_case("SG_IO read of 256 KiB", fd, buf, len, pages);
	sg_read_case("SG_IO read inside a page", fd, buf + 512, len, 0);

	/* Two segments in one page become one bio_vec: the page was taken twice. */
	halves[0] = (sg_iovec_t) { buf, PAGE_SIZE / 2 };
	halves[1] = (sg_iovec_t) { buf + PAGE_SIZE / 2, PAGE_SIZE / 2 };
	probe_begin();
	result = sg_transfer(fd, false, halves, PAGE_SIZE, 2);
	probe_end(!result && has_pattern(buf, PAGE_SIZE, FROM_SOURCE, 0, 0), 0,
		  "SG_IO read into two halves of a page");

	/* Not aligned: the kernel copies. */
	probe_begin();
	result = sg_transfer(fd, false, buf + 1, 4 * PAGE_SIZE, 0);
	probe_end(!result, 0, "SG_IO read to an odd address");

	if (mprotect(buf + MIB / 2, MIB / 2, PROT_NONE))
		die("mprotect: %m");
	probe_begin();
	result = sg_transfer(fd, false, buf + MIB / 2 - len / 2, len, 0);
	probe_end(result == -EFAULT, 0, "SG_IO read into a buffer of which half is there");
}

static void file_cases(const char *file, bool writes, const char *scratch)
{
	int fd = open(file, (writes ? O_RDWR : O_RDONLY) | O_DIRECT);

	if (fd < 0)
		die("%s: %m", file);
	read_case("read of one sector", fd, map_anonymous(PAGE_SIZE), 512, 0);
	read_case("read of 4 KiB", fd, map_anonymous(PAGE_SIZE), PAGE_SIZE, 0);
	read_case("read of 4 MiB", fd, map_anonymous(4 * MIB), 4 * MIB, 0);
	unaligned_read(fd);
	vector_read(fd);
	aio_read(fd);
	if (scratch)
		mapped_read(fd, scratch);
	tail_read(fd);
	bad_buffer(fd);
	splice_case(fd);
	if (writes)
		write_cases(fd);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/'), *scratch = NULL, *file;
	bool writes = false;
	const struct option_spec options[] = {
		{ .letter = 'w', .flag = &writes },
		{ .letter = 'b', .flag = &small_are_buffered },
		{ .letter = 's', .string = &scratch },
		{ 0 }
	};

	file = probe_start(argc, argv, options,
			   "dioprobe [-wb] [-s SCRATCH] FILE, or sgprobe DEVICE");
	if (!strcmp(name ? name + 1 : argv[0], "sgprobe"))
		sg_cases(file);
	else
		file_cases(file, writes, scratch);
	return probe.failed;
}
