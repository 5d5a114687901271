// SPDX-License-Identifier: GPL-2.0
/* Kernel TLS: recv() decrypts a whole record straight into the buffer. */
#include <linux/tls.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "pincallers.h"

static char plain[4 * PAGE_SIZE];	/* a record */

static void send_record(int fd)
{
	if (send(fd, plain, sizeof(plain), 0) != sizeof(plain))
		die_not_ok("send");
}

static void tls_cases(int version, const char *name)
{
	struct iovec iov[] = {	/* neither is aligned */
		{ target.map + 100, PAGE_SIZE },
		{ target.map + 4 * PAGE_SIZE + 200, sizeof(plain) - PAGE_SIZE },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	const char *error;
	ssize_t n;
	int fd[2];

	if (!tls_pair(fd, version)) {
		case_skip(name, "no TLS");
		return;
	}
	case_begin();
	n = send(fd[0], plain, sizeof(plain), 0);
	case_end(n == sizeof(plain) ? NULL : "send", 0, "%s, send", name);

	memset(target.map, 0, FILE_SIZE);
	case_begin();
	n = recv(fd[1], target.map, sizeof(plain), MSG_WAITALL);
	case_end(n == sizeof(plain) ? check_file(plain, sizeof(plain), 0) : "recv", 4,
		 "%s, recv", name);

	send_record(fd[0]);
	case_begin();
	n = recvmsg(fd[1], &msg, MSG_WAITALL);
	error = "recvmsg";
	if (n == sizeof(plain) && !memcmp(target.map + 100, plain, PAGE_SIZE))
		error = check_file(plain + PAGE_SIZE, sizeof(plain) - PAGE_SIZE,
				   4 * PAGE_SIZE + 200);
	case_end(error, 2 + 4, "%s, recvmsg", name);

	/* Part of a record: the kernel copies. */
	send_record(fd[0]);
	case_begin();
	n = recv(fd[1], target.map, 2 * PAGE_SIZE, MSG_WAITALL);
	case_end(n == 2 * PAGE_SIZE ? check_file(plain, 2 * PAGE_SIZE, 0) : "recv", 0,
		 "%s, recv of half a record", name);
	recv(fd[1], target.map, 2 * PAGE_SIZE, MSG_WAITALL);

	/* Half of the buffer is not mapped: the pages that were pinned are unpinned. */
	send_record(fd[0]);
	case_begin();
	n = recv(fd[1], target.map + FILE_SIZE - 2 * PAGE_SIZE, sizeof(plain), MSG_WAITALL);
	case_end(n < 0 ? NULL : "no error", 2, "%s, bad buffer", name);
	close(fd[0]);
	close(fd[1]);
}

void call_tls(void)
{
	fill_bytes(plain, sizeof(plain), 10);
	tls_cases(TLS_1_2_VERSION, "TLS 1.2");
	fill_bytes(plain, sizeof(plain), 11);
	tls_cases(TLS_1_3_VERSION, "TLS 1.3");
}
