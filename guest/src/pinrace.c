// SPDX-License-Identifier: GPL-2.0
/*
 * pinrace -f FILE -l LEN [-o OFFSET] [-s SOURCE] [-r OFF:LEN]... [-R] [-H] STEP...
 *
 * A device writes into a mapped file while the file system writes the file out.
 * Maps FILE shared (LEN bytes at OFFSET) and does the steps in order:
 *
 *	dirty=GEN   write the pattern of that generation through the mapping
 *	            (all of it)
 *	read        submit direct reads from SOURCE into the mapping, and return
 *	            once they are submitted: the pages are held by the device now.
 *	            By default one read of all of it; -r gives ranges instead.
 *	            Position X of the file gets position X of the source.
 *	reap        wait until these reads are done; fails if one failed
 *	fsync       fsync FILE, print "fsync ok" or "fsync ERROR"
 *	msync       the same with msync
 *	fsync&      start the fsync in a thread of its own
 *	msync&      the same with msync
 *	landed      wait until the data of these reads is in the mapping, whether or
 *	            not they are reported as done: the first and the last word of each
 *	            is what the source holds (see pattern.h)
 *	changed=N   wait until N pages of the mapping are not what they were when the
 *	            step began: a device writes to them without pause
 *	wb          wait until all pages of the mapping are under writeback and
 *	            the thread sleeps: what it had to submit is submitted
 *	settle=MS   like wb for file systems that leave the writing to other
 *	            threads: the thread sleeps and MS milliseconds have gone by
 *	join        wait for the thread and print its result as above
 *	sh=COMMAND  run a shell command; fails if it fails
 *	msleep=MS
 *
 * -R: the buffer of the direct read has the pages of the file in reverse order
 * -H: ask for huge pages in the mapping
 */
#include "pattern.h"
#include "pageflags.h"
#include <limits.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define MAX_RANGES 64
#define GIVE_UP 120	/* seconds that a step waits */
#define KPF_WRITEBACK 8
#define KPF_COMPOUND_TAIL 16

static struct {
	const char *file, *source;
	uint64_t off, len;
	char *map, *buf;	/* buf: the pages in the order of the read */
	int fd, sfd;
	bool reverse, huge;
} t;

static struct range { uint64_t off, len; } range[MAX_RANGES];
static int ranges, in_flight;
static aio_context_t aio;

static pthread_t sync_thread;
static pid_t sync_tid;
static int sync_error;
static bool sync_done, sync_msync;

static void msleep(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

static size_t map_len(void)
{
	return (t.len + PG - 1) & ~(PG - 1);
}

static char *map_file(void)
{
	size_t huge = 2UL << 20;
	char *want = NULL, *p;

	if (t.huge) {	/* an aligned place, taken again by the fixed mapping */
		want = mmap(NULL, map_len() + huge, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		want = (char *)(((uintptr_t)want + huge - 1) & ~(huge - 1));
	}
	p = mmap(want, map_len(), PROT_READ | PROT_WRITE,
		 MAP_SHARED | (want ? MAP_FIXED : 0), t.fd, t.off);
	if (p == MAP_FAILED)
		die("mmap %s: %m", t.file);
	if (t.huge && madvise(p, map_len(), MADV_HUGEPAGE))
		die("MADV_HUGEPAGE: %m");
	return p;
}

/* The same pages once more, last one first. */
static char *map_reverse(void)
{
	size_t i, n = map_len() / PG;
	char *p = mmap(NULL, map_len(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %m");
	for (i = 0; i < n; i++)
		if (mmap(p + i * PG, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 t.fd, t.off + (n - 1 - i) * PG) == MAP_FAILED)
			die("mmap of page %zu: %m", i);
	return p;
}

static void step_dirty(unsigned int gen)
{
	put_pattern(t.map, t.len, 'F', gen, t.off);
}

static void step_read(void)
{
	struct iocb cb[MAX_RANGES], *cbp[MAX_RANGES];
	int i, n;

	if (!t.source)
		die("read: no source (-s)");
	if (!aio && syscall(SYS_io_setup, MAX_RANGES, &aio))
		die("io_setup: %m");
	memset(cb, 0, sizeof(cb));
	for (i = 0; i < ranges; i++) {
		cb[i].aio_lio_opcode = IOCB_CMD_PREAD;
		cb[i].aio_fildes = t.sfd;
		cb[i].aio_buf = (uintptr_t)t.buf + range[i].off;
		cb[i].aio_nbytes = range[i].len;
		cb[i].aio_offset = t.off + range[i].off;
		cb[i].aio_data = i;
		cbp[i] = &cb[i];
	}
	n = syscall(SYS_io_submit, aio, (long)ranges, cbp);
	if (n != ranges)
		die("io_submit: %d of %d: %m", n, ranges);
	in_flight = n;
}

static void step_reap(void)
{
	struct io_event ev[MAX_RANGES];
	int i, n = syscall(SYS_io_getevents, aio, (long)in_flight,
			   (long)in_flight, ev, NULL);

	if (n != in_flight)
		die("io_getevents: %d of %d: %m", n, in_flight);
	for (i = 0; i < n; i++)
		if ((uint64_t)ev[i].res != range[ev[i].data].len)
			die("read %d: %lld of %ju bytes", (int)ev[i].data,
			    (long long)ev[i].res, (uintmax_t)range[ev[i].data].len);
	in_flight = 0;
}

/* Is word pos of the buffer that of the source? */
static bool word_landed(uint64_t pos)
{
	return *(volatile uint64_t *)(t.buf + pos) == word_at('S', 0, t.off + pos);
}

static void step_landed(void)
{
	int tries, i;

	for (tries = 0; tries < GIVE_UP * 50; tries++, msleep(20)) {
		for (i = 0; i < ranges; i++)
			if (!word_landed(range[i].off) ||
			    !word_landed(range[i].off + range[i].len - 8))
				break;
		if (i == ranges)
			return;
	}
	die("read %d did not land in %d s", i, GIVE_UP);
}

static void step_changed(size_t want)
{
	char *before = malloc(map_len());
	size_t pos, n = 0;
	int tries;

	if (!before)
		die("no memory");
	memcpy(before, t.map, map_len());
	for (tries = 0; tries < GIVE_UP * 50; tries++, msleep(20)) {
		for (pos = n = 0; pos < map_len(); pos += PG)
			n += memcmp(before + pos, t.map + pos, PG) != 0;
		if (n >= want) {
			free(before);
			return;
		}
	}
	die("%zu pages changed in %d s, not %zu", n, GIVE_UP, want);
}

static int do_sync(bool use_msync)
{
	int r = use_msync ? msync(t.map, map_len(), MS_SYNC) : fsync(t.fd);

	return r ? errno : 0;
}

static void report(bool use_msync, int error)
{
	printf("%s %s\n", use_msync ? "msync" : "fsync",
	       error ? strerrorname_np(error) : "ok");
}

static void *sync_main(void *arg)
{
	(void)arg;
	__atomic_store_n(&sync_tid, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	sync_error = do_sync(sync_msync);
	__atomic_store_n(&sync_done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void step_start(bool use_msync)
{
	sync_msync = use_msync;
	sync_done = false;
	sync_tid = 0;
	if (pthread_create(&sync_thread, NULL, sync_main, NULL))
		die("no thread");
}

static void step_join(void)
{
	pthread_join(sync_thread, NULL);
	report(sync_msync, sync_error);
}

static bool sync_sleeps(void)
{
	char path[64], line[512], *p;
	FILE *f;

	if (!__atomic_load_n(&sync_tid, __ATOMIC_SEQ_CST))
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", sync_tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	return p && (p[2] == 'D' || p[2] == 'S');
}

/* How many pages of the mapping are not under writeback. */
static size_t not_in_writeback(void)
{
	size_t i, missing = 0;
	uint64_t bits;

	for (i = 0; i < map_len() / PG; i++) {
		if (!page_flags(t.map + i * PG, &bits)) {	/* look again after a read */
			(void)*(volatile char *)(t.map + i * PG);
			missing++;
			continue;
		}
		if (!(bits & (1ULL << KPF_WRITEBACK | 1ULL << KPF_COMPOUND_TAIL)))
			missing++;
	}
	return missing;
}

static void step_wb(unsigned int settle)
{
	int tries, calm = 0;
	size_t missing = 0;

	for (tries = 0; tries < GIVE_UP * 20; tries++, msleep(50)) {
		if (__atomic_load_n(&sync_done, __ATOMIC_SEQ_CST))
			die("the sync was over (%s) before the read landed: nothing was held",
			    sync_error ? strerrorname_np(sync_error) : "ok");
		missing = settle ? 0 : not_in_writeback();
		calm = !missing && sync_sleeps() ? calm + 1 : 0;
		if (calm * 50 > (settle ? (int)settle : 200))
			return;
	}
	die("%zu pages did not come under writeback in %d s", missing, GIVE_UP);
}

static void step(const char *s)
{
	const char *arg = strchr(s, '=');

	arg = arg ? arg + 1 : "";
	if (!strncmp(s, "dirty=", 6))
		step_dirty(atoi(arg));
	else if (!strcmp(s, "read"))
		step_read();
	else if (!strcmp(s, "reap"))
		step_reap();
	else if (!strcmp(s, "landed"))
		step_landed();
	else if (!strncmp(s, "changed=", 8))
		step_changed(atoi(arg));
	else if (!strcmp(s, "fsync") || !strcmp(s, "msync"))
		report(*s == 'm', do_sync(*s == 'm'));
	else if (!strcmp(s, "fsync&") || !strcmp(s, "msync&"))
		step_start(*s == 'm');
	else if (!strcmp(s, "wb"))
		step_wb(0);
	else if (!strncmp(s, "settle=", 7))
		step_wb(atoi(arg));
	else if (!strcmp(s, "join"))
		step_join();
	else if (!strncmp(s, "msleep=", 7))
		msleep(atoi(arg));
	else if (!strncmp(s, "sh=", 3)) {
		if (system(arg))
			die("failed: %s", arg);
	} else
		die("unknown step '%s'", s);
}

static void parse(int argc, char **argv)
{
	char *colon;
	int c;

	while ((c = getopt(argc, argv, "+f:l:o:s:r:RH")) != -1) {
		if (c == 'f')
			t.file = optarg;
		else if (c == 'l')
			t.len = bytes(optarg);
		else if (c == 'o')
			t.off = bytes(optarg);
		else if (c == 's')
			t.source = optarg;
		else if (c == 'R')
			t.reverse = true;
		else if (c == 'H')
			t.huge = true;
		else if (c == 'r') {
			colon = strchr(optarg, ':');
			if (!colon || ranges == MAX_RANGES)
				die("-r OFF:LEN, at most %d of them", MAX_RANGES);
			*colon = 0;
			range[ranges].off = bytes(optarg);
			range[ranges++].len = bytes(colon + 1);
		} else
			exit(2);
	}
	if (!t.file || !t.len || optind == argc)
		die("usage: pinrace -f FILE -l LEN [-o OFFSET] [-s SOURCE] [-r OFF:LEN]... [-R] [-H] STEP...");
	if (!ranges)	/* direct I/O is in whole sectors */
		range[ranges++] = (struct range){ 0, t.len & ~511UL };
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	t.fd = open(t.file, O_RDWR);
	if (t.fd < 0)
		die("%s: %m", t.file);
	if (t.source) {
		t.sfd = open(t.source, O_RDONLY | O_DIRECT);
		if (t.sfd < 0)
			die("%s: %m", t.source);
	}
	t.map = map_file();
	t.buf = t.reverse ? map_reverse() : t.map;
	/*
	 * A network file system flushes the file whenever somebody closes a
	 * descriptor that can write, and so would every shell command of a step.
	 * To sync, one that can read is enough.
	 */
	close(t.fd);
	t.fd = open(t.file, O_RDONLY);
	if (t.fd < 0)
		die("%s: %m", t.file);
	for (; optind < argc; optind++)
		step(argv[optind]);
	return 0;
}
