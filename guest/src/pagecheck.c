// SPDX-License-Identifier: GPL-2.0
/*
 * pagecheck [-e] [-g GEN] [-d DEVICE] [-o OFFSET] [-l LEN] FILE...
 *
 * Reads each FILE page by page and says what each page holds:
 *
 *	unreadable  the read failed (the checksum did not match)
 *	old         what the program wrote (generation GEN; with -e earlier ones too)
 *	new         what the source device holds
 *	torn        every word is old or new, and both occur
 *	garbage     something else
 *
 * With -d the data is read from DEVICE, at the place where the file system put
 * it: past the page cache, whose pages may have become dirty again, and without
 * writing them. What follows the end of the file in its last sectors has to be
 * zero there. FILE may be DEVICE itself. Prints one line of counts over all
 * files; exits 0 when the counting worked, whatever the counts are.
 */
#include "pattern.h"
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum { UNREADABLE, OLD, NEW, TORN, GARBAGE, KINDS };

static const char *const name[KINDS] = {
	"unreadable", "old", "new", "torn", "garbage"
};

/* Where the byte at pos of the file is on its device. */
static uint64_t physical(int fd, uint64_t pos)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} f = { .map = { .fm_start = pos, .fm_length = 1, .fm_extent_count = 1 } };

	if (ioctl(fd, FS_IOC_FIEMAP, &f))
		die("FIEMAP: %m");
	if (f.map.fm_mapped_extents != 1 || (f.extent.fe_flags & FIEMAP_EXTENT_UNKNOWN))
		die("no block at position %ju of the file", (uintmax_t)pos);
	return f.extent.fe_physical + (pos - f.extent.fe_logical);
}

static bool earlier;

static bool is_old(uint64_t w, unsigned int gen, uint64_t pos)
{
	unsigned int g = w >> 40 & 0xffff;

	return w == word_at('F', g, pos) && (g == gen || (earlier && g < gen));
}

static int kind_of(const uint64_t *w, size_t words, unsigned int gen, uint64_t pos)
{
	size_t i, old = 0, new = 0;

	for (i = 0; i < words; i++) {
		if (is_old(w[i], gen, pos + i * 8))
			old++;
		else if (w[i] == word_at('S', 0, pos + i * 8))
			new++;
	}
	if (old + new < words)
		return GARBAGE;
	return !new ? OLD : !old ? NEW : TORN;
}

/* Reads one page, block by block if blocks of it may be anywhere. */
static int read_page(int fd, int from, char *buf, size_t n, uint64_t pos)
{
	size_t i, step = 1024;

	if (from == fd)
		return pread(fd, buf, n, pos) == (ssize_t)n ? 0 : -1;
	for (i = 0; i < n; i += step)
		if (pread(from, buf + i, step, physical(fd, pos + i)) != (ssize_t)step)
			return -1;
	for (i = n; i % step; i++)
		if (buf[i])
			put_pattern(buf, 8, 'X', 0, 0);	/* beyond the end: garbage */
	return 0;
}

static int count_file(const char *file, const char *dev, unsigned int gen,
		      uint64_t off, uint64_t len, uint64_t *count)
{
	static char buf[PG] __attribute__((aligned(PG)));
	bool raw = dev && !strcmp(dev, file);
	int fd, from, kind, err = 0;
	uint64_t pos, n;
	struct stat st;

	fd = from = open(file, O_RDONLY | (raw ? O_DIRECT : 0));
	if (fd < 0 || fstat(fd, &st))
		die("%s: %m", file);
	if (dev && !raw)
		from = open(dev, O_RDONLY | O_DIRECT);
	if (from < 0)
		die("%s: %m", dev);
	if (!len)
		len = st.st_size - off;
	for (pos = off; pos < off + len; pos += n) {
		n = off + len - pos < PG ? off + len - pos : PG;
		if (read_page(fd, from, buf, n, pos)) {
			kind = UNREADABLE;
			err = errno;
		} else {
			kind = kind_of((uint64_t *)buf, n / 8, gen, pos);
		}
		count[kind]++;
	}
	if (from != fd)
		close(from);
	close(fd);
	return err;
}

int main(int argc, char **argv)
{
	uint64_t off = 0, len = 0, pages = 0, count[KINDS] = { 0 };
	int c, kind, e, err = 0;
	const char *dev = NULL;
	unsigned int gen = 0;

	while ((c = getopt(argc, argv, "eg:d:o:l:")) != -1) {
		if (c == 'e')
			earlier = true;
		else if (c == 'g')
			gen = atoi(optarg);
		else if (c == 'd')
			dev = optarg;
		else if (c == 'o')
			off = bytes(optarg);
		else if (c == 'l')
			len = bytes(optarg);
		else
			return 2;
	}
	if (optind == argc)
		die("usage: pagecheck [-e] [-g GEN] [-d DEVICE] [-o OFFSET] [-l LEN] FILE...");
	for (; optind < argc; optind++) {
		e = count_file(argv[optind], dev, gen, off, len, count);
		err = e ? e : err;
	}
	for (kind = 0; kind < KINDS; kind++)
		pages += count[kind];
	printf("pages %ju", (uintmax_t)pages);
	for (kind = 0; kind < KINDS; kind++)
		printf(" %s %ju", name[kind], (uintmax_t)count[kind]);
	printf("%s%s\n", err ? " error " : "", err ? strerrorname_np(err) : "");
	return 0;
}
