// SPDX-License-Identifier: GPL-2.0
/*
 * fillpat [-w F|S] [-g GEN] [-o OFFSET] -l LEN FILE...
 *
 * Writes the pattern of lib/pattern.h to each FILE (or device) and syncs it.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "die.h"
#include "options.h"
#include "pattern.h"

static void fill(const char *file, char writer, unsigned int generation, uint64_t offset,
		 uint64_t len)
{
	static char buf[1 << 16];
	uint64_t pos, n, end = offset + len;
	int fd = open(file, O_WRONLY | O_CREAT, 0644);

	if (fd < 0)
		die("%s: %m", file);
	for (pos = offset; pos < end; pos += n) {
		n = end - pos < sizeof(buf) ? end - pos : sizeof(buf);
		put_pattern(buf, n, writer, generation, pos);
		if (pwrite(fd, buf, n, pos) != (ssize_t)n)
			die("%s: write at %ju: %m", file, (uintmax_t)pos);
	}
	if (fsync(fd))
		die("%s: fsync: %m", file);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *writer = "F";
	uint64_t offset = 0, len = 0;
	int generation = 0;
	const struct option_spec options[] = {
		{ .letter = 'w', .string = &writer },
		{ .letter = 'g', .number = &generation },
		{ .letter = 'o', .bytes = &offset },
		{ .letter = 'l', .bytes = &len },
		{ 0 }
	};

	parse_options(argc, argv, options);
	if (optind == argc || !len)
		die("usage: fillpat [-w F|S] [-g GEN] [-o OFFSET] -l LEN FILE...");
	for (; optind < argc; optind++)
		fill(argv[optind], *writer, generation, offset, len);
	return 0;
}
