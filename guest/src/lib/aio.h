/* SPDX-License-Identifier: GPL-2.0 */
/* The system calls of Linux AIO. Each returns -1 and sets errno if it fails. */
#ifndef AIO_H
#define AIO_H

#include <linux/aio_abi.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int aio_setup(unsigned int requests, aio_context_t *ctx)
{
	*ctx = 0;
	return syscall(SYS_io_setup, requests, ctx);
}

static inline void aio_destroy(aio_context_t ctx)
{
	syscall(SYS_io_destroy, ctx);
}

/* @opcode: IOCB_CMD_PREAD or IOCB_CMD_PWRITE */
static inline struct iocb aio_request(int opcode, int fd, void *buf, size_t len, uint64_t pos)
{
	return (struct iocb) {
		.aio_lio_opcode = opcode, .aio_fildes = fd, .aio_buf = (uintptr_t)buf,
		.aio_nbytes = len, .aio_offset = pos,
	};
}

/* Returns how many of the @count requests are submitted. */
static inline long aio_submit(aio_context_t ctx, struct iocb *requests, long count)
{
	struct iocb *list[count];
	long i;

	for (i = 0; i < count; i++)
		list[i] = &requests[i];
	return syscall(SYS_io_submit, ctx, count, list);
}

/* Waits for @min events, or for @max if there are as many; returns how many there are. */
static inline long aio_wait(aio_context_t ctx, long min, long max, struct io_event *events)
{
	return syscall(SYS_io_getevents, ctx, min, max, events, NULL);
}

#endif
