/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only process of a bench guest: counts instructions of I/O paths and
 * prints one line "@@BENCH NAME VALUE" for each figure.
 *
 * Runs under qemu -icount shift=0: there the time stamp counter advances by one
 * an instruction, whatever the host does. Started as /init of an initramfs that
 * holds /modules/KERNEL/null_blk.ko and /fs.img, an empty ext4 without journal,
 * and /modules/KERNEL/set_stable.ko for a kernel without queue/stable_writes.
 * kernel=KERNEL on the kernel's command line comes as a variable.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/aio_abi.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define PAGE	4096UL
#define MIB	(1024 * 1024UL)
#define MAXRUNS	4096
#define CONFIGFS "/sys/kernel/config/nullb/"

static uint64_t cost[MAXRUNS];
static uint64_t tsc_cost;

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
	reboot(RB_AUTOBOOT); /* with -no-reboot QEMU ends */
	for (;;)
		pause();
}

static void die(const char *what)
{
	out("@@BENCHFAIL %s: %s\n", what, strerror(errno));
	power_off();
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* -- figures ------------------------------------------------------------ */

/* Exact: QEMU ends a translation block at rdtsc when it counts instructions. */
static inline uint64_t now(void)
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
 * The mean of the middle half: a timer tick within an operation is an outlier,
 * and what happens every so many operations (a per-CPU list is refilled) is
 * not lost as it is in a median.
 */
static double middle(unsigned int n)
{
	uint64_t sum = 0;
	unsigned int i, from = n / 4, to = n - n / 4;

	qsort(cost, n, sizeof(cost[0]), by_value);
	for (i = from; i < to; i++)
		sum += cost[i];
	return (double)sum / (to - from);
}

static double measure(unsigned int warm, unsigned int n, void (*op)(void *),
		      void *arg)
{
	unsigned int i;
	uint64_t t;

	for (i = 0; i < warm + n; i++) {
		t = now();
		op(arg);
		t = now() - t;
		if (i >= warm)
			cost[i - warm] = t;
	}
	return middle(n) - tsc_cost;
}

static long counter(const char *file, const char *name)
{
	char line[256];
	size_t len = strlen(name);
	long val = 0;
	FILE *f = fopen(file, "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len) &&
		    (line[len] == ' ' || line[len] == ':'))
			val = atol(line + len + 1);
	if (f)
		fclose(f);
	return val;
}

/*
 * Free memory in KiB, to the page: free pages of all zones and those that wait
 * in per-CPU lists ("count:"), with the per-CPU parts of the counters.
 */
static long free_kib(void)
{
	char line[256];
	long val, pages = 0;
	FILE *f;

	put("/proc/sys/vm/stat_refresh", "1");
	f = fopen("/proc/zoneinfo", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " nr_free_pages %ld", &val) == 1 ||
		    sscanf(line, " count: %ld", &val) == 1)
			pages += val;
	if (f)
		fclose(f);
	return pages * (PAGE / 1024);
}

/* -- set-up --------------------------------------------------------------- */

static void module(const char *name, const char *params)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/modules/%s/%s.ko",
		 getenv("kernel") ?: "", name);
	fd = open(path, O_RDONLY);

	if (fd < 0 || syscall(__NR_finit_module, fd, params, 0))
		die(path);
	close(fd);
}

static void null_attr(int nr, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), CONFIGFS "nullb%d/%s", nr, name);
	put(path, value);
}

/* Before the mount: a filesystem looks once. */
static void set_stable(int nr)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/nullb%d/queue/stable_writes",
		 nr);
	if (!access(path, F_OK)) {
		put(path, "1");
		return;
	}
	/* there is no such file before 5.9 */
	module("set_stable", "");
	snprintf(path, sizeof(path), "/dev/nullb%d", nr);
	put("/sys/module/set_stable/parameters/device", path);
}

/*
 * @backed: keeps what is written, 64 MiB of memory. @nsec: completes that much
 * later, by a timer; 0: completes within submission.
 */
static void null_device(int nr, bool backed, bool stable, const char *nsec)
{
	char path[128];

	snprintf(path, sizeof(path), CONFIGFS "nullb%d", nr);
	if (mkdir(path, 0700))
		die(path);
	null_attr(nr, "size", "64");
	null_attr(nr, "blocksize", "4096");
	null_attr(nr, "submit_queues", "1");
	null_attr(nr, "memory_backed", backed ? "1" : "0");
	null_attr(nr, "irqmode", nsec ? "2" : "0");
	if (nsec)
		null_attr(nr, "completion_nsec", nsec);
	null_attr(nr, "power", "1");
	snprintf(path, sizeof(path), "/sys/block/nullb%d/queue/scheduler", nr);
	put(path, "none");
	if (stable)
		set_stable(nr);
}

/* Mount a copy of /fs.img on the device and make a file of 1 MiB in it. */
static int file_on(int nr, char *buf)
{
	static const char zero[PAGE];
	char dev[32], dir[32], path[64];
	int from = open("/fs.img", O_RDONLY), to, fd;
	ssize_t n;
	off_t pos;

	snprintf(dev, sizeof(dev), "/dev/nullb%d", nr);
	snprintf(dir, sizeof(dir), "/mnt%d", nr);
	snprintf(path, sizeof(path), "%s/file", dir);
	to = open(dev, O_WRONLY);
	if (from < 0 || to < 0)
		die(dev);
	for (pos = 0; (n = pread(from, buf, PAGE, pos)) > 0; pos += n)
		if (memcmp(buf, zero, n) && pwrite(to, buf, n, pos) != n)
			die(dev);
	if (fsync(to))
		die(dev);
	close(from);
	close(to);

	mkdir(dir, 0700);
	if (mount(dev, dir, "ext4", MS_NOATIME, NULL))
		die(dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	memset(buf, 1, MIB);
	if (fd < 0 || pwrite(fd, buf, MIB, 0) != (ssize_t)MIB || fsync(fd))
		die(path);
	return fd;
}

/* -- operations ------------------------------------------------------------- */

struct io {
	int fd;
	char *buf;
	size_t len;
	unsigned int seed;
};

static void op_nothing(void *arg)
{
	(void)arg;
}

static void op_read(void *arg)
{
	struct io *io = arg;

	if (pread(io->fd, io->buf, io->len, 0) != (ssize_t)io->len)
		die("read");
}

static void op_write(void *arg)
{
	struct io *io = arg;

	if (pwrite(io->fd, io->buf, io->len, 0) != (ssize_t)io->len)
		die("write");
}

static void op_write_sync(void *arg)
{
	struct io *io = arg;

	op_write(arg);
	if (fsync(io->fd))
		die("fsync");
}

static void op_copy(void *arg)
{
	struct io *io = arg;
	char *to = io->buf + PAGE, *from = io->buf;
	unsigned long n = PAGE / 8;

	__asm__ __volatile__("rep movsq" : "+D"(to), "+S"(from), "+c"(n)
			     : : "memory");
}

static void op_memcpy(void *arg)
{
	struct io *io = arg;
	unsigned long *to = (unsigned long *)(io->buf + PAGE);
	unsigned long *from = (unsigned long *)io->buf;
	unsigned long i;

	for (i = 0; i < PAGE / 8; i++) {
		to[i] = from[i];
		__asm__ __volatile__("" : : : "memory");
	}
}

/*
 * fsync of a mapped file of 256 pages, all dirty, while a direct write from
 * these pages to a slow device is under way (@slow >= 0), or is not.
 * *bounced: pages copied for one fsync.
 */
static double sync_mapped(int fd, int slow, unsigned int n, long *bounced)
{
	struct iocb cb = { 0 }, *list[] = { &cb };
	aio_context_t ctx = 0;
	struct io_event ev;
	char *map = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned int i, warm = 4;
	unsigned long p;
	long before = 0;
	uint64_t t;

	if (map == MAP_FAILED || syscall(__NR_io_setup, 1, &ctx))
		die("mmap, io_setup");
	for (i = 0; i < warm + n; i++) {
		for (p = 0; p < MIB; p += PAGE)
			map[p]++;
		if (slow >= 0) {
			cb.aio_fildes = slow;
			cb.aio_lio_opcode = IOCB_CMD_PWRITE;
			cb.aio_buf = (uintptr_t)map;
			cb.aio_nbytes = MIB;
			if (syscall(__NR_io_submit, ctx, 1, list) != 1)
				die("io_submit");
		}
		if (i == warm)
			before = counter("/proc/vmstat", "writeback_bounced");
		t = now();
		if (fsync(fd))
			die("fsync");
		t = now() - t;
		if (i >= warm)
			cost[i - warm] = t;
		if (slow >= 0 &&
		    syscall(__NR_io_getevents, ctx, 1, 1, &ev, NULL) != 1)
			die("io_getevents");
	}
	*bounced = (counter("/proc/vmstat", "writeback_bounced") - before) / n;
	syscall(__NR_io_destroy, ctx);
	munmap(map, MIB);
	return middle(n) - tsc_cost;
}

/* -- get_user_pages(), pin_user_pages() ------------------------------------- */

/*
 * The kernel's benchmark of them: debugfs gup_test, before 5.10 gup_benchmark
 * with other numbers, and without those of the pins on a kernel that has none.
 * All kernels agree on the beginning of the argument.
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

/* How many time stamps the kernel takes for a microsecond; it has measured. */
static double tsc_per_us(void)
{
	struct timespec from, to;
	uint64_t t;

	clock_gettime(CLOCK_MONOTONIC, &from);
	t = now();
	while (now() - t < 100000000)
		;
	t = now() - t;
	clock_gettime(CLOCK_MONOTONIC, &to);
	return t * 1e3 / ((to.tv_sec - from.tv_sec) * 1000000000L +
			  to.tv_nsec - from.tv_nsec);
}

/* How many KiB of the mapping at @addr are mapped by huge pages */
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

/* Memory for GUP, mapped for writing, of huge pages or of none */
static char *gup_memory(bool huge)
{
	char *map = mmap(NULL, GUP_SIZE + HUGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *buf = (char *)(((uintptr_t)map + HUGE - 1) & ~(HUGE - 1));

	/* between two mappings that it cannot be merged with */
	if (map == MAP_FAILED || mprotect(buf, GUP_SIZE, PROT_READ | PROT_WRITE) ||
	    madvise(buf, GUP_SIZE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		die("memory for GUP");
	memset(buf, 1, GUP_SIZE);
	errno = 0;
	if (huge_kib(buf) != (huge ? (long)GUP_SIZE / 1024 : 0))
		die("huge pages for GUP");
	return buf;
}

/*
 * One mode on one kind of memory: instructions of a call for one page, of a call
 * for 512, and of the release of a page. The benchmark reports microseconds,
 * rounded down; with a different number of calls in each run they average out.
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
				die(mode->get);
			}
			if (gup.size != size)
				die("GUP stopped early");
			/* in thousandths of an instruction */
			cost[run] = (gup.get_us + 0.5) * tsc_us * 1000 /
				    ((double)size / PAGE / per_call);
			put_cost[run] = (gup.put_us + 0.5) * tsc_us * 1000 /
					(size / PAGE);
		}
		out("@@BENCH %s_%s_%u %.2f\n", mode->get, kind, per_call,
		    middle(GUP_RUNS) / 1000);
	}
	if (!mode->put)
		return;
	memcpy(cost, put_cost, sizeof(put_cost));
	out("@@BENCH %s_%s %.3f\n", mode->put, kind, middle(GUP_RUNS) / 1000);
}

static void gup_all(void)
{
	const char *debugfs = "/sys/kernel/debug";
	double tsc_us = tsc_per_us();
	bool test = true;
	unsigned int i, huge;
	int fd;

	if (mount("debugfs", debugfs, "debugfs", 0, NULL))
		die(debugfs);
	fd = open("/sys/kernel/debug/gup_test", O_RDWR);
	if (fd < 0) {
		test = false;
		fd = open("/sys/kernel/debug/gup_benchmark", O_RDWR);
	}
	if (fd < 0)
		die("debugfs gup_test, gup_benchmark");
	out("@@BENCH tsc_per_us %.4f\n", tsc_us);
	for (huge = 0; huge < 2; huge++) {
		char *buf = gup_memory(huge);

		for (i = 0; i < sizeof(gup_modes) / sizeof(gup_modes[0]); i++)
			gup_figures(fd, &gup_modes[i], test,
				    huge ? "thp" : "4k", buf, tsc_us);
		munmap(buf, GUP_SIZE);
	}
	close(fd);
}

/* -- all of it ---------------------------------------------------------------- */

int main(void)
{
	struct io io = { .len = MIB };
	double plain, pinned;
	long bounced;
	int direct, slow, f_stable, f_plain;

	mount("proc", "/proc", "proc", 0, NULL);
	out("@@BENCH boot_free_kib %ld\n", free_kib());
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	if (mount("configfs", "/sys/kernel/config", "configfs", 0, NULL))
		die("configfs");
	/* nothing in the background */
	put("/proc/sys/vm/dirty_writeback_centisecs", "0");
	put("/proc/sys/vm/stat_interval", "100000");

	io.buf = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (io.buf == MAP_FAILED)
		die("mmap");
	madvise(io.buf, 2 * MIB, MADV_NOHUGEPAGE);
	memset(io.buf, 1, 2 * MIB);

	module("null_blk", "nr_devices=0"); /* devices come through configfs */
	null_device(0, false, false, NULL);
	null_device(1, true, true, NULL);
	null_device(2, true, false, NULL);
	null_device(3, false, false, "50000000");

	direct = open("/dev/nullb0", O_RDWR | O_DIRECT);
	slow = open("/dev/nullb3", O_RDWR | O_DIRECT);
	if (direct < 0 || slow < 0)
		die("/dev/nullb");
	f_stable = file_on(1, io.buf);
	f_plain = file_on(2, io.buf);

	tsc_cost = measure(100, 1000, op_nothing, NULL);
	out("@@BENCH copy_4k %.1f\n", measure(10, 100, op_copy, &io));
	out("@@BENCH copy_4k_loop %.1f\n", measure(10, 100, op_memcpy, &io));

	io.fd = direct;
	io.len = 4096;
	out("@@BENCH dio_read_4k %.1f\n", measure(500, 4000, op_read, &io));
	out("@@BENCH dio_write_4k %.1f\n", measure(500, 4000, op_write, &io));
	io.len = MIB;
	out("@@BENCH dio_read_1m %.1f\n", measure(50, 400, op_read, &io));
	out("@@BENCH dio_write_1m %.1f\n", measure(50, 400, op_write, &io));

	io.fd = f_stable;
	out("@@BENCH sync_stable_1m %.1f\n",
	    measure(8, 64, op_write_sync, &io));
	io.len = 4096;
	out("@@BENCH sync_stable_4k %.1f\n",
	    measure(100, 1000, op_write_sync, &io));
	io.fd = f_plain;
	io.len = MIB;
	out("@@BENCH sync_plain_1m %.1f\n",
	    measure(8, 64, op_write_sync, &io));
	io.len = 4096;
	out("@@BENCH sync_plain_4k %.1f\n",
	    measure(100, 1000, op_write_sync, &io));

	plain = sync_mapped(f_stable, -1, 16, &bounced);
	out("@@BENCH sync_mapped_1m %.1f\n", plain);
	pinned = sync_mapped(f_stable, slow, 16, &bounced);
	out("@@BENCH bounced_pages %ld\n", bounced);
	out("@@BENCH bounced_page %.1f\n",
	    bounced ? (pinned - plain) / bounced : 0);
	gup_all();
	out("@@BENCHEND\n");
	power_off();
	return 0;
}
