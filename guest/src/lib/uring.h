/* SPDX-License-Identifier: GPL-2.0 */
/* io_uring without a library: registered buffers and requests. */
#ifndef URING_H
#define URING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "die.h"

/* A ring whose queues are not mapped. Returns its descriptor, or -1 with errno. */
static inline int uring_setup(unsigned int entries, struct io_uring_params *params)
{
	*params = (struct io_uring_params) { 0 };
	return syscall(SYS_io_uring_setup, entries, params);
}

static inline int uring_register_buffers(int fd, const struct iovec *buffers, unsigned int count)
{
	return syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, buffers, count);
}

static inline int uring_unregister_buffers(int fd)
{
	return syscall(SYS_io_uring_register, fd, IORING_UNREGISTER_BUFFERS, NULL, 0);
}

struct uring {
	int fd;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	uint32_t *sq_head, *sq_tail, *sq_array, *sq_mask;
	uint32_t *cq_head, *cq_tail, *cq_mask;
};

static inline void *uring_map(int fd, size_t len, off_t offset)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

	if (map == MAP_FAILED)
		die("mmap of io_uring: %m");
	return map;
}

/* False, with errno: there is no io_uring. */
static inline bool uring_open(struct uring *ring, unsigned int entries)
{
	struct io_uring_params p;
	char *sq, *cq;

	ring->fd = uring_setup(entries, &p);
	if (ring->fd < 0)
		return false;
	sq = uring_map(ring->fd, p.sq_off.array + p.sq_entries * sizeof(uint32_t),
		       IORING_OFF_SQ_RING);
	cq = uring_map(ring->fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		       IORING_OFF_CQ_RING);
	ring->sqes = uring_map(ring->fd, p.sq_entries * sizeof(struct io_uring_sqe),
			       IORING_OFF_SQES);
	ring->sq_head = (uint32_t *)(sq + p.sq_off.head);
	ring->sq_tail = (uint32_t *)(sq + p.sq_off.tail);
	ring->sq_mask = (uint32_t *)(sq + p.sq_off.ring_mask);
	ring->sq_array = (uint32_t *)(sq + p.sq_off.array);
	ring->cq_head = (uint32_t *)(cq + p.cq_off.head);
	ring->cq_tail = (uint32_t *)(cq + p.cq_off.tail);
	ring->cq_mask = (uint32_t *)(cq + p.cq_off.ring_mask);
	ring->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	return true;
}

/* The next request, which uring_submit() makes; the ring must have room for it. */
static inline void uring_add(struct uring *ring, const struct io_uring_sqe *sqe)
{
	uint32_t tail = *ring->sq_tail;

	ring->sqes[tail & *ring->sq_mask] = *sqe;
	ring->sq_array[tail & *ring->sq_mask] = tail & *ring->sq_mask;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_SEQ_CST);
}

/* Makes all requests that were added, and waits until @wait results are there. */
static inline void uring_submit(struct uring *ring, unsigned int wait)
{
	uint32_t left, there;

	do {
		left = *ring->sq_tail - __atomic_load_n(ring->sq_head, __ATOMIC_SEQ_CST);
		if (syscall(SYS_io_uring_enter, ring->fd, left, wait, IORING_ENTER_GETEVENTS,
			    NULL, 0) < 0 &&
		    errno != EINTR && errno != EAGAIN && errno != ENOMEM)
			die("io_uring_enter: %m");
		there = __atomic_load_n(ring->cq_tail, __ATOMIC_SEQ_CST) - *ring->cq_head;
	} while (there < wait);
}

/* Takes a result that is there: a number, or an error below 0. */
static inline int uring_result(struct uring *ring)
{
	uint32_t head = *ring->cq_head;
	int result = ring->cqes[head & *ring->cq_mask].res;

	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_SEQ_CST);
	return result;
}

/* Makes one request and waits for it. Returns its result, or -1 with errno. */
static inline long uring_submit_and_wait(struct uring *ring, const struct io_uring_sqe *sqe)
{
	long result;

	uring_add(ring, sqe);
	uring_submit(ring, 1);
	result = uring_result(ring);
	if (result < 0) {
		errno = -result;
		result = -1;
	}
	return result;
}

#endif
