// SPDX-License-Identifier: GPL-2.0
/* Registered buffers of io_uring: unregistered, and released with the ring. */
#include "uring.h"

#include "pincallers.h"

static void register_buffer(int fd, struct iovec *buffer)
{
	if (uring_register_buffers(fd, buffer, 1))
		die_not_ok("IORING_REGISTER_BUFFERS");
}

void call_uring(void)
{
	struct iovec buffer = { NULL, 4 * PAGE_SIZE };
	struct io_uring_params params;
	int fd = uring_setup(4, &params);

	if (fd < 0) {
		case_skip("io_uring", "no io_uring");
		return;
	}
	buffer.iov_base = map_anonymous(buffer.iov_len);
	memset(buffer.iov_base, 1, buffer.iov_len);
	case_begin();
	register_buffer(fd, &buffer);
	if (uring_unregister_buffers(fd))
		die_not_ok("IORING_UNREGISTER_BUFFERS");
	case_end(NULL, 4, "io_uring, registered buffer");

	case_begin();
	register_buffer(fd, &buffer);
	close(fd);
	case_end(NULL, 4, "io_uring, ring closed");
	munmap(buffer.iov_base, buffer.iov_len);
}
