// SPDX-License-Identifier: GPL-2.0
/*
 * pinlimit fill FILE PAGEFILE REQUESTS
 *	Submits direct writes to FILE, each with 1024 times the first page of PAGEFILE as its
 *	buffer, until one is refused, a pin is refused, or REQUESTS are submitted. The device of
 *	FILE keeps them waiting. Prints how many were submitted, and waits to be killed.
 * pinlimit fill-read FILE PAGEFILE REQUESTS
 *	The same with direct reads, which need write permission for PAGEFILE.
 * pinlimit use PAGEFILE FILE...
 *	Uses the same page as another user would: writes it to each FILE with O_DIRECT, from a
 *	private and a shared mapping, and compares the data; reads it back into the page; and
 *	process_vm_readv() and process_vm_writev(). Prints a line a use; exits 1 if one failed.
 * pinlimit use-full PAGEFILE FILE...
 *	The same, but each use that writes to the page has to fail with ENOMEM.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "aio.h"
#include "die.h"
#include "page.h"

#define PAGES		1024UL	/* of a request: IOV_MAX */
#define MAX_REQUESTS	4096U

/* Pins that were refused since boot; 0 on a kernel that does not count them. */
static long overflows(void)
{
	char line[128];
	long count = 0;
	FILE *file = fopen("/proc/vmstat", "r");

	if (!file)
		die("/proc/vmstat: %m");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "nr_gup_page_count_overflows %ld", &count) == 1)
			break;
	fclose(file);
	return count;
}

static char *map_page(const char *path, int prot, int flags)
{
	int fd = open(path, prot & PROT_WRITE && flags & MAP_SHARED ? O_RDWR : O_RDONLY);
	char *map = fd < 0 ? MAP_FAILED : mmap(NULL, PAGE_SIZE, prot, flags, fd, 0);

	if (map == MAP_FAILED)
		die("%s: %m", path);
	close(fd);
	(void)*(volatile char *)map;
	return map;
}

static int fill(const char *path, const char *page_path, unsigned int requests, bool write)
{
	static struct iovec iov[PAGES];
	char *map = map_page(page_path, write ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED);
	int fd = open(path, O_RDWR | O_DIRECT);
	const char *why = "all";
	aio_context_t ctx;
	unsigned int i;
	long before;

	if (fd < 0)
		die("%s: %m", path);
	for (i = 0; i < PAGES; i++)
		iov[i] = (struct iovec){ map, PAGE_SIZE };
	if (aio_setup(MAX_REQUESTS, &ctx))
		die("io_setup: %m");
	before = overflows();
	for (i = 0; i < requests; i++) {
		struct iocb request = aio_request(write ? IOCB_CMD_PWRITEV : IOCB_CMD_PREADV, fd,
						  iov, PAGES, 0);

		if (aio_submit(ctx, &request, 1) != 1) {
			why = strerror(errno);
			break;
		}
		if (overflows() != before) {
			why = "a pin was refused";
			break;
		}
	}
	printf("filled: %u requests of %lu pages, then: %s\n", i, PAGES, why);
	fflush(stdout);
	pause();
	return 0;
}

static int failures;

/* @result: of the system call; @want: bytes, or an error number if negative */
static void report(const char *use, const char *what, ssize_t result, ssize_t want, bool same)
{
	bool ok = want < 0 ? result < 0 && errno == -want : result == want && same;

	printf("%s %s, %s: %s\n", ok ? "ok" : "not ok", use, what,
	       result < 0 ? strerror(errno) : same ? "done" : "wrong data");
	failures += !ok;
}

static void use_file(const char *path, char *map, const char *kind)
{
	static char want[PAGE_SIZE], buf[PAGE_SIZE];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	int direct = open(path, O_RDWR | O_DIRECT);
	char use[256];
	ssize_t n;

	snprintf(use, sizeof(use), "O_DIRECT write to %s", path);
	memset(buf, 0x55, PAGE_SIZE);
	/* blocks to write to: some filesystems leave holes to buffered I/O */
	if (fd < 0 || direct < 0 || pwrite(fd, buf, PAGE_SIZE, 0) != (ssize_t)PAGE_SIZE ||
	    fsync(fd))
		die("%s: %m", path);
	memcpy(want, map, PAGE_SIZE);
	n = pwrite(direct, map, PAGE_SIZE, 0);
	if (n >= 0 && pread(fd, buf, PAGE_SIZE, 0) != (ssize_t)PAGE_SIZE)
		die("%s: %m", path);
	report(use, kind, n, PAGE_SIZE, !memcmp(buf, want, PAGE_SIZE));
	close(fd);
	close(direct);
}

static void use_copies(char *map, const char *kind)
{
	static char buf[PAGE_SIZE];
	struct iovec local = { buf, PAGE_SIZE }, remote = { map, PAGE_SIZE };
	ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

	report("process_vm_readv", kind, n, PAGE_SIZE, !memcmp(buf, map, PAGE_SIZE));
}

/* The page gets the content that it has. */
static void use_writes(const char *path, char *map, ssize_t want)
{
	static char buf[PAGE_SIZE];
	struct iovec local = { buf, PAGE_SIZE }, remote = { map, PAGE_SIZE };
	int direct = open(path, O_RDONLY | O_DIRECT);

	if (direct < 0)
		die("%s: %m", path);
	memcpy(buf, map, PAGE_SIZE);
	report("O_DIRECT read", "shared", pread(direct, map, PAGE_SIZE, 0), want,
	       !memcmp(buf, map, PAGE_SIZE));
	report("process_vm_writev", "shared",
	       process_vm_writev(getpid(), &local, 1, &remote, 1, 0), want,
	       !memcmp(buf, map, PAGE_SIZE));
	close(direct);
}

static int use(char **args, ssize_t want)
{
	char *shared = map_page(args[0], PROT_READ | PROT_WRITE, MAP_SHARED);
	char *private = map_page(args[0], PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char **path;

	for (path = args + 1; *path; path++) {
		use_file(*path, private, "private");
		use_file(*path, shared, "shared");
	}
	use_copies(private, "private");
	use_copies(shared, "shared");
	use_writes(args[1], shared, want);
	return failures != 0;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (argc == 5 && !strncmp(command, "fill", 4))
		return fill(argv[2], argv[3], atoi(argv[4]), !strcmp(command, "fill"));
	if (argc >= 4 && !strcmp(command, "use"))
		return use(argv + 2, PAGE_SIZE);
	if (argc >= 4 && !strcmp(command, "use-full"))
		return use(argv + 2, -ENOMEM);
	die("usage: pinlimit fill|fill-read FILE PAGEFILE REQUESTS\n"
	    "       pinlimit use|use-full PAGEFILE FILE...");
}
