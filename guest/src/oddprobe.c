// SPDX-License-Identifier: GPL-2.0
/*
 * oddprobe [-p] [-s SCRATCH] FILE
 *
 * Direct I/O on FILE of a network filesystem. Unlike a block device a server has no
 * sectors: buffers, lengths and positions begin and end anywhere. FILE is at least 4 MiB
 * and holds the source pattern (see lib/pattern.h), which is there again at the end. After
 * each request the data is compared, the bytes around it must be unchanged, and the pins
 * are counted: as many must be released as were acquired. On a kernel that pins
 * (writeback_bounced is in /proc/vmstat) they must be at least as many as the pages that
 * the request touches.
 * -p: only requests of more than 1 KiB are made from user pages (9p).
 * -s: a file on a filesystem with a page cache, to be mapped as the buffer.
 *
 * One line a case; exits 1 if a case is not ok.
 */
#define _GNU_SOURCE
#include <sys/uio.h>

#include "page.h"
#include "pattern.h"
#include "probe.h"

#define CANARY		0xa5		/* each byte of the buffer before a read */
#define BUFFER_SIZE	(2 * MIB)

static bool small_are_copied;		/* -p */

struct request {
	uint32_t in_page;		/* where in the buffer it begins */
	uint32_t len, pos;
};

static const struct request requests[] = {
	{ 0, PAGE_SIZE, 4095 },		/* only the position is odd */
	{ 1, 1000, 3 },			/* inside a page */
	{ 4095, 2, 5 },			/* the smallest in two pages */
	{ 100, 70000, 12345 },
	{ 4093, 8192, 65535 },		/* three pages, a few bytes in two of them */
	{ 3, 1048576 + 17, 1 },		/* most servers get more than one request */
};

static unsigned char source_byte(uint64_t pos)
{
	return pattern_word(FROM_SOURCE, 0, pos & ~7ULL) >> (pos & 7) * 8;
}

/* Writes put this in place of the source, so that a lost write is seen. */
static unsigned char other_byte(uint64_t pos)
{
	return source_byte(pos) ^ 0x5a;
}

static void fill_from(unsigned char *to, const struct request *r, unsigned char (*byte)(uint64_t))
{
	uint32_t i;

	for (i = 0; i < r->len; i++)
		to[r->in_page + i] = byte(r->pos + i);
}

static bool bytes_match(const unsigned char *data, size_t len, uint64_t pos,
			unsigned char (*byte)(uint64_t))
{
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i] != byte(pos + i))
			return false;
	return true;
}

static bool all_canary(const unsigned char *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i] != CANARY)
			return false;
	return true;
}

/* @memory: the kind of the buffer; @name: of the request */
static void request_end(const char *memory, const char *name, const struct request *r, bool ok)
{
	uint64_t pages = (r->in_page + r->len + PAGE_SIZE - 1) / PAGE_SIZE;

	if (small_are_copied && r->len <= 1024)
		pages = 0;
	probe_end(ok, pages, "%s %s: %u bytes at %u, %u into a page", memory, name, r->len, r->pos,
		  r->in_page);
}

/* @want: so many bytes must come; only the bytes of the request may change */
static void read_case(const char *memory, const char *name, int fd, unsigned char *buf,
		      const struct request *r, size_t want)
{
	unsigned char *data = buf + r->in_page, *behind = data + r->len;
	ssize_t n;

	memset(buf, CANARY, BUFFER_SIZE);
	probe_begin();
	n = pread(fd, data, r->len, r->pos);
	request_end(memory, name, r, n == (ssize_t)want &&
		    bytes_match(data, want, r->pos, source_byte) &&
		    all_canary(buf, r->in_page) &&
		    all_canary(behind, buf + BUFFER_SIZE - behind));
}

static void read_cases(const char *memory, int fd, unsigned char *buf)
{
	struct request tail = { 7, 3 * PAGE_SIZE, lseek(fd, 0, SEEK_END) - 100 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(requests); i++)
		read_case(memory, "read", fd, buf, &requests[i], requests[i].len);
	/* The file ends inside the request. */
	read_case(memory, "short read", fd, buf, &tail, 100);
}

static void vector_read(int fd, unsigned char *buf)
{
	const struct iovec iov[] = {
		{ buf + 5, 3 },
		{ buf + PAGE_SIZE - 1, PAGE_SIZE + 2 },
		{ buf + 4 * PAGE_SIZE + 9, 1 },
		{ buf + 6 * PAGE_SIZE, 2 * PAGE_SIZE },
	};
	const struct request r = { 0, 3 * PAGE_SIZE + 6, 77 };
	uint64_t pos = r.pos;
	bool ok;
	size_t i;

	memset(buf, CANARY, MIB);
	probe_begin();
	ok = preadv(fd, iov, ARRAY_SIZE(iov), r.pos) == (ssize_t)r.len;
	for (i = 0; i < ARRAY_SIZE(iov); pos += iov[i++].iov_len)
		ok = ok && bytes_match(iov[i].iov_base, iov[i].iov_len, pos, source_byte);
	request_end("anonymous", "read into four odd pieces", &r, ok);
}

/* The file holds the bytes of the request now, and a byte of the source on each side. */
static bool written(int fd, const struct request *r, unsigned char *buf)
{
	return pread(fd, buf, r->len + 2, r->pos - 1) == (ssize_t)r->len + 2 &&
	       buf[0] == source_byte(r->pos - 1) &&
	       bytes_match(buf + 1, r->len, r->pos, other_byte) &&
	       buf[r->len + 1] == source_byte(r->pos + r->len);
}

/* @check_fd: another descriptor of the same file */
static void write_cases(const char *memory, int fd, int check_fd, unsigned char *buf)
{
	unsigned char *read_buf = malloc(BUFFER_SIZE);
	unsigned int i;

	if (!read_buf)
		die("no memory");
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		const struct request *r = &requests[i];
		ssize_t n;

		fill_from(buf, r, other_byte);
		probe_begin();
		n = pwrite(fd, buf + r->in_page, r->len, r->pos);
		request_end(memory, "write", r,
			    n == (ssize_t)r->len && written(check_fd, r, read_buf));
		fill_from(buf, r, source_byte);
		if (pwrite(fd, buf + r->in_page, r->len, r->pos) != (ssize_t)r->len)
			die("write: %m");
	}
	free(read_buf);
}

int main(int argc, char **argv)
{
	const char *scratch = NULL, *file;
	const struct option_spec options[] = {
		{ .letter = 'p', .flag = &small_are_copied },
		{ .letter = 's', .string = &scratch },
		{ 0 }
	};
	unsigned char *buf;
	int fd, check_fd;

	file = probe_start(argc, argv, options, "oddprobe [-p] [-s SCRATCH] FILE");
	fd = open(file, O_RDWR | O_DIRECT);
	check_fd = open(file, O_RDONLY | O_DIRECT);
	if (fd < 0 || check_fd < 0)
		die("%s: %m", file);
	buf = map_anonymous(BUFFER_SIZE);
	read_cases("anonymous", fd, buf);
	vector_read(fd, buf);
	write_cases("anonymous", fd, check_fd, buf);
	if (scratch) {
		buf = map_new_file(scratch, BUFFER_SIZE);
		read_cases("mapped", fd, buf);
		write_cases("mapped", fd, check_fd, buf);
	}
	return probe.failed;
}
