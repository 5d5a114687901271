// SPDX-License-Identifier: GPL-2.0
/*
 * syncrace [-R] [-t SECONDS] [-p PAGES] FILE SOURCE
 *
 * Maps PAGES pages of FILE shared. One thread dirties them and syncs FILE, another reads
 * SOURCE directly into them, both as fast as they can, for SECONDS. -R: the buffer of the
 * read has the pages in reverse order. Prints how many rounds each thread has made; exits 1
 * if a thread stops, 2 if a call fails.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "die.h"
#include "options.h"
#include "page.h"
#include "pattern.h"

#define STUCK 60	/* seconds without a round */

enum { SYNC, READ, THREADS };

static int fd, source_fd;
static int pages = 2;
static size_t size;			/* of the pages */
static char *map, *buf;
static unsigned long rounds[THREADS];
static bool stop;

static void *sync_loop(void *arg)
{
	unsigned int generation = 0;

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		put_pattern(map, size, FROM_PROGRAM, ++generation, 0);
		if (fsync(fd))
			die("fsync: %m");
		__atomic_add_fetch(&rounds[SYNC], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *read_loop(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (pread(source_fd, buf, size, 0) != (ssize_t)size)
			die("direct read: %m");
		__atomic_add_fetch(&rounds[READ], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Both threads have made a round in every STUCK seconds. */
static void watch(int seconds)
{
	unsigned long last[THREADS] = { 0 }, now;
	int idle[THREADS] = { 0 }, i;

	while (seconds-- > 0 || idle[SYNC] || idle[READ]) {
		sleep(1);
		for (i = 0; i < THREADS; i++) {
			now = __atomic_load_n(&rounds[i], __ATOMIC_RELAXED);
			idle[i] = now == last[i] ? idle[i] + 1 : 0;
			last[i] = now;
			if (idle[i] == STUCK) {
				fprintf(stderr, "%s stuck after %lu rounds\n",
					i == READ ? "direct read" : "fsync", now);
				_exit(1);
			}
		}
	}
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];
	bool reverse = false;
	int seconds = 5;
	const struct option_spec options[] = {
		{ .letter = 'R', .flag = &reverse },
		{ .letter = 't', .number = &seconds },
		{ .letter = 'p', .number = &pages },
		{ 0 }
	};

	parse_options(argc, argv, options);
	if (optind + 2 != argc)
		die("usage: syncrace [-R] [-t SECONDS] [-p PAGES] FILE SOURCE");
	fd = open(argv[optind], O_RDWR);
	source_fd = open(argv[optind + 1], O_RDONLY | O_DIRECT);
	if (fd < 0 || source_fd < 0)
		die("%s, %s: %m", argv[optind], argv[optind + 1]);
	size = pages * PAGE_SIZE;
	map = map_shared(fd, size);
	buf = reverse ? map_reversed(fd, 0, pages) : map_shared(fd, size);
	if (pthread_create(&thread[SYNC], NULL, sync_loop, NULL) ||
	    pthread_create(&thread[READ], NULL, read_loop, NULL))
		die("no thread");
	watch(seconds);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread[SYNC], NULL);
	pthread_join(thread[READ], NULL);
	printf("%d pages, %lu fsyncs, %lu reads\n", pages, rounds[SYNC], rounds[READ]);
	return 0;
}
