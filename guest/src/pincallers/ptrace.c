// SPDX-License-Identifier: GPL-2.0
/* A debugger: ptrace() and /proc/PID/mem. */
#include <stdio.h>
#include <sys/ptrace.h>

#include "pincallers.h"

static void peek_and_poke(pid_t pid)
{
	long word = 0x1122334455667788;
	const char *error;

	memset(target.map, 0, PAGE_SIZE);
	case_begin();
	error = ptrace(PTRACE_POKEDATA, pid, target.map + 64, (void *)word) ? "POKEDATA" :
		check_file(&word, 8, 64);
	case_end(error, 1, "PTRACE_POKEDATA");

	errno = 0;
	case_begin();
	case_end(ptrace(PTRACE_PEEKDATA, pid, target.map + 64, 0) == word ? NULL : "PEEKDATA", 0,
		 "PTRACE_PEEKDATA");

	/* Text of the program: the kernel copies a private page and pins the copy. */
	errno = 0;
	case_begin();
	word = ptrace(PTRACE_PEEKTEXT, pid, (void *)call_ptrace, 0);
	error = ptrace(PTRACE_POKETEXT, pid, (void *)call_ptrace, (void *)word) ? "POKETEXT" : NULL;
	case_end(error, 1, "PTRACE_POKETEXT");
}

static void proc_mem(pid_t pid)
{
	static char buf[3 * PAGE_SIZE];
	char path[64];
	off_t pos = (uintptr_t)(target.map + PAGE_SIZE);
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	if (fd < 0)
		die_not_ok(path);
	fill_bytes(buf, sizeof(buf), 2);
	case_begin();
	n = pwrite(fd, buf, sizeof(buf), pos);
	case_end(n == sizeof(buf) ? check_file(buf, sizeof(buf), PAGE_SIZE) : "pwrite", 3,
		 "/proc/PID/mem, write");

	memset(buf, 0, sizeof(buf));
	case_begin();
	n = pread(fd, buf, sizeof(buf), pos);
	case_end(n == sizeof(buf) && !memcmp(buf, target.map + PAGE_SIZE, n) ? NULL : "pread", 0,
		 "/proc/PID/mem, read");
	close(fd);
}

void call_ptrace(void)
{
	pid_t pid = start_process(true);

	peek_and_poke(pid);
	proc_mem(pid);
	kill_process(pid);
}
