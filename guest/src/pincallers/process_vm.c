// SPDX-License-Identifier: GPL-2.0
/* process_vm_writev() and process_vm_readv() on another process. */
#define _GNU_SOURCE
#include <sys/uio.h>

#include "pincallers.h"

void call_process_vm(void)
{
	static char buf[4 * PAGE_SIZE];
	struct iovec local = { buf, sizeof(buf) };
	struct iovec remote = { target.map, sizeof(buf) };
	pid_t pid = start_process(false);
	ssize_t n;

	fill_bytes(buf, sizeof(buf), 1);
	case_begin();
	n = process_vm_writev(pid, &local, 1, &remote, 1, 0);
	case_end(n == sizeof(buf) ? check_file(buf, sizeof(buf), 0) : "process_vm_writev", 4,
		 "process_vm_writev");

	memset(buf, 0, sizeof(buf));
	case_begin();
	n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	case_end(n == sizeof(buf) && !memcmp(buf, target.map, sizeof(buf)) ? NULL : "data", 0,
		 "process_vm_readv, which only reads");

	/* Across the end of the mapping: the part that is there, and no pin is left. */
	remote.iov_base = target.map + FILE_SIZE - 2 * PAGE_SIZE;
	case_begin();
	n = process_vm_writev(pid, &local, 1, &remote, 1, 0);
	case_end(n == -1 || n == 2 * PAGE_SIZE ? NULL : "length", 2, "process_vm_writev, short");
	kill_process(pid);
}
