// SPDX-License-Identifier: GPL-2.0
/*
 * splicerace FILE OFFSET RELEASE
 *
 * Reads FILE from OFFSET with O_DIRECT by splice() into a pipe, from a device that
 * holds the read. Meanwhile fills memory with a pattern, on every CPU, so that a page
 * of the pipe that was freed too early is taken. Then runs the command RELEASE, waits
 * for the read, and looks whether the device has written to that memory.
 */
#include "pattern.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#define SIZE (96UL << 20)	/* memory filled on each CPU */

static int fd, pipefd[2];
static loff_t offset;
static ssize_t got;

static void *splice_thread(void *arg)
{
	(void)arg;
	/* Errors are told when the thread is joined */
	got = splice(fd, &offset, pipefd[1], NULL, 1 << 16, 0);
	if (got < 0)
		got = -errno;
	return NULL;
}

static unsigned long *fill(int cpu)
{
	unsigned long *p, i;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity: %m");
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		die("mmap: %m");
	/* Small pages, as those of a pipe are */
	madvise(p, SIZE, MADV_NOHUGEPAGE);
	for (i = 0; i < SIZE / sizeof(*p); i++)
		p[i] = ~i;
	return p;
}

int main(int argc, char **argv)
{
	int cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned long *mem[64], i;
	pthread_t thread;

	if (argc != 4)
		die("usage: splicerace FILE OFFSET RELEASE");
	offset = strtoll(argv[2], NULL, 0);
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0)
		die("%s: %m", argv[1]);
	if (pipe(pipefd) || pthread_create(&thread, NULL, splice_thread, NULL))
		die("pipe and thread: %m");
	/* The device holds the read: a second is enough for all that comes before it */
	sleep(1);
	for (cpu = 0; cpu < cpus && cpu < 64; cpu++)
		mem[cpu] = fill(cpu);
	if (system(argv[3]))
		die("%s failed", argv[3]);
	pthread_join(thread, NULL);
	printf("spliced %zd\n", got);
	for (cpu = 0; cpu < cpus && cpu < 64; cpu++)
		for (i = 0; i < SIZE / sizeof(*mem[cpu]); i++)
			if (mem[cpu][i] != ~i) {
				printf("memory of another was written to: word %lu is %lx\n", i, mem[cpu][i]);
				return 1;
			}
	return got < 0;
}
