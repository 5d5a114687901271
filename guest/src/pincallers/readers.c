// SPDX-License-Identifier: GPL-2.0
/* Callers that only read: a plain reference is enough, and they do not pin. */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/uio.h>

#include "pincallers.h"

static char buf[2 * PAGE_SIZE];

static void vmsplice_case(void)
{
	struct iovec iov = { target.map, sizeof(buf) };
	int pipe_fd[2];
	ssize_t n;

	if (pipe(pipe_fd))
		die_not_ok("pipe");
	case_begin();
	n = vmsplice(pipe_fd[1], &iov, 1, 0);
	n = n == sizeof(buf) ? read(pipe_fd[0], buf, sizeof(buf)) : -1;
	case_end(n == sizeof(buf) && !memcmp(buf, target.map, n) ? NULL : "data", 0, "vmsplice");
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

static void zerocopy_case(void)
{
	int fd[2], one = 1;
	ssize_t n;

	tcp_pair(fd);
	if (setsockopt(fd[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one))) {
		case_skip("MSG_ZEROCOPY", "no SO_ZEROCOPY");
	} else {
		memset(buf, 0, sizeof(buf));
		case_begin();
		n = send(fd[0], target.map, sizeof(buf), MSG_ZEROCOPY);
		n = n == sizeof(buf) ? recv(fd[1], buf, sizeof(buf), MSG_WAITALL) : -1;
		case_end(n == sizeof(buf) && !memcmp(buf, target.map, n) ? NULL : "data", 0,
			 "MSG_ZEROCOPY");
	}
	close(fd[0]);
	close(fd[1]);
}

void call_readers(void)
{
	fill_bytes(target.map, 2 * PAGE_SIZE, 20);
	vmsplice_case();
	zerocopy_case();
}
