// SPDX-License-Identifier: GPL-2.0
/*
 * pagecheck [-e] [-g GEN] [-d DEVICE] [-o OFFSET] [-l LEN] FILE...
 *
 * Reads each FILE page by page and tells the kind of each page:
 *
 *	unreadable  the read failed (the checksum did not match)
 *	old         the data of the program, of generation GEN (with -e of an earlier one, too)
 *	new         the data of the source device
 *	torn        every word is old or new, and both occur
 *	garbage     anything else
 *
 * With -d the data is read from DEVICE, at the place where the filesystem has put it. That
 * bypasses the page cache, whose pages may be dirty again, and does not write them back.
 * There the rest of the last sectors, behind the end of the file, must be zero. FILE may be
 * DEVICE itself. Prints one line of counts over all files; exits 0 if pages could be
 * counted, whatever their kinds are.
 */
#define _GNU_SOURCE
#include <sys/stat.h>

#include "die.h"
#include "extent.h"
#include "options.h"
#include "page.h"
#include "pattern.h"

#define BLOCK 1024	/* the smallest of a filesystem */

enum kind { UNREADABLE, OLD, NEW, TORN, GARBAGE, KINDS };

static const char *const kind_name[KINDS] = {
	"unreadable", "old", "new", "torn", "garbage"
};

static int generation;
static bool earlier;			/* -e: earlier generations are old, too */
static uint64_t count[KINDS];

/* Where the byte at @pos of the file is on its device. */
static uint64_t physical(int fd, uint64_t pos)
{
	struct fiemap_extent extent;
	int extents = first_extent(fd, pos, 1, &extent);

	if (extents < 0)
		die("FIEMAP: %m");
	if (extents != 1 || (extent.fe_flags & FIEMAP_EXTENT_UNKNOWN))
		die("no block at position %ju of the file", (uintmax_t)pos);
	return extent.fe_physical + (pos - extent.fe_logical);
}

static bool is_old(uint64_t word, uint64_t pos)
{
	int word_generation = pattern_generation(word);

	return word == pattern_word(FROM_PROGRAM, word_generation, pos) &&
	       (word_generation == generation || (earlier && word_generation < generation));
}

static enum kind kind_of(const uint64_t *page, size_t words, uint64_t pos)
{
	size_t i, old = 0, new = 0;

	for (i = 0; i < words; i++) {
		if (is_old(page[i], pos + i * 8))
			old++;
		else if (page[i] == pattern_word(FROM_SOURCE, 0, pos + i * 8))
			new++;
	}
	if (old + new < words)
		return GARBAGE;
	if (!new)
		return OLD;
	return old ? TORN : NEW;
}

/* Reads @n bytes of one page. On the device each of its blocks may be at another place. */
static bool read_page(int fd, int device_fd, char *buf, size_t n, uint64_t pos)
{
	size_t i;

	if (device_fd < 0)
		return pread(fd, buf, n, pos) == (ssize_t)n;
	for (i = 0; i < n; i += BLOCK)
		if (pread(device_fd, buf + i, BLOCK, physical(fd, pos + i)) != BLOCK)
			return false;
	for (i = n; i % BLOCK; i++)
		if (buf[i])
			put_pattern(buf, 8, 'X', 0, 0);	/* makes the page garbage */
	return true;
}

/* Returns errno of the last page that cannot be read, or 0. */
static int count_file(const char *file, const char *device, uint64_t offset, uint64_t len)
{
	static char buf[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
	bool is_device = device && !strcmp(device, file);
	int fd = open(file, O_RDONLY | (is_device ? O_DIRECT : 0)), device_fd = -1, error = 0;
	uint64_t pos, n, end;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("%s: %m", file);
	if (device && !is_device) {
		device_fd = open(device, O_RDONLY | O_DIRECT);
		if (device_fd < 0)
			die("%s: %m", device);
	}
	end = len ? offset + len : (uint64_t)st.st_size;
	for (pos = offset; pos < end; pos += n) {
		n = end - pos < PAGE_SIZE ? end - pos : PAGE_SIZE;
		if (read_page(fd, device_fd, buf, n, pos)) {
			count[kind_of((uint64_t *)buf, n / 8, pos)]++;
		} else {
			error = errno;
			count[UNREADABLE]++;
		}
	}
	if (device_fd >= 0)
		close(device_fd);
	close(fd);
	return error;
}

int main(int argc, char **argv)
{
	uint64_t offset = 0, len = 0, pages = 0;
	int kind, file_error, error = 0;
	const char *device = NULL;
	const struct option_spec options[] = {
		{ .letter = 'e', .flag = &earlier },
		{ .letter = 'g', .number = &generation },
		{ .letter = 'd', .string = &device },
		{ .letter = 'o', .bytes = &offset },
		{ .letter = 'l', .bytes = &len },
		{ 0 }
	};

	parse_options(argc, argv, options);
	if (optind == argc)
		die("usage: pagecheck [-e] [-g GEN] [-d DEVICE] [-o OFFSET] [-l LEN] FILE...");
	for (; optind < argc; optind++) {
		file_error = count_file(argv[optind], device, offset, len);
		if (file_error)
			error = file_error;
	}
	for (kind = 0; kind < KINDS; kind++)
		pages += count[kind];
	printf("pages %ju", (uintmax_t)pages);
	for (kind = 0; kind < KINDS; kind++)
		printf(" %s %ju", kind_name[kind], (uintmax_t)count[kind]);
	if (error)
		printf(" error %s", strerrorname_np(error));
	printf("\n");
	return 0;
}
