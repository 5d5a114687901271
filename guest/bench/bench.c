// SPDX-License-Identifier: GPL-2.0
/*
 * The only process of a bench guest: counts instructions of I/O paths and prints one line
 * "@@BENCH NAME VALUE" for each figure, then "@@BENCHEND". If a step fails, it prints
 * "@@BENCHFAIL STEP: ERROR". In both cases the guest ends.
 *
 * Runs under qemu -icount shift=0: there the time stamp counter advances by one an
 * instruction, independent of the speed of the host. Started as /init of an initramfs with
 * /modules/KERNEL/null_blk.ko and /fs.img, an empty ext4 without journal, and
 * /modules/KERNEL/set_stable.ko for a kernel without queue/stable_writes. kernel=KERNEL on
 * the kernel's command line becomes an environment variable.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "../src/lib/aio.h"
#include "../src/lib/file.h"
#include "../src/lib/page.h"
#include "../src/lib/pins.h"
#include "../src/lib/uring.h"

#define MAX_RUNS	4096
#define CONFIGFS	"/sys/kernel/config/nullb/"

static uint64_t cost[MAX_RUNS];
static uint64_t tsc_cost;	/* of reading the time stamp counter */

static void out(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
}

static void power_off(void)
{
	reboot(RB_AUTOBOOT);	/* with -no-reboot QEMU ends */
	for (;;)
		pause();
}

/* Not die(): when init ends, the kernel panics. */
static void fail(const char *step)
{
	out("@@BENCHFAIL %s: %s\n", step, strerror(errno));
	power_off();
}

static void write_or_fail(const char *path, const char *text)
{
	if (!write_text(path, 0, "%s", text))
		fail(path);
}

/* -- figures ------------------------------------------------------------ */

/* Exact: if QEMU counts instructions, a translation block ends at rdtsc. */
static inline uint64_t read_tsc(void)
{
	uint32_t lo, hi;

	__asm__ __volatile__("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * The mean of the middle half of the costs: a timer tick within an operation is an outlier.
 * A median would lose the work that is done every so many operations (a per-CPU list is
 * refilled).
 */
static double middle_mean(unsigned int n)
{
	uint64_t sum = 0;
	unsigned int i, from = n / 4, to = n - n / 4;

	qsort(cost, n, sizeof(cost[0]), by_value);
	for (i = from; i < to; i++)
		sum += cost[i];
	return (double)sum / (to - from);
}

static double measure(unsigned int warm, unsigned int n, void (*op)(void *), void *arg)
{
	unsigned int i;
	uint64_t t;

	for (i = 0; i < warm + n; i++) {
		t = read_tsc();
		op(arg);
		t = read_tsc() - t;
		if (i >= warm)
			cost[i - warm] = t;
	}
	return middle_mean(n) - tsc_cost;
}

static long bounced_pages(void)
{
	struct vmstat_entry entry = { .name = "writeback_bounced" };

	read_vmstat(&entry, 1);
	return entry.value;
}

/*
 * Free memory in KiB, to the page: free pages of all zones and of the per-CPU lists
 * ("count:"), with the per-CPU parts of the counters.
 */
static long free_kib(void)
{
	char line[256];
	long value, pages = 0;
	FILE *file;

	fold_vmstat();
	file = fopen("/proc/zoneinfo", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " nr_free_pages %ld", &value) == 1 ||
		    sscanf(line, " count: %ld", &value) == 1)
			pages += value;
	if (file)
		fclose(file);
	return pages * (PAGE_SIZE / 1024);
}

/* -- set-up --------------------------------------------------------------- */

static void load_module(const char *name, const char *params)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/modules/%s/%s.ko", getenv("kernel") ?: "", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || syscall(__NR_finit_module, fd, params, 0))
		fail(path);
	close(fd);
}

static void null_attr(int nr, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), CONFIGFS "nullb%d/%s", nr, name);
	write_or_fail(path, value);
}

/* Before the mount: a filesystem asks only then. */
static void set_stable(int nr)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/nullb%d/queue/stable_writes",
		 nr);
	if (!access(path, F_OK)) {
		write_or_fail(path, "1");
		return;
	}
	/* Linux before 5.9 has no such file. */
	load_module("set_stable", "");
	snprintf(path, sizeof(path), "/dev/nullb%d", nr);
	write_or_fail("/sys/module/set_stable/parameters/device", path);
}

/* null_blk completes a request within submission, in a soft interrupt, or by a timer. */
#define AT_ONCE		"0"
#define BY_SOFTIRQ	"1"
#define BY_TIMER	"2"

/* @backed: keeps the data, in 64 MiB of memory. @nsec: for BY_TIMER, so much later. */
static void null_device(int nr, bool backed, bool stable, const char *irqmode, const char *nsec)
{
	char path[128];

	snprintf(path, sizeof(path), CONFIGFS "nullb%d", nr);
	if (mkdir(path, 0700))
		fail(path);
	null_attr(nr, "size", "64");
	null_attr(nr, "blocksize", "4096");
	null_attr(nr, "submit_queues", "1");
	null_attr(nr, "memory_backed", backed ? "1" : "0");
	null_attr(nr, "irqmode", irqmode);
	if (nsec)
		null_attr(nr, "completion_nsec", nsec);
	null_attr(nr, "power", "1");
	snprintf(path, sizeof(path), "/sys/block/nullb%d/queue/scheduler", nr);
	write_or_fail(path, "none");
	if (stable)
		set_stable(nr);
}

/* Mount a copy of /fs.img on the device and make a file of 1 MiB in it. */
static int file_on(int nr, char *buf)
{
	static const char zero[PAGE_SIZE];
	char dev[32], dir[32], path[64];
	int from = open("/fs.img", O_RDONLY), to, fd;
	ssize_t n;
	off_t pos;

	snprintf(dev, sizeof(dev), "/dev/nullb%d", nr);
	snprintf(dir, sizeof(dir), "/mnt%d", nr);
	snprintf(path, sizeof(path), "%s/file", dir);
	to = open(dev, O_WRONLY);
	if (from < 0 || to < 0)
		fail(dev);
	for (pos = 0; (n = pread(from, buf, PAGE_SIZE, pos)) > 0; pos += n)
		if (memcmp(buf, zero, n) && pwrite(to, buf, n, pos) != n)
			fail(dev);
	if (fsync(to))
		fail(dev);
	close(from);
	close(to);

	mkdir(dir, 0700);
	if (mount(dev, dir, "ext4", MS_NOATIME, NULL))
		fail(dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	memset(buf, 1, MIB);
	if (fd < 0 || pwrite(fd, buf, MIB, 0) != (ssize_t)MIB || fsync(fd))
		fail(path);
	return fd;
}

/* -- operations ------------------------------------------------------------- */

struct io {
	int fd;
	char *buf;
	size_t len;
};

static void op_nothing(void *arg)
{
	(void)arg;
}

static void op_read(void *arg)
{
	struct io *io = arg;

	if (pread(io->fd, io->buf, io->len, 0) != (ssize_t)io->len)
		fail("read");
}

static void op_write(void *arg)
{
	struct io *io = arg;

	if (pwrite(io->fd, io->buf, io->len, 0) != (ssize_t)io->len)
		fail("write");
}

static void op_write_sync(void *arg)
{
	struct io *io = arg;

	op_write(arg);
	if (fsync(io->fd))
		fail("fsync");
}

static void op_copy(void *arg)
{
	struct io *io = arg;
	char *to = io->buf + PAGE_SIZE, *from = io->buf;
	unsigned long n = PAGE_SIZE / 8;

	__asm__ __volatile__("rep movsq" : "+D"(to), "+S"(from), "+c"(n)
			     : : "memory");
}

static void op_memcpy(void *arg)
{
	struct io *io = arg;
	unsigned long *to = (unsigned long *)(io->buf + PAGE_SIZE);
	unsigned long *from = (unsigned long *)io->buf;
	unsigned long i;

	for (i = 0; i < PAGE_SIZE / 8; i++) {
		to[i] = from[i];
		__asm__ __volatile__("" : : : "memory");
	}
}

/*
 * fsync of a mapped file of 256 pages, all dirty. @slow: while a direct write from these
 * pages to this device is in flight, or -1. @bounced: set to the pages copied for one fsync
 */
static double sync_mapped(int fd, int slow, unsigned int n, long *bounced)
{
	char *map = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct iocb request = aio_request(IOCB_CMD_PWRITE, slow, map, MIB, 0);
	unsigned int i, warm = 4;
	struct io_event event;
	aio_context_t ctx;
	unsigned long pos;
	long before = 0;
	uint64_t t;

	if (map == MAP_FAILED || aio_setup(1, &ctx))
		fail("mmap, io_setup");
	for (i = 0; i < warm + n; i++) {
		for (pos = 0; pos < MIB; pos += PAGE_SIZE)
			map[pos]++;
		if (slow >= 0 && aio_submit(ctx, &request, 1) != 1)
			fail("io_submit");
		if (i == warm)
			before = bounced_pages();
		t = read_tsc();
		if (fsync(fd))
			fail("fsync");
		t = read_tsc() - t;
		if (i >= warm)
			cost[i - warm] = t;
		if (slow >= 0 && aio_wait(ctx, 1, 1, &event) != 1)
			fail("io_getevents");
	}
	*bounced = (bounced_pages() - before) / n;
	aio_destroy(ctx);
	munmap(map, MIB);
	return middle_mean(n) - tsc_cost;
}

#define URING_DEPTH	32

struct uring_reads {
	struct uring ring;
	int source;
	char *map;		/* 256 pages */
	unsigned int random;
};

/* 32 reads of 4 KiB at random into 32 pages of the map. */
static void op_uring_reads(void *arg)
{
	struct uring_reads *reads = arg;
	struct iovec iov[URING_DEPTH];
	unsigned int i;

	for (i = 0; i < URING_DEPTH; i++) {
		struct io_uring_sqe sqe = {
			.opcode = IORING_OP_READV, .fd = reads->source, .len = 1,
			.addr = (uintptr_t)&iov[i],
		};

		/* Its low bits have each value once in 256 reads. */
		reads->random = reads->random * 1103515245 + 12345;
		sqe.off = (reads->random >> 8 & 0x3fff) * PAGE_SIZE;
		iov[i].iov_base = reads->map + (reads->random & 0xff) * PAGE_SIZE;
		iov[i].iov_len = PAGE_SIZE;
		uring_add(&reads->ring, &sqe);
	}
	uring_submit(&reads->ring, URING_DEPTH);
	for (i = 0; i < URING_DEPTH; i++)
		if (uring_result(&reads->ring) != PAGE_SIZE)
			fail("read by io_uring");
}

/* @fd: a file of 256 pages; its pages are dirty all the time. */
static void uring_figures(int fd, int source)
{
	struct uring_reads reads = { .source = source, .random = 1 };

	reads.map = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (reads.map == MAP_FAILED || !uring_open(&reads.ring, URING_DEPTH))
		fail("mmap, io_uring_setup");
	memset(reads.map, 1, MIB);
	out("@@BENCH uring_read_4k %.1f\n",
	    measure(50, 400, op_uring_reads, &reads) / URING_DEPTH);
	munmap(reads.map, MIB);
	if (fsync(fd))
		fail("fsync");
	close(reads.ring.fd);
}

/* -- get_user_pages(), pin_user_pages() ------------------------------------- */

/*
 * The kernel's benchmark of them: debugfs gup_test, before 5.10 gup_benchmark with other
 * numbers. A kernel without pins has no commands for them. The start of the argument is the
 * same in all kernels.
 */
struct gup {
	uint64_t get_us;	/* all calls */
	uint64_t put_us;	/* release of all pages */
	uint64_t addr;
	uint64_t size;
	uint32_t pages_per_call;
	uint32_t flags;		/* 1: for writing */
	uint64_t rest[10];
};

#define GUP_TEST(nr)		_IOC(_IOC_READ | _IOC_WRITE, 'g', nr, 80)
#define GUP_BENCHMARK(nr)	_IOC(_IOC_READ | _IOC_WRITE, 'g', nr, 120)

static const struct gup_mode {
	const char *get, *put;
	unsigned long test, benchmark;
} gup_modes[] = {
	{ "get_fast", "put", GUP_TEST(1), GUP_BENCHMARK(1) },
	{ "get_slow", NULL, GUP_TEST(4), GUP_BENCHMARK(3) },
	{ "pin_fast", "unpin", GUP_TEST(2), GUP_BENCHMARK(4) },
	{ "pin_slow", NULL, GUP_TEST(5), GUP_BENCHMARK(5) },
};

#define HUGE		(2 * MIB)
#define GUP_RUNS	32
#define GUP_SIZE	(128 * MIB)	/* one huge page less in each run */

/* The rate of the time stamp counter, as the kernel has measured it. */
static double tsc_per_us(void)
{
	struct timespec from, to;
	uint64_t t;

	clock_gettime(CLOCK_MONOTONIC, &from);
	t = read_tsc();
	while (read_tsc() - t < 100000000)
		;
	t = read_tsc() - t;
	clock_gettime(CLOCK_MONOTONIC, &to);
	return t * 1e3 / ((to.tv_sec - from.tv_sec) * 1000000000L +
			  to.tv_nsec - from.tv_nsec);
}

/* How many KiB of the mapping at @addr are in huge pages. */
static long huge_kib(void *addr)
{
	unsigned long start, end;
	bool here = false;
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/self/smaps", "r");

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (uintptr_t)addr;
		else if (here)
			sscanf(line, "AnonHugePages: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

/* Memory for GUP, mapped for writing, of huge pages only or of none. */
static char *gup_memory(bool huge)
{
	char *map = mmap(NULL, GUP_SIZE + HUGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *buf = (char *)(((uintptr_t)map + HUGE - 1) & ~(HUGE - 1));

	/* between two mappings that it cannot be merged with */
	if (map == MAP_FAILED || mprotect(buf, GUP_SIZE, PROT_READ | PROT_WRITE) ||
	    madvise(buf, GUP_SIZE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		fail("memory for GUP");
	memset(buf, 1, GUP_SIZE);
	errno = 0;
	if (huge_kib(buf) != (huge ? (long)GUP_SIZE / 1024 : 0))
		fail("huge pages for GUP");
	return buf;
}

/*
 * One mode on one kind of memory: instructions of a call for one page, of a call for 512,
 * and of the release of a page. The benchmark rounds down to microseconds; with a different
 * number of calls in each run the errors average out.
 */
static void gup_figures(int fd, const struct gup_mode *mode, bool test,
			const char *kind, char *buf, double tsc_us)
{
	static const unsigned int pages_per_call[] = { 1, 512 };
	static uint64_t put_cost[GUP_RUNS];
	unsigned int i, j, warm = 2;

	for (j = 0; j < 2; j++) {
		unsigned int per_call = pages_per_call[j];

		for (i = 0; i < warm + GUP_RUNS; i++) {
			unsigned long run = i < warm ? 0 : i - warm;
			unsigned long size = GUP_SIZE - run * HUGE;
			struct gup gup = { .addr = (uintptr_t)buf, .flags = 1,
					   .pages_per_call = per_call };

			if (per_call == 1 || !mode->put)
				size /= 8; /* is long enough */
			gup.size = size;
			if (ioctl(fd, test ? mode->test : mode->benchmark, &gup)) {
				if (errno == EINVAL && !i && !j)
					return;
				fail(mode->get);
			}
			if (gup.size != size)
				fail("GUP stopped early");
			/* in thousandths of an instruction */
			cost[run] = (gup.get_us + 0.5) * tsc_us * 1000 /
				    ((double)size / PAGE_SIZE / per_call);
			put_cost[run] = (gup.put_us + 0.5) * tsc_us * 1000 /
					(size / PAGE_SIZE);
		}
		out("@@BENCH %s_%s_%u %.2f\n", mode->get, kind, per_call,
		    middle_mean(GUP_RUNS) / 1000);
	}
	if (!mode->put)
		return;
	memcpy(cost, put_cost, sizeof(put_cost));
	out("@@BENCH %s_%s %.3f\n", mode->put, kind, middle_mean(GUP_RUNS) / 1000);
}

static void gup_all(void)
{
	const char *debugfs = "/sys/kernel/debug";
	double tsc_us = tsc_per_us();
	bool test = true;
	unsigned int i, huge;
	int fd;

	if (mount("debugfs", debugfs, "debugfs", 0, NULL))
		fail(debugfs);
	fd = open("/sys/kernel/debug/gup_test", O_RDWR);
	if (fd < 0) {
		test = false;
		fd = open("/sys/kernel/debug/gup_benchmark", O_RDWR);
	}
	if (fd < 0)
		fail("debugfs gup_test, gup_benchmark");
	out("@@BENCH tsc_per_us %.4f\n", tsc_us);
	for (huge = 0; huge < 2; huge++) {
		char *buf = gup_memory(huge);

		for (i = 0; i < ARRAY_SIZE(gup_modes); i++)
			gup_figures(fd, &gup_modes[i], test,
				    huge ? "thp" : "4k", buf, tsc_us);
		munmap(buf, GUP_SIZE);
	}
	close(fd);
}

/* -- all of it ---------------------------------------------------------------- */

static void set_up_kernel(void)
{
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	if (mount("configfs", "/sys/kernel/config", "configfs", 0, NULL))
		fail("configfs");
	/* nothing in the background */
	write_or_fail("/proc/sys/vm/dirty_writeback_centisecs", "0");
	write_or_fail("/proc/sys/vm/stat_interval", "100000");
}

static void set_up_devices(void)
{
	load_module("null_blk", "nr_devices=0");	/* devices come through configfs */
	null_device(0, false, false, AT_ONCE, NULL);
	null_device(1, true, true, AT_ONCE, NULL);
	null_device(2, true, false, AT_ONCE, NULL);
	null_device(3, false, false, BY_TIMER, "50000000");
	null_device(4, false, false, BY_SOFTIRQ, NULL);
}

static void direct_io_figures(struct io *io, int fd)
{
	io->fd = fd;
	io->len = PAGE_SIZE;
	out("@@BENCH dio_read_4k %.1f\n", measure(500, 4000, op_read, io));
	out("@@BENCH dio_write_4k %.1f\n", measure(500, 4000, op_write, io));
	io->len = MIB;
	out("@@BENCH dio_read_1m %.1f\n", measure(50, 400, op_read, io));
	out("@@BENCH dio_write_1m %.1f\n", measure(50, 400, op_write, io));
}

static void sync_figures(struct io *io, int fd, const char *kind)
{
	io->fd = fd;
	io->len = MIB;
	out("@@BENCH sync_%s_1m %.1f\n", kind, measure(8, 64, op_write_sync, io));
	io->len = PAGE_SIZE;
	out("@@BENCH sync_%s_4k %.1f\n", kind, measure(100, 1000, op_write_sync, io));
}

static void bounce_figures(int fd, int slow)
{
	double plain, pinned;
	long bounced;

	plain = sync_mapped(fd, -1, 16, &bounced);
	out("@@BENCH sync_mapped_1m %.1f\n", plain);
	pinned = sync_mapped(fd, slow, 16, &bounced);
	out("@@BENCH bounced_pages %ld\n", bounced);
	out("@@BENCH bounced_page %.1f\n", bounced ? (pinned - plain) / bounced : 0);
}

int main(void)
{
	struct io io = { .len = MIB };
	int direct, slow, soft, stable, plain;

	mount("proc", "/proc", "proc", 0, NULL);
	out("@@BENCH boot_free_kib %ld\n", free_kib());
	set_up_kernel();

	io.buf = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (io.buf == MAP_FAILED)
		fail("mmap");
	madvise(io.buf, 2 * MIB, MADV_NOHUGEPAGE);
	memset(io.buf, 1, 2 * MIB);

	set_up_devices();
	direct = open("/dev/nullb0", O_RDWR | O_DIRECT);
	slow = open("/dev/nullb3", O_RDWR | O_DIRECT);
	soft = open("/dev/nullb4", O_RDWR | O_DIRECT);
	if (direct < 0 || slow < 0 || soft < 0)
		fail("/dev/nullb");
	stable = file_on(1, io.buf);
	plain = file_on(2, io.buf);

	tsc_cost = measure(100, 1000, op_nothing, NULL);
	out("@@BENCH copy_4k %.1f\n", measure(10, 100, op_copy, &io));
	out("@@BENCH copy_4k_loop %.1f\n", measure(10, 100, op_memcpy, &io));
	direct_io_figures(&io, direct);
	sync_figures(&io, stable, "stable");
	sync_figures(&io, plain, "plain");
	bounce_figures(stable, slow);
	uring_figures(plain, soft);
	gup_all();
	out("@@BENCHEND\n");
	power_off();
	return 0;
}
