// SPDX-License-Identifier: GPL-2.0
/*
 * oddprobe [-p] [-s SCRATCH] FILE
 *
 * Direct I/O on FILE of a network filesystem, which unlike a block device has no
 * sectors: buffers, lengths and positions that begin and end anywhere. FILE is
 * at least 4 MiB and holds the source pattern (see pattern.h); what is written
 * is put right again. After each request the data is compared, the bytes around
 * it must be what they were, and the pins are counted: on a kernel that pins
 * (writeback_bounced in /proc/vmstat), as many as released, and at least
 * the pages that the request touches.
 * -p: only requests of more than 1 KiB are made from user pages (9p).
 * -s: a file on a file system with a page cache, to be mapped as the buffer.
 *
 * One line a case; exits 1 if one went wrong.
 */
#include "pattern.h"
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define MB (1UL << 20)
#define CANARY 0xa5

static int failed;
static bool pins_expected, small_are_copied;

static const struct odd { uint32_t in_page, len, pos; } odd[] = {
	{ 0, PG, 4095 },		/* an odd position only */
	{ 1, 1000, 3 },			/* inside a page */
	{ 4095, 2, 5 },			/* the smallest that needs two */
	{ 100, 70000, 12345 },
	{ 4093, 8192, 65535 },		/* three pages, two of them by a few bytes */
	{ 3, 1048576 + 17, 1 },		/* more than one request of most servers */
};

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

static unsigned char source_byte(uint64_t pos)
{
	return word_at('S', 0, pos & ~7ULL) >> (pos & 7) * 8;
}

/* What is written in place of the source, so that a lost write shows. */
static unsigned char other_byte(uint64_t pos)
{
	return source_byte(pos) ^ 0x5a;
}

static bool all_canary(const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != CANARY)
			return false;
	return true;
}

static bool same(const unsigned char *p, size_t len, uint64_t pos, unsigned char (*byte)(uint64_t))
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != byte(pos + i))
			return false;
	return true;
}

static void verdict(const char *kind, const char *what, const struct odd *o, uint64_t acquired0, bool ok)
{
	uint64_t pages = (o->in_page + o->len + PG - 1) / PG, taken, left = 0;
	int tries;

	if (small_are_copied && o->len <= 1024)
		pages = 0;
	for (tries = 0; tries < 50; tries++, usleep(100000)) {
		left = vmstat("nr_foll_pin_acquired") - vmstat("nr_foll_pin_released");
		if (!left)
			break;
	}
	taken = vmstat("nr_foll_pin_acquired") - acquired0;
	if (left || (pins_expected && taken < pages))
		ok = false;
	printf("%s %s %s: %u bytes at %u, %u into a page: %ju pins taken, %ju left, %ju pages given\n",
	       ok ? "ok" : "not ok", kind, what, o->len, o->pos, o->in_page, (uintmax_t)taken,
	       (uintmax_t)left, (uintmax_t)pages);
	if (!ok)
		failed = 1;
}

static void odd_reads(const char *kind, int fd, unsigned char *buf)
{
	uint64_t acquired0, end = lseek(fd, 0, SEEK_END);
	unsigned int i;
	ssize_t n;

	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		const struct odd *o = &odd[i];

		memset(buf, CANARY, 2 * MB);
		acquired0 = vmstat("nr_foll_pin_acquired");
		n = pread(fd, buf + o->in_page, o->len, o->pos);
		verdict(kind, "read", o, acquired0, n == (ssize_t)o->len &&
			same(buf + o->in_page, o->len, o->pos, source_byte) &&
			all_canary(buf, o->in_page) &&
			all_canary(buf + o->in_page + o->len, 2 * MB - o->in_page - o->len));
	}

	/* Short: the end of the file comes first. */
	const struct odd tail = { 7, 3 * PG, end - 100 };

	memset(buf, CANARY, 2 * MB);
	acquired0 = vmstat("nr_foll_pin_acquired");
	n = pread(fd, buf + tail.in_page, tail.len, tail.pos);
	verdict(kind, "short read", &tail, acquired0, n == 100 &&
		same(buf + tail.in_page, 100, tail.pos, source_byte) && all_canary(buf, tail.in_page) &&
		all_canary(buf + tail.in_page + tail.len, 2 * MB - tail.in_page - tail.len));
}

static void odd_vector(int fd, unsigned char *buf)
{
	struct iovec v[] = { { buf + 5, 3 }, { buf + PG - 1, PG + 2 }, { buf + 4 * PG + 9, 1 }, { buf + 6 * PG, 2 * PG } };
	const struct odd o = { 0, 3 * PG + 6, 77 };
	uint64_t acquired0, done = 0;
	bool ok;
	ssize_t n;
	size_t i;

	memset(buf, CANARY, MB);
	acquired0 = vmstat("nr_foll_pin_acquired");
	n = preadv(fd, v, 4, o.pos);
	ok = n == (ssize_t)o.len;
	for (i = 0; i < 4; done += v[i++].iov_len)
		ok = ok && same(v[i].iov_base, v[i].iov_len, o.pos + done, source_byte);
	verdict("anonymous", "read into four odd pieces", &o, acquired0, ok);
}

static void odd_writes(const char *kind, int fd, int check, unsigned char *buf)
{
	unsigned char *back = malloc(2 * MB);
	uint64_t acquired0;
	unsigned int i, k;
	bool ok = true;

	if (!back)
		die("no memory");
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		const struct odd *o = &odd[i];
		ssize_t n;

		for (k = 0; k < o->len; k++)
			buf[o->in_page + k] = other_byte(o->pos + k);
		acquired0 = vmstat("nr_foll_pin_acquired");
		n = pwrite(fd, buf + o->in_page, o->len, o->pos);
		/* by the other way, with a byte of what is around it */
		ok = n == (ssize_t)o->len && pread(check, back, o->len + 2, o->pos - 1) == (ssize_t)o->len + 2 &&
		     back[0] == source_byte(o->pos - 1) && same(back + 1, o->len, o->pos, other_byte) &&
		     back[o->len + 1] == source_byte(o->pos + o->len);
		verdict(kind, "write", o, acquired0, ok);
		for (k = 0; k < o->len; k++)
			buf[o->in_page + k] = source_byte(o->pos + k);
		if (pwrite(fd, buf + o->in_page, o->len, o->pos) != (ssize_t)o->len)
			die("write: %m");
	}
	free(back);
}

static unsigned char *map(int fd, int flags)
{
	unsigned char *p = mmap(NULL, 2 * MB, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap: %m");
	return p;
}

int main(int argc, char **argv)
{
	const char *scratch = NULL;
	unsigned char *buf;
	int c, fd, check;

	setvbuf(stdout, NULL, _IOLBF, 0);
	pins_expected = vmstat("writeback_bounced");
	while ((c = getopt(argc, argv, "ps:")) != -1) {
		if (c == 'p')
			small_are_copied = true;
		else if (c == 's')
			scratch = optarg;
		else
			return 2;
	}
	if (optind + 1 != argc)
		die("usage: oddprobe [-p] [-s SCRATCH] FILE");
	fd = open(argv[optind], O_RDWR | O_DIRECT);
	check = open(argv[optind], O_RDONLY | O_DIRECT);
	if (fd < 0 || check < 0)
		die("%s: %m", argv[optind]);
	buf = map(-1, MAP_PRIVATE | MAP_ANONYMOUS);
	odd_reads("anonymous", fd, buf);
	odd_vector(fd, buf);
	odd_writes("anonymous", fd, check, buf);
	if (scratch) {
		int sfd = open(scratch, O_RDWR | O_CREAT | O_TRUNC, 0644);

		if (sfd < 0 || ftruncate(sfd, 2 * MB))
			die("%s: %m", scratch);
		buf = map(sfd, MAP_SHARED);
		odd_reads("mapped", fd, buf);
		odd_writes("mapped", fd, check, buf);
	}
	return failed;
}
