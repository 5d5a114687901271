/* SPDX-License-Identifier: GPL-2.0 */
/* SG_IO with direct I/O, on a SCSI disk or its sg device. */
#ifndef SG_H
#define SG_H

#include <errno.h>
#include <scsi/sg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>

/*
 * READ(10) or WRITE(10) of @len bytes at sector 0. @buf: if @iovecs is not 0, as many
 * sg_iovec_t. Returns 0 or -errno, -EIO if the device or the driver reports an error.
 */
static inline int sg_transfer(int fd, bool write, void *buf, size_t len, int iovecs)
{
	unsigned char cdb[10] = { write ? 0x2a : 0x28, [7] = len / 512 >> 8, [8] = len / 512 };
	unsigned char sense[64];
	struct sg_io_hdr header = {
		.interface_id = 'S', .cmd_len = sizeof(cdb), .cmdp = cdb,
		.mx_sb_len = sizeof(sense), .sbp = sense,
		.dxfer_direction = write ? SG_DXFER_TO_DEV : SG_DXFER_FROM_DEV,
		.dxfer_len = len, .dxferp = buf, .iovec_count = iovecs,
		.flags = SG_FLAG_DIRECT_IO, .timeout = 60000,	/* ms */
	};

	if (ioctl(fd, SG_IO, &header))
		return -errno;
	return header.status || header.host_status || header.driver_status ? -EIO : 0;
}

#endif
