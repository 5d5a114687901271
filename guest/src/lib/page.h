/* SPDX-License-Identifier: GPL-2.0 */
/* Pages, and memory that is mapped. */
#ifndef PAGE_H
#define PAGE_H

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "die.h"

#define PAGE_SIZE	4096UL
#define MIB		(1UL << 20)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static inline void *map_anonymous(size_t len)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		die("mmap: %m");
	return map;
}

static inline void *map_shared(int fd, size_t len)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		die("mmap: %m");
	return map;
}

/* Creates or empties a file, makes it @len bytes long and maps it shared. */
static inline void *map_new_file(const char *path, size_t len)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	void *map;

	if (fd < 0 || ftruncate(fd, len))
		die("%s: %m", path);
	map = map_shared(fd, len);
	close(fd);
	return map;
}

/* Maps @pages pages of a file from @offset on shared, the last page first. */
static inline char *map_reversed(int fd, off_t offset, size_t pages)
{
	char *map = mmap(NULL, pages * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (map == MAP_FAILED)
		die("mmap: %m");
	for (i = 0; i < pages; i++)
		if (mmap(map + i * PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd,
			 offset + (pages - 1 - i) * PAGE_SIZE) == MAP_FAILED)
			die("mmap of page %zu: %m", i);
	return map;
}

/* How many pages of two buffers differ. @len: a number of whole pages */
static inline size_t differing_pages(const char *a, const char *b, size_t len)
{
	size_t pos, pages = 0;

	for (pos = 0; pos < len; pos += PAGE_SIZE)
		pages += memcmp(a + pos, b + pos, PAGE_SIZE) != 0;
	return pages;
}

#endif
