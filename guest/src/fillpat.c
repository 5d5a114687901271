// SPDX-License-Identifier: GPL-2.0
/*
 * fillpat [-w F|S] [-g GEN] [-o OFFSET] -l LEN FILE...
 *
 * Writes the pattern of pattern.h to each FILE (or device) and syncs it.
 */
#include "pattern.h"

static void fill(const char *file, char who, unsigned int gen, uint64_t off, uint64_t len)
{
	static char buf[1 << 16];
	uint64_t pos, n;
	int fd = open(file, O_WRONLY | O_CREAT, 0644);

	if (fd < 0)
		die("%s: %m", file);
	for (pos = off; pos < off + len; pos += n) {
		n = off + len - pos < sizeof(buf) ? off + len - pos : sizeof(buf);
		put_pattern(buf, n, who, gen, pos);
		if (pwrite(fd, buf, n, pos) != (ssize_t)n)
			die("%s: write at %ju: %m", file, (uintmax_t)pos);
	}
	if (fsync(fd))
		die("%s: fsync: %m", file);
	close(fd);
}

int main(int argc, char **argv)
{
	uint64_t off = 0, len = 0;
	unsigned int gen = 0;
	char who = 'F';
	int c;

	while ((c = getopt(argc, argv, "w:g:o:l:")) != -1) {
		if (c == 'w')
			who = *optarg;
		else if (c == 'g')
			gen = atoi(optarg);
		else if (c == 'o')
			off = bytes(optarg);
		else if (c == 'l')
			len = bytes(optarg);
		else
			return 2;
	}
	if (optind == argc || !len)
		die("usage: fillpat [-w F|S] [-g GEN] [-o OFFSET] -l LEN FILE...");
	for (; optind < argc; optind++)
		fill(argv[optind], who, gen, off, len);
	return 0;
}
