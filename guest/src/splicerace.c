// SPDX-License-Identifier: GPL-2.0
/*
 * splicerace FILE OFFSET RELEASE
 *
 * Reads FILE from OFFSET with O_DIRECT by splice() into a pipe, from a device that holds
 * the read. While the device holds it, the program fills memory with a pattern on every
 * CPU, so that a page of the pipe that was freed too early is allocated again. Then it runs
 * the command RELEASE, waits for the read, and checks that the device has not written to
 * that memory.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "die.h"
#include "page.h"

#define SIZE		(96 * MIB)	/* memory filled on each CPU */
#define WORDS		(SIZE / sizeof(unsigned long))
#define MAX_CPUS	64

static int fd, pipe_fd[2];
static loff_t offset;
static ssize_t spliced;

static void *splice_thread(void *arg)
{
	(void)arg;
	spliced = splice(fd, &offset, pipe_fd[1], NULL, 1 << 16, 0);
	if (spliced < 0)
		spliced = -errno;
	return NULL;
}

static unsigned long *fill_memory(int cpu)
{
	unsigned long *words, i;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity: %m");
	words = map_anonymous(SIZE);
	/* Small pages, as those of a pipe are */
	madvise(words, SIZE, MADV_NOHUGEPAGE);
	for (i = 0; i < WORDS; i++)
		words[i] = ~i;
	return words;
}

static bool memory_is_intact(const unsigned long *words)
{
	unsigned long i;

	for (i = 0; i < WORDS; i++)
		if (words[i] != ~i) {
			printf("memory of another was written to: word %lu is %lx\n", i, words[i]);
			return false;
		}
	return true;
}

int main(int argc, char **argv)
{
	int cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned long *memory[MAX_CPUS];
	pthread_t thread;

	if (argc != 4)
		die("usage: splicerace FILE OFFSET RELEASE");
	offset = strtoll(argv[2], NULL, 0);
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0)
		die("%s: %m", argv[1]);
	if (pipe(pipe_fd) || pthread_create(&thread, NULL, splice_thread, NULL))
		die("pipe and thread: %m");
	/* The device holds the read: a second is enough for all that comes before it. */
	sleep(1);
	if (cpus > MAX_CPUS)
		cpus = MAX_CPUS;
	for (cpu = 0; cpu < cpus; cpu++)
		memory[cpu] = fill_memory(cpu);
	if (system(argv[3]))
		die("%s failed", argv[3]);
	pthread_join(thread, NULL);
	printf("spliced %zd\n", spliced);
	for (cpu = 0; cpu < cpus; cpu++)
		if (!memory_is_intact(memory[cpu]))
			return 1;
	return spliced < 0;
}
