// SPDX-License-Identifier: GPL-2.0
/* FILE, its mapping, and other processes that have it mapped. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "aio.h"
#include "pincallers.h"

struct target target;

void open_target(const char *path)
{
	target.path = path;
	target.fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (target.fd < 0 || ftruncate(target.fd, FILE_SIZE))
		die_not_ok(path);
	/* nothing is mapped behind it */
	target.map = mmap(NULL, FILE_SIZE + 8 * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	if (target.map == MAP_FAILED ||
	    mmap(target.map, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, target.fd,
		 0) == MAP_FAILED)
		die_not_ok("mmap");
}

const char *check_file(const void *want, size_t len, off_t offset)
{
	char buf[FILE_SIZE];

	if (memcmp(target.map + offset, want, len))
		return "data in the mapping";
	if (fsync(target.fd) || posix_fadvise(target.fd, 0, 0, POSIX_FADV_DONTNEED))
		return "fsync";
	if (pread(target.fd, buf, len, offset) != (ssize_t)len || memcmp(buf, want, len))
		return "data in the file";
	return NULL;
}

void submit_read(aio_context_t ctx, int fd)
{
	struct iocb request = aio_request(IOCB_CMD_PREAD, fd, target.map, FILE_SIZE, 0);

	if (aio_submit(ctx, &request, 1) != 1)
		die_not_ok("io_submit");
}

pid_t start_process(bool traced)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die_not_ok("fork");
	if (!pid) {
		if (traced) {
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
		}
		for (;;)
			pause();
	}
	if (traced && waitpid(pid, &status, 0) != pid)
		die_not_ok("waitpid");
	return pid;
}

void kill_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
