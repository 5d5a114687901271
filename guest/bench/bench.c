/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only process of a bench guest: counts instructions of I/O paths and
 * prints one line "@@BENCH NAME VALUE" for each figure.
 *
 * Runs under qemu -icount shift=0: there the time stamp counter advances by one
 * an instruction, whatever the host does. Started as /init of an initramfs that
 * holds /modules/KERNEL/null_blk.ko and /fs.img, an empty ext4 without journal.
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
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>

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
	return (double)sum / (to - from) - tsc_cost;
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
	return middle(n);
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

static void module(const char *path)
{
	int fd = open(path, O_RDONLY);

	/* nr_devices=0: devices are made through configfs */
	if (fd < 0 || syscall(__NR_finit_module, fd, "nr_devices=0", 0))
		die(path);
	close(fd);
}

static void null_attr(int nr, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), CONFIGFS "nullb%d/%s", nr, name);
	put(path, value);
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
	/* before the mount: a filesystem looks once */
	snprintf(path, sizeof(path), "/sys/block/nullb%d/queue/stable_writes",
		 nr);
	put(path, stable ? "1" : "0");
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
	return middle(n);
}

/* -- all of it ---------------------------------------------------------------- */

int main(void)
{
	const char *kernel = getenv("kernel") ?: "";
	struct io io = { .len = MIB };
	char path[64];
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

	snprintf(path, sizeof(path), "/modules/%s/null_blk.ko", kernel);
	module(path);
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
	out("@@BENCHEND\n");
	power_off();
	return 0;
}
