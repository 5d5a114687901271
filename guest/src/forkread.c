// SPDX-License-Identifier: GPL-2.0
/*
 * forkread [-H] -l LEN SOURCE RELEASE
 *
 * Private memory of LEN bytes: direct reads from SOURCE, which is held, fill the first half of
 * each page. The program forks, and the parent writes to the second half of each page, so it
 * breaks copy-on-write. Then the command RELEASE lets the reads end.
 * -H: in huge pages.
 *
 * The data of the reads has to be in the memory of the parent, and the child has to see the
 * memory as it was at fork(). Prints one line of counts of pages; exits 0 if they could be
 * counted.
 */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "aio.h"
#include "die.h"
#include "options.h"
#include "page.h"
#include "pattern.h"

#define HALF		(PAGE_SIZE / 2)
#define HUGE_PAGE_SIZE	(2 * MIB)
#define MAX_PAGES	1024

static char *map_memory(size_t len, bool huge)
{
	char *map = map_anonymous(len + HUGE_PAGE_SIZE);

	map = (char *)(((uintptr_t)map + HUGE_PAGE_SIZE - 1) & ~(HUGE_PAGE_SIZE - 1));
	if (madvise(map, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		die("madvise: %m");
	return map;
}

static void submit_reads(aio_context_t aio, int source, char *map, size_t pages)
{
	struct iocb requests[pages];
	size_t i;

	for (i = 0; i < pages; i++)
		requests[i] = aio_request(IOCB_CMD_PREAD, source, map + i * PAGE_SIZE, HALF,
					  i * PAGE_SIZE);
	for (i = 0; i < pages;) {
		long n = aio_submit(aio, requests + i, pages - i);

		if (n <= 0)
			die("io_submit: %m");
		i += n;
	}
}

static void reap_reads(aio_context_t aio, size_t pages)
{
	struct io_event events[pages];
	size_t i;

	if (aio_wait(aio, pages, pages, events) != (long)pages)
		die("io_getevents: %m");
	for (i = 0; i < pages; i++)
		if (events[i].res != (long)HALF)
			die("a read returned %lld", (long long)events[i].res);
}

/* How many pages do not hold the pattern from @offset on, for half a page. */
static size_t pages_without(const char *map, size_t pages, size_t offset, char writer,
			    unsigned int generation)
{
	size_t i, pos, count = 0;

	for (i = 0; i < pages; i++) {
		pos = i * PAGE_SIZE + offset;
		count += !has_pattern(map + pos, HALF, writer, generation, pos);
	}
	return count;
}

/* The child: once it is told that the reads are done, exits 1 if its memory has changed. */
static void child_main(const char *map, size_t pages, const int told[2])
{
	char byte;

	close(told[1]);
	if (read(told[0], &byte, 1) < 0)
		_exit(2);
	_exit(pages_without(map, pages, 0, FROM_PROGRAM, 1) ||
	      pages_without(map, pages, HALF, FROM_PROGRAM, 1));
}

int main(int argc, char **argv)
{
	bool huge = false;
	uint64_t len = 0;
	const struct option_spec options[] = {
		{ .letter = 'H', .flag = &huge },
		{ .letter = 'l', .bytes = &len },
		{ 0 }
	};
	aio_context_t aio;
	int source, told[2], status;
	size_t pages, i;
	pid_t child;
	char *map;

	parse_options(argc, argv, options);
	pages = len / PAGE_SIZE;
	if (optind + 2 != argc || !pages || pages > MAX_PAGES)
		die("usage: forkread [-H] -l LEN SOURCE RELEASE");
	source = open(argv[optind], O_RDONLY | O_DIRECT);
	if (source < 0)
		die("%s: %m", argv[optind]);
	map = map_memory(len, huge);
	put_pattern(map, len, FROM_PROGRAM, 1, 0);
	if (aio_setup(pages, &aio) || pipe(told))
		die("io_setup or pipe: %m");
	submit_reads(aio, source, map, pages);

	child = fork();
	if (child < 0)
		die("fork: %m");
	if (!child)
		child_main(map, pages, told);
	for (i = 0; i < pages; i++)
		put_pattern(map + i * PAGE_SIZE + HALF, HALF, FROM_PROGRAM, 2, i * PAGE_SIZE + HALF);
	if (system(argv[optind + 1]))
		die("failed: %s", argv[optind + 1]);
	reap_reads(aio, pages);
	close(told[1]);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
		die("the child did not look at its memory");
	printf("pages %zu lost %zu overwritten %zu, memory of the child %s\n", pages,
	       pages_without(map, pages, 0, FROM_SOURCE, 0),
	       pages_without(map, pages, HALF, FROM_PROGRAM, 2),
	       WEXITSTATUS(status) ? "changed" : "kept");
	return 0;
}
