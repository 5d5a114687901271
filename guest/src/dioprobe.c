// SPDX-License-Identifier: GPL-2.0
/*
 * dioprobe [-wb] [-s SCRATCH] FILE
 *
 * Direct I/O on FILE (a file or a block device that holds the source pattern, see
 * pattern.h; FILE is at least 4 MiB) in the ways that treat user pages
 * differently. After each way the data is compared, and the pins counted:
 * nr_foll_pin_acquired and nr_foll_pin_released must have grown by the same, on
 * a kernel that pins (writeback_bounced in /proc/vmstat) by at least the pages that
 * the device was given. -w: FILE may be overwritten, so try writes too.
 * -b: direct I/O of less than 4 KiB goes through the page cache here (btrfs).
 * -s: a file on a file system with a page cache, to be mapped as the buffer.
 *
 * sgprobe (the same program by another name) DEVICE: SG_IO on a SCSI disk or
 * its sg device, read(10) and write(10) with direct I/O from and to user pages.
 *
 * One line a case; exits 1 if one went wrong.
 */
#include "pattern.h"
#include "pageflags.h"
#include <linux/aio_abi.h>
#include <scsi/sg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define MB (1UL << 20)

static int failed;
static bool pins_expected, blocks_only;
static uint64_t acquired0;

static uint64_t vmstat(const char *name)
{
	char line[128], key[96];
	uint64_t v, found = 0;
	FILE *f = fopen("/proc/vmstat", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%95s %ju", key, (uintmax_t *)&v) == 2 && !strcmp(key, name))
			found = v + 1;
	if (f)
		fclose(f);
	return found;	/* plus one: 0 is a kernel without it */
}

/* Folds the per-CPU counters. */
static void fold(void)
{
	char c[16];
	int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY);

	if (fd >= 0 && read(fd, c, sizeof(c)) < 0)
		perror("stat_refresh");
	close(fd);
}

static void begin(void)
{
	fold();
	acquired0 = vmstat("nr_foll_pin_acquired");
}

/* What the case gave, and that pins are balanced; pages: how many were pinned. */
static void end(const char *what, bool ok, uint64_t pages)
{
	uint64_t taken, left = 0;
	int tries;

	for (tries = 0; tries < 50; tries++, usleep(100000)) {
		fold();
		left = vmstat("nr_foll_pin_acquired") - vmstat("nr_foll_pin_released");
		if (!left)
			break;
	}
	taken = vmstat("nr_foll_pin_acquired") - acquired0;
	if (left || (pins_expected && taken < pages))
		ok = false;
	printf("%s %s: %ju pins taken, %ju left, %ju pages given\n", ok ? "ok" : "not ok",
	       what, (uintmax_t)taken, (uintmax_t)left, (uintmax_t)pages);
	if (!ok)
		failed = 1;
}

static bool has_pattern(const void *buf, size_t len, char who, unsigned int gen, uint64_t pos)
{
	const uint64_t *w = buf;
	size_t i;

	for (i = 0; i < len / 8; i++)
		if (w[i] != word_at(who, gen, pos + i * 8))
			return false;
	return true;
}

static char *anon(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %m");
	return p;
}

/* For requests that are not made of 4 KiB blocks. */
static uint64_t unless_blocks(uint64_t pages)
{
	return blocks_only ? 0 : pages;
}

static void read_case(const char *what, int fd, char *buf, size_t len, uint64_t pos)
{
	ssize_t n;

	begin();
	n = pread(fd, buf, len, pos);
	end(what, n == (ssize_t)len && has_pattern(buf, len, 'S', 0, pos),
	    len % PG ? unless_blocks((len + PG - 1) / PG) : len / PG);
}

/* A buffer that begins and ends inside a page. */
static void odd_read(int fd)
{
	read_case("read of 5 sectors, across a page", fd, anon(2 * PG) + 3 * 512, 5 * 512, 512);
}

static void vector_read(int fd)
{
	char *a = anon(MB), *b = anon(MB);
	struct iovec v[] = { { a + 512, 512 }, { b, 3 * PG }, { a + PG, PG }, { a + 2 * PG, 512 } };
	size_t i, len = 0;
	bool ok = true;
	ssize_t n;

	begin();
	n = preadv(fd, v, 4, 0);
	for (i = 0; i < 4; len += v[i++].iov_len)
		ok = ok && has_pattern(v[i].iov_base, v[i].iov_len, 'S', 0, len);
	end("read into four pieces", ok && n == (ssize_t)len, unless_blocks(6));
}

static void aio_read(int fd)
{
	char *buf = anon(2 * MB);
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd,
			   .aio_buf = (uintptr_t)buf, .aio_nbytes = 2 * MB };
	struct iocb *cbp = &cb;
	struct io_event ev = { 0 };
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, 1, &ctx))
		die("io_setup: %m");
	begin();
	if (syscall(SYS_io_submit, ctx, 1L, &cbp) != 1)
		die("io_submit: %m");
	syscall(SYS_io_getevents, ctx, 1L, 1L, &ev, NULL);
	end("asynchronous read of 2 MiB", ev.res == (long)(2 * MB) && has_pattern(buf, 2 * MB, 'S', 0, 0),
	    2 * MB / PG);
	syscall(SYS_io_destroy, ctx);
}

static void mapped_read(int fd, const char *scratch)
{
	int sfd = open(scratch, O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *buf;

	if (sfd < 0 || ftruncate(sfd, MB))
		die("%s: %m", scratch);
	buf = mmap(NULL, MB, PROT_READ | PROT_WRITE, MAP_SHARED, sfd, 0);
	if (buf == MAP_FAILED)
		die("mmap %s: %m", scratch);
	read_case("read into a mapped file", fd, buf, MB, 0);
	munmap(buf, MB);
	close(sfd);
}

static uint64_t size_of(int fd)
{
	return lseek(fd, 0, SEEK_END);
}

/* The last sectors, with a buffer that asks for more. */
static void tail_read(int fd)
{
	uint64_t end_pos = size_of(fd), pos = (end_pos - 1024) & ~511ULL;
	char *buf = anon(MB);
	ssize_t n;

	memset(buf, 0, MB);
	begin();
	n = pread(fd, buf, MB, pos);
	end("read across the end of the file", n == (ssize_t)(end_pos - pos), unless_blocks(1));
	begin();
	n = pread(fd, buf, MB, (end_pos + 511) & ~511ULL);
	end("read behind the end of the file", n == 0, 0);
}

/* The buffer ends in the middle: what could be read is, the rest is an error. */
static void bad_buffer(int fd)
{
	char *buf = anon(MB);
	ssize_t n;

	if (mprotect(buf + MB / 2, MB / 2, PROT_NONE))
		die("mprotect: %m");
	begin();
	n = pread(fd, buf, MB, 0);
	/* Some paths read the first half, some none. */
	end("read into a buffer of which half is there",
	    (n < 0 && errno == EFAULT) || (n > 0 && n <= (ssize_t)MB / 2 && has_pattern(buf, n, 'S', 0, 0)), 0);
	begin();
	n = pread(fd, buf + MB / 2, PG, 0);
	end("read into a buffer that is not there", n < 0 && errno == EFAULT, 0);
}

static void splice_case(int fd)
{
	char *buf = anon(16 * PG);
	loff_t pos = 0;
	ssize_t n, got = 0, r;
	int p[2];

	if (pipe(p))
		die("pipe: %m");
	begin();
	n = splice(fd, &pos, p[1], NULL, 16 * PG, 0);
	while (got < n && (r = read(p[0], buf + got, n - got)) > 0)
		got += r;
	end("splice into a pipe", n > 0 && got == n && has_pattern(buf, n, 'S', 0, 0), 0);
	close(p[0]);
	close(p[1]);
}

/* 5.4 breaks copy-on-write for GUP even if it only reads, so that it never meets it. */
static bool is_zero_page(void *p)
{
	uint64_t bits;

	return page_flags(p, &bits) && bits >> KPF_ZERO_PAGE & 1;
}

static void write_cases(int fd)
{
	char *buf = anon(2 * MB), *zero = anon(PG * 16);
	static const char zeros[PG * 16];
	ssize_t n;

	put_pattern(buf, 2 * MB, 'S', 0, MB);
	begin();
	n = pwrite(fd, buf, 2 * MB, MB);
	end("write of 2 MiB", n == (ssize_t)(2 * MB), 2 * MB / PG);
	read_case("read back", fd, anon(2 * MB), 2 * MB, MB);

	/* Never touched: sixteen times the zero page, which nobody pins. */
	begin();
	n = pwrite(fd, zero, PG * 16, 0);
	end("write from the zero page", n == (ssize_t)(PG * 16), 0);
	if (pins_expected && is_zero_page(zero) && vmstat("nr_foll_pin_acquired") != acquired0) {
		printf("not ok write from the zero page: it was pinned\n");
		failed = 1;
	}
	n = pread(fd, buf, PG * 16, 0);
	if (n != (ssize_t)(PG * 16) || memcmp(buf, zeros, n)) {
		printf("not ok write from the zero page: no zeros on the disk\n");
		failed = 1;
	}
	put_pattern(buf, PG * 16, 'S', 0, 0);
	if (pwrite(fd, buf, PG * 16, 0) != (ssize_t)(PG * 16))
		die("write: %m");
}

/* read(10) or write(10) of len bytes at sector 0; buf is an array of sg_iovec if iovecs. */
static int sg_rwv(int fd, bool write, void *buf, size_t len, int iovecs)
{
	unsigned char cdb[10] = { write ? 0x2a : 0x28, [7] = len / 512 >> 8, [8] = len / 512 };
	unsigned char sense[64];
	struct sg_io_hdr h = {
		.interface_id = 'S', .cmd_len = 10, .cmdp = cdb, .mx_sb_len = sizeof(sense), .sbp = sense,
		.dxfer_direction = write ? SG_DXFER_TO_DEV : SG_DXFER_FROM_DEV,
		.dxfer_len = len, .dxferp = buf, .iovec_count = iovecs,
		.flags = SG_FLAG_DIRECT_IO, .timeout = 20000,
	};

	if (ioctl(fd, SG_IO, &h))
		return -errno;
	return h.status || h.host_status || h.driver_status ? -EIO : 0;
}

static int sg_rw(int fd, bool write, void *buf, size_t len)
{
	return sg_rwv(fd, write, buf, len, 0);
}

static void sg_cases(const char *dev)
{
	int fd = open(dev, O_RDWR), r;
	size_t len = 64 * PG;
	char *buf = anon(MB);

	if (fd < 0)
		die("%s: %m", dev);
	put_pattern(buf, len, 'S', 0, 0);
	begin();
	r = sg_rw(fd, true, buf, len);
	end("SG_IO write of 256 KiB", !r, strncmp(dev, "/dev/sg", 7) ? 64 : 0);
	begin();
	buf = anon(MB);
	r = sg_rw(fd, false, buf, len);
	end("SG_IO read of 256 KiB", !r && has_pattern(buf, len, 'S', 0, 0), strncmp(dev, "/dev/sg", 7) ? 64 : 0);
	begin();
	r = sg_rw(fd, false, buf + 512, len);
	end("SG_IO read inside a page", !r && has_pattern(buf + 512, len, 'S', 0, 0), 0);
	/* Two segments in one page become one bio_vec: the page was taken twice. */
	begin();
	sg_iovec_t halves[] = { { buf, PG / 2 }, { buf + PG / 2, PG / 2 } };

	r = sg_rwv(fd, false, halves, PG, 2);
	end("SG_IO read into two halves of a page", !r && has_pattern(buf, PG, 'S', 0, 0), 0);
	begin();	/* not aligned: copied by the kernel */
	r = sg_rw(fd, false, buf + 1, 4 * PG);
	end("SG_IO read to an odd address", !r, 0);
	if (mprotect(buf + MB / 2, MB / 2, PROT_NONE))
		die("mprotect: %m");
	begin();
	r = sg_rw(fd, false, buf + MB / 2 - len / 2, len);
	end("SG_IO read into a buffer of which half is there", r == -EFAULT, 0);
}

int main(int argc, char **argv)
{
	const char *self = strrchr(argv[0], '/'), *scratch = NULL;
	bool writes = false;
	int c, fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	pins_expected = vmstat("writeback_bounced");
	while ((c = getopt(argc, argv, "wbs:")) != -1) {
		if (c == 'w')
			writes = true;
		else if (c == 'b')
			blocks_only = true;
		else if (c == 's')
			scratch = optarg;
		else
			return 2;
	}
	if (optind + 1 != argc)
		die("usage: dioprobe [-wb] [-s SCRATCH] FILE, or sgprobe DEVICE");
	if (!strcmp(self ? self + 1 : argv[0], "sgprobe")) {
		sg_cases(argv[optind]);
		return failed;
	}
	fd = open(argv[optind], (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (fd < 0)
		die("%s: %m", argv[optind]);
	read_case("read of one sector", fd, anon(PG), 512, 0);
	read_case("read of 4 KiB", fd, anon(PG), PG, 0);
	read_case("read of 4 MiB", fd, anon(4 * MB), 4 * MB, 0);
	odd_read(fd);
	vector_read(fd);
	aio_read(fd);
	if (scratch)
		mapped_read(fd, scratch);
	tail_read(fd);
	bad_buffer(fd);
	splice_case(fd);
	if (writes)
		write_cases(fd);
	return failed;
}
