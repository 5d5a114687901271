// SPDX-License-Identifier: GPL-2.0
/*
 * pinrace -f FILE -l LEN [-o OFFSET] [-s SOURCE] [-r OFF:LEN]... [-n N] [-R] [-H] STEP...
 *
 * A device writes to a mapped file while the filesystem writes the file back. Maps FILE
 * shared (LEN bytes at OFFSET) and does the steps in order:
 *
 *	dirty=GEN   write the pattern of that generation through the mapping
 *	            (all of it)
 *	read        submit direct reads from SOURCE into the mapping, and return
 *	            once they are submitted: the device holds the pages now.
 *	            By default one read of all of it; -r gives ranges instead.
 *	            Position X of the file gets position X of the source.
 *	reap        wait until these reads are done; fails if one failed
 *	pread       read the same ranges, one after the other, by pread()
 *	fsync       fsync FILE, print "fsync ok" or "fsync ERROR"
 *	msync       the same with msync
 *	fsync&      start the fsync in a thread of its own
 *	msync&      the same with msync
 *	splice&=OUT the same with a copy of FILE to OUT by splice() with O_DIRECT; prints
 *	            "splice ok" or "splice ERROR"
 *	landed      wait until the data of these reads is in the mapping, whether or
 *	            not they are reported as done: the first and the last word of each
 *	            is the word of the source (see lib/pattern.h)
 *	changed=N   wait until N pages of the mapping differ from their content at the
 *	            begin of the step: a device writes to them without pause
 *	wb          wait until all pages of the mapping are under writeback and
 *	            the thread sleeps: it has submitted all that it had to submit
 *	settle=MS   like wb for filesystems that leave the writing to other
 *	            threads: the thread sleeps and MS milliseconds have gone by
 *	dirtied     wait until all pages of the mapping are dirty
 *	written     wait until no page of the mapping is dirty or under writeback
 *	pageout=N   ask the kernel to take the pages out of memory (MADV_PAGEOUT), until at least
 *	            N pages of the mapping that no read covers have left the memory
 *	join        wait for the thread and print its result as above
 *	resume=NAME resume a device of device mapper, without the sleeps of a command
 *	forget      take the second half of the mapping out of the page table, but not out
 *	            of memory
 *	unmap       unmap the file; no descriptor that can write is left then
 *	close       close the last descriptor of the file
 *	sh=COMMAND  run a shell command; fails if the command fails
 *	stop        stop this process until it gets SIGCONT. There is no shell that ends later
 *	            and closes FILE once more, which FUSE and NFS notice.
 *	msleep=MS
 *
 * -n N: submit each of the reads N times
 * -R: the buffer of the direct read has the pages of the file in reverse order
 * -H: ask for huge pages in the mapping
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/dm-ioctl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>

#include "aio.h"
#include "die.h"
#include "options.h"
#include "page.h"
#include "pageflags.h"
#include "pattern.h"

#define MAX_RANGES	64
#define STEP_LIMIT	120	/* seconds that a step waits */
#define HUGE_PAGE_SIZE	(2 * MIB)

static struct {
	const char *file, *source;
	uint64_t offset, len;
	char *map;
	char *buf;		/* the same pages in the order of the read */
	int fd, source_fd;
	bool reverse, huge;
} race;

static struct range { uint64_t offset, len; } ranges[MAX_RANGES];
static int nr_ranges, copies = 1, in_flight;
static aio_context_t aio;

static pthread_t sync_thread;
static pid_t sync_tid;
static int sync_error;
static bool sync_done;
static const char *sync_call;	/* fsync, msync or splice */
static int splice_fd;
static sem_t splice_ready, splice_go;

static void msleep(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

static size_t map_len(void)
{
	return (race.len + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

static char *map_file(void)
{
	char *want = NULL, *map;

	if (race.huge) {	/* an aligned address, which the fixed mapping takes again */
		want = mmap(NULL, map_len() + HUGE_PAGE_SIZE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		want = (char *)(((uintptr_t)want + HUGE_PAGE_SIZE - 1) & ~(HUGE_PAGE_SIZE - 1));
	}
	map = mmap(want, map_len(), PROT_READ | PROT_WRITE,
		   MAP_SHARED | (want ? MAP_FIXED : 0), race.fd, race.offset);
	if (map == MAP_FAILED)
		die("mmap %s: %m", race.file);
	if (race.huge && madvise(map, map_len(), MADV_HUGEPAGE))
		die("MADV_HUGEPAGE: %m");
	return map;
}

static void step_dirty(unsigned int generation)
{
	put_pattern(race.map, race.len, FROM_PROGRAM, generation, race.offset);
}

static void step_read(void)
{
	struct iocb requests[MAX_RANGES];
	int i, n, copy;

	if (!race.source)
		die("read: no source (-s)");
	if (!aio && aio_setup(nr_ranges * copies, &aio))
		die("io_setup: %m");
	for (i = 0; i < nr_ranges; i++) {
		requests[i] = aio_request(IOCB_CMD_PREAD, race.source_fd,
					  race.buf + ranges[i].offset, ranges[i].len,
					  race.offset + ranges[i].offset);
		requests[i].aio_data = i;
	}
	for (copy = 0; copy < copies; copy++) {
		n = aio_submit(aio, requests, nr_ranges);
		if (n != nr_ranges)
			die("io_submit: %d of %d: %m", n, nr_ranges);
		in_flight += n;
	}
}

static void step_pread(void)
{
	ssize_t got;
	int i;

	if (!race.source)
		die("pread: no source (-s)");
	for (i = 0; i < nr_ranges; i++) {
		got = pread(race.source_fd, race.buf + ranges[i].offset, ranges[i].len,
			    race.offset + ranges[i].offset);
		if (got != (ssize_t)ranges[i].len)
			die("pread %d: %zd of %ju bytes: %m", i, got,
			    (uintmax_t)ranges[i].len);
	}
}

static void step_reap(void)
{
	struct io_event event;

	for (; in_flight; in_flight--) {
		if (aio_wait(aio, 1, 1, &event) != 1)
			die("io_getevents, %d reads left: %m", in_flight);
		if ((uint64_t)event.res != ranges[event.data].len)
			die("read %d: %lld of %ju bytes", (int)event.data,
			    (long long)event.res, (uintmax_t)ranges[event.data].len);
	}
}

/* Word @pos of the buffer is the word of the source. */
static bool word_landed(uint64_t pos)
{
	return *(volatile uint64_t *)(race.buf + pos) ==
	       pattern_word(FROM_SOURCE, 0, race.offset + pos);
}

static bool range_landed(const struct range *range)
{
	return word_landed(range->offset) && word_landed(range->offset + range->len - 8);
}

static void step_landed(void)
{
	int tries, i;

	for (tries = 0; tries < STEP_LIMIT * 50; tries++, msleep(20)) {
		for (i = 0; i < nr_ranges && range_landed(&ranges[i]); i++)
			;
		if (i == nr_ranges)
			return;
	}
	die("read %d did not land in %d s", i, STEP_LIMIT);
}

static void step_changed(size_t want)
{
	char *before = malloc(map_len());
	size_t changed = 0;
	int tries;

	if (!before)
		die("no memory");
	memcpy(before, race.map, map_len());
	for (tries = 0; tries < STEP_LIMIT * 50; tries++, msleep(20)) {
		changed = differing_pages(before, race.map, map_len());
		if (changed >= want) {
			free(before);
			return;
		}
	}
	die("%zu pages changed in %d s, not %zu", changed, STEP_LIMIT, want);
}

/* Copies the file by way of a pipe that has room for all of it. Returns 0, or -1 and errno. */
static int splice_file(void)
{
	loff_t pos = race.offset;
	uint64_t left = race.len;
	ssize_t in, out;
	int pipe_fd[2];

	if (pipe(pipe_fd) || fcntl(pipe_fd[1], F_SETPIPE_SZ, (int)race.len) < 0)
		die("a pipe: %m");
	while (left) {
		in = splice(race.fd, &pos, pipe_fd[1], NULL, left, 0);
		if (in <= 0)
			return -1;
		for (left -= in; in > 0; in -= out) {
			out = splice(pipe_fd[0], NULL, splice_fd, NULL, in, 0);
			if (out <= 0)
				return -1;
		}
	}
	return close(splice_fd);
}

/* Returns 0 or errno. */
static int sync_file(const char *call)
{
	int result;

	if (*call == 's')
		result = splice_file();
	else
		result = *call == 'm' ? msync(race.map, map_len(), MS_SYNC) : fsync(race.fd);
	return result ? errno : 0;
}

static void print_result(const char *call, int error)
{
	printf("%s %s\n", call, error ? strerrorname_np(error) : "ok");
}

static void *sync_main(void *arg)
{
	(void)arg;
	__atomic_store_n(&sync_tid, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	sync_error = sync_file(sync_call);
	__atomic_store_n(&sync_done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void step_start_sync(const char *call)
{
	sync_call = call;
	sync_done = false;
	sync_tid = 0;
	if (*call == 's')
		sem_post(&splice_go);
	else if (pthread_create(&sync_thread, NULL, sync_main, NULL))
		die("no thread");
}

static void step_join(void)
{
	pthread_join(sync_thread, NULL);
	print_result(sync_call, sync_error);
}

static bool sync_thread_sleeps(void)
{
	char path[64], line[512], *state;
	FILE *stat;

	if (!__atomic_load_n(&sync_tid, __ATOMIC_SEQ_CST))
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", sync_tid);
	stat = fopen(path, "r");
	if (!stat)
		return false;
	/* "TID (NAME) STATE ..." */
	state = fgets(line, sizeof(line), stat) ? strrchr(line, ')') : NULL;
	fclose(stat);
	return state && (state[2] == 'D' || state[2] == 'S');
}

/* How many pages of the mapping are not under writeback. */
static size_t pages_not_in_writeback(void)
{
	size_t pos, pages = 0;
	uint64_t bits;

	for (pos = 0; pos < map_len(); pos += PAGE_SIZE) {
		if (!page_flags(race.map + pos, &bits)) {
			/* A read maps the page; the next look finds its flags. */
			(void)*(volatile char *)(race.map + pos);
			pages++;
			continue;
		}
		if (!(bits & (1ULL << KPF_WRITEBACK | 1ULL << KPF_COMPOUND_TAIL)))
			pages++;
	}
	return pages;
}

/* @settle_ms: do not look at the pages, but wait until the thread has slept so long; or 0 */
static void step_writeback(int settle_ms)
{
	int tries, calm = 0;
	size_t missing = 0;

	for (tries = 0; tries < STEP_LIMIT * 20; tries++, msleep(50)) {
		if (__atomic_load_n(&sync_done, __ATOMIC_SEQ_CST))
			die("the sync was over (%s) before the read landed: nothing was held",
			    sync_error ? strerrorname_np(sync_error) : "ok");
		missing = settle_ms ? 0 : pages_not_in_writeback();
		calm = !missing && sync_thread_sleeps() ? calm + 1 : 0;
		if (calm * 50 > (settle_ms ? settle_ms : 200))
			return;
	}
	die("%zu pages did not come under writeback in %d s", missing, STEP_LIMIT);
}

static void step_resume(const char *name)
{
	struct dm_ioctl dm = {
		.version = { DM_VERSION_MAJOR }, .data_size = sizeof(dm), .data_start = sizeof(dm),
	};
	int fd = open("/dev/mapper/control", O_RDWR);

	snprintf(dm.name, sizeof(dm.name), "%s", name);
	if (fd < 0 || ioctl(fd, DM_DEV_SUSPEND, &dm))
		die("resume %s: %m", name);
	close(fd);
}

static void step_unmap(void)
{
	if (race.buf != race.map)
		die("unmap: not with -R");
	if (munmap(race.map, map_len()))
		die("munmap: %m");
}

/*
 * How many pages of the mapping have one of these flags; a page that is not there has none. The
 * first page of a large folio has the flags of all its pages.
 */
static size_t pages_with(uint64_t flags)
{
	size_t pos, pages = 0;
	uint64_t bits, head = 0;

	for (pos = 0; pos < map_len(); pos += PAGE_SIZE) {
		(void)*(volatile char *)(race.map + pos);
		if (!page_flags(race.map + pos, &bits))
			continue;
		if (!(bits & 1ULL << KPF_COMPOUND_TAIL))
			head = bits;
		if (head & flags)
			pages++;
	}
	return pages;
}

/* Waits until so many pages, for a fifth of a second, have one of these flags. */
static void step_flags(uint64_t flags, size_t want)
{
	int tries, calm = 0;
	size_t pages = 0;

	for (tries = 0; tries < STEP_LIMIT * 20; tries++, msleep(50)) {
		pages = pages_with(flags);
		calm = pages == want ? calm + 1 : 0;
		if (calm * 50 > 200)
			return;
	}
	die("%zu pages are dirty or under writeback after %d s, not %zu", pages, STEP_LIMIT, want);
}

static bool is_read_into(uint64_t pos)
{
	int i;

	for (i = 0; i < nr_ranges; i++)
		if (pos >= ranges[i].offset && pos < ranges[i].offset + ranges[i].len)
			return true;
	return false;
}

static size_t pages_evicted(void)
{
	unsigned char in_memory[map_len() / PAGE_SIZE];
	size_t i, pages = 0;

	if (mincore(race.map, map_len(), in_memory))
		die("mincore: %m");
	for (i = 0; i < sizeof(in_memory); i++)
		pages += !(in_memory[i] & 1) && !is_read_into(i * PAGE_SIZE);
	return pages;
}

/* The kernel passes over a page that is in a list of another CPU on its way to the LRU list. */
static void step_pageout(size_t want)
{
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		if (madvise(race.map, map_len(), MADV_PAGEOUT))
			die("MADV_PAGEOUT: %m");
		if (pages_evicted() >= want)
			return;
		msleep(10);
	}
	die("only %zu of the pages that no device holds have left the memory", pages_evicted());
}

static void do_step(const char *step)
{
	const char *argument = strchr(step, '=');
	const char *call = *step == 'm' ? "msync" : "fsync";

	argument = argument ? argument + 1 : "";
	if (!strncmp(step, "dirty=", 6)) {
		step_dirty(atoi(argument));
	} else if (!strcmp(step, "read")) {
		step_read();
	} else if (!strcmp(step, "reap")) {
		step_reap();
	} else if (!strcmp(step, "pread")) {
		step_pread();
	} else if (!strcmp(step, "landed")) {
		step_landed();
	} else if (!strncmp(step, "changed=", 8)) {
		step_changed(atoi(argument));
	} else if (!strcmp(step, "fsync") || !strcmp(step, "msync")) {
		print_result(call, sync_file(call));
	} else if (!strcmp(step, "fsync&") || !strcmp(step, "msync&")) {
		step_start_sync(call);
	} else if (!strncmp(step, "splice&=", 8)) {
		step_start_sync("splice");
	} else if (!strcmp(step, "wb")) {
		step_writeback(0);
	} else if (!strncmp(step, "settle=", 7)) {
		step_writeback(atoi(argument));
	} else if (!strcmp(step, "dirtied")) {
		step_flags(1ULL << KPF_DIRTY, map_len() / PAGE_SIZE);
	} else if (!strcmp(step, "written")) {
		step_flags(1ULL << KPF_DIRTY | 1ULL << KPF_WRITEBACK, 0);
	} else if (!strncmp(step, "pageout=", 8)) {
		step_pageout(atoi(argument));
	} else if (!strcmp(step, "join")) {
		step_join();
	} else if (!strcmp(step, "forget")) {
		if (madvise(race.map + map_len() / 2, map_len() / 2, MADV_DONTNEED))
			die("MADV_DONTNEED: %m");
	} else if (!strcmp(step, "unmap")) {
		step_unmap();
	} else if (!strcmp(step, "close")) {
		close(race.fd);
	} else if (!strcmp(step, "stop")) {
		raise(SIGSTOP);
	} else if (!strncmp(step, "msleep=", 7)) {
		msleep(atoi(argument));
	} else if (!strncmp(step, "resume=", 7)) {
		step_resume(argument);
	} else if (!strncmp(step, "sh=", 3)) {
		if (system(argument))
			die("failed: %s", argument);
	} else {
		die("unknown step '%s'", step);
	}
}

/*
 * The output of splice is open before the first step, which may hold its server, and in the
 * thread only: see main().
 */
static void *splice_main(void *out)
{
	if (unshare(CLONE_FILES))
		die("unshare: %m");
	splice_fd = open(out, O_WRONLY | O_CREAT | O_DIRECT, 0644);
	if (splice_fd < 0)
		die("%s: %m", (char *)out);
	sem_post(&splice_ready);
	sem_wait(&splice_go);
	return sync_main(NULL);
}

static void open_splice(char *step)
{
	if (strncmp(step, "splice&=", 8))
		return;
	if (pthread_create(&sync_thread, NULL, splice_main, step + 8))
		die("no thread");
	sem_wait(&splice_ready);
}

static void add_range(char *text)
{
	char *colon = strchr(text, ':');

	if (!colon || nr_ranges == MAX_RANGES)
		die("-r OFF:LEN, at most %d of them", MAX_RANGES);
	*colon = 0;
	ranges[nr_ranges].offset = parse_bytes(text);
	ranges[nr_ranges++].len = parse_bytes(colon + 1);
}

/* Steps may begin with anything: options end at the first operand ("+"). */
static void parse(int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "+f:l:o:s:r:n:RH")) != -1) {
		if (letter == 'f')
			race.file = optarg;
		else if (letter == 'l')
			race.len = parse_bytes(optarg);
		else if (letter == 'o')
			race.offset = parse_bytes(optarg);
		else if (letter == 's')
			race.source = optarg;
		else if (letter == 'R')
			race.reverse = true;
		else if (letter == 'H')
			race.huge = true;
		else if (letter == 'r')
			add_range(optarg);
		else if (letter == 'n')
			copies = atoi(optarg);
		else
			exit(2);
	}
	if (!race.file || !race.len || optind == argc)
		die("usage: pinrace -f FILE -l LEN [-o OFFSET] [-s SOURCE] [-r OFF:LEN]... "
		    "[-n N] [-R] [-H] STEP...");
	if (!nr_ranges)		/* direct I/O is in whole sectors */
		ranges[nr_ranges++] = (struct range){ 0, race.len & ~511UL };
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	race.fd = open(race.file, O_RDWR);
	if (race.fd < 0)
		die("%s: %m", race.file);
	if (race.source) {
		race.source_fd = open(race.source, O_RDONLY | O_DIRECT);
		if (race.source_fd < 0)
			die("%s: %m", race.source);
	}
	race.map = map_file();
	race.buf = race.map;
	if (race.reverse)
		race.buf = map_reversed(race.fd, race.offset, map_len() / PAGE_SIZE);
	/*
	 * A network filesystem flushes the file whenever a descriptor that can write is
	 * closed, and each shell command of a step would close one. To sync the file, a
	 * descriptor that can only read is enough.
	 */
	close(race.fd);
	race.fd = open(race.file, O_RDONLY);
	if (race.fd < 0)
		die("%s: %m", race.file);
	for (int i = optind; i < argc; i++)
		open_splice(argv[i]);
	for (; optind < argc; optind++)
		do_step(argv[optind]);
	return 0;
}
