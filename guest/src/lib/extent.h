/* SPDX-License-Identifier: GPL-2.0 */
/* Where a filesystem has put the data of a file. */
#ifndef EXTENT_H
#define EXTENT_H

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdint.h>
#include <sys/ioctl.h>

/*
 * The first extent in @len bytes from @pos on. Returns how many there are, 0 or 1, or -1
 * with errno. An extent may begin before @pos.
 */
static inline int first_extent(int fd, uint64_t pos, uint64_t len, struct fiemap_extent *extent)
{
	union {
		struct fiemap map;
		char with_extent[sizeof(struct fiemap) + sizeof(*extent)];
	} request = { .map = { .fm_start = pos, .fm_length = len, .fm_extent_count = 1 } };

	if (ioctl(fd, FS_IOC_FIEMAP, &request.map))
		return -1;
	*extent = request.map.fm_extents[0];
	return request.map.fm_mapped_extents;
}

#endif
