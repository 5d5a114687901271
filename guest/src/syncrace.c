// SPDX-License-Identifier: GPL-2.0
/*
 * syncrace [-R] [-t SECONDS] [-p PAGES] FILE SOURCE
 *
 * Maps PAGES pages of FILE shared. One thread dirties them and syncs FILE, one
 * reads SOURCE directly into them, both as fast as they can, for SECONDS. -R: the
 * buffer of the read has the pages in reverse order. Says how often each came
 * round; exits 1 if one of them stops, or meets an error.
 */
#include "pattern.h"
#include <pthread.h>
#include <sys/mman.h>

#define STUCK 60	/* seconds without a round */

static int fd, sfd;
static size_t pages = 2;
static char *map, *buf;
static unsigned long rounds[2];
static bool stop;

static void *sync_loop(void *arg)
{
	unsigned int gen = 0;

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		put_pattern(map, pages * PG, 'F', ++gen, 0);
		if (fsync(fd))
			die("fsync: %m");
		__atomic_add_fetch(&rounds[0], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *read_loop(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (pread(sfd, buf, pages * PG, 0) != (ssize_t)(pages * PG))
			die("direct read: %m");
		__atomic_add_fetch(&rounds[1], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static char *map_pages(bool reverse)
{
	char *p = mmap(NULL, pages * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	size_t i;

	if (p == MAP_FAILED)
		die("mmap: %m");
	for (i = 0; reverse && i < pages; i++)
		if (mmap(p + i * PG, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 fd, (pages - 1 - i) * PG) == MAP_FAILED)
			die("mmap: %m");
	return p;
}

/* Both threads came round in every STUCK seconds. */
static void watch(int seconds)
{
	unsigned long last[2] = { 0 }, now;
	int idle[2] = { 0 }, i;

	while (seconds-- > 0 || idle[0] || idle[1]) {
		sleep(1);
		for (i = 0; i < 2; i++) {
			now = __atomic_load_n(&rounds[i], __ATOMIC_RELAXED);
			idle[i] = now == last[i] ? idle[i] + 1 : 0;
			last[i] = now;
			if (idle[i] == STUCK) {
				fprintf(stderr, "%s stuck after %lu rounds\n",
					i ? "direct read" : "fsync", now);
				_exit(1);
			}
		}
	}
}

int main(int argc, char **argv)
{
	pthread_t thread[2];
	bool reverse = false;
	int c, seconds = 5;

	while ((c = getopt(argc, argv, "Rt:p:")) != -1) {
		if (c == 'R')
			reverse = true;
		else if (c == 't')
			seconds = atoi(optarg);
		else if (c == 'p')
			pages = atoi(optarg);
		else
			return 2;
	}
	if (optind + 2 != argc)
		die("usage: syncrace [-R] [-t SECONDS] [-p PAGES] FILE SOURCE");
	fd = open(argv[optind], O_RDWR);
	sfd = open(argv[optind + 1], O_RDONLY | O_DIRECT);
	if (fd < 0 || sfd < 0)
		die("%s, %s: %m", argv[optind], argv[optind + 1]);
	map = map_pages(false);
	buf = map_pages(reverse);
	if (pthread_create(&thread[0], NULL, sync_loop, NULL) ||
	    pthread_create(&thread[1], NULL, read_loop, NULL))
		die("no thread");
	watch(seconds);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	printf("%zu pages, %lu fsyncs, %lu reads\n", pages, rounds[0], rounds[1]);
	return 0;
}
