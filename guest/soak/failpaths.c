// SPDX-License-Identifier: GPL-2.0
/*
 * failpaths [-c CASE] MAPPED FILE...
 *
 * Each way in which the kernel takes user pages, with each of its allocations made to fail
 * in turn: /proc/thread-self/fail-nth makes the N-th allocation of the next call fail
 * (failslab, fail_page_alloc; the scenario sets them up), N = 1, 2, ... until a call has
 * less than N allocations. A call must succeed, do less than all, or say that there is no
 * memory. After all of them as many pins must be released as were acquired. The FILEs (4 MiB
 * each, or a block device) are read and written with O_DIRECT; a path below /out is one on
 * 9p, which takes user pages when it reads. "-mapped": the buffer is the file MAPPED, else
 * anonymous memory.
 *
 * One line a case, with the number of allocations that failed; exits 1 if a case went wrong.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "aio.h"
#include "alg.h"
#include "gup_test.h"
#include "loopback.h"
#include "options.h"
#include "page.h"
#include "pins.h"
#include "sg.h"
#include "uring.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MAX_FAILURES	400	/* no path has so many allocations */
#define BUFFER_SIZE	(4 * MIB)

static int fail_nth_fd;
static int failures;		/* allocations that failed */
static bool failed;		/* a case went wrong */
static char *anonymous, *mapped;
static const char *only_case;	/* -c */

/* ---- the paths: 0 or more is good, else -errno ------------------------------- */

struct path {
	const char *name, *file;
	int fd;
	char *buf;
	long (*call)(struct path *p);
};

static long result(long n)
{
	return n < 0 ? -errno : n;
}

static long do_read(struct path *p)
{
	return result(pread(p->fd, p->buf, 256 * 1024, 0));
}

static long do_unaligned_read(struct path *p)
{
	return result(pread(p->fd, p->buf + 512, 9 * 512, 512));
}

static long do_write(struct path *p)
{
	return result(pwrite(p->fd, p->buf, 256 * 1024, 0));
}

static long do_readv(struct path *p)
{
	struct iovec iov[40];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(iov); i++)
		iov[i] = (struct iovec){ p->buf + i * 3 * PAGE_SIZE, PAGE_SIZE };
	return result(preadv(p->fd, iov, ARRAY_SIZE(iov), 0));
}

static long do_aio(struct path *p)
{
	struct iocb request = aio_request(IOCB_CMD_PREAD, p->fd, p->buf, MIB, 0);
	struct io_event event = { 0 };
	aio_context_t ctx;
	long n;

	if (aio_setup(1, &ctx))
		return -errno;
	n = result(aio_submit(ctx, &request, 1));
	if (n == 1) {
		while (aio_wait(ctx, 1, 1, &event) != 1)
			;
		n = event.res;
	}
	aio_destroy(ctx);
	return n;
}

/* Sets up a ring, registers buffers, and closes it with them. */
static long do_uring_register(struct path *p)
{
	struct iovec buffers[] = {
		{ p->buf, 64 * PAGE_SIZE },
		{ p->buf + 100 * PAGE_SIZE, 16 * PAGE_SIZE },
	};
	struct io_uring_params params;
	int fd = uring_setup(4, &params);
	long n;

	if (fd < 0)
		return -errno;
	n = result(uring_register_buffers(fd, buffers, ARRAY_SIZE(buffers)));
	close(fd);
	return n;
}

static long do_vm_write(struct path *p)
{
	struct iovec from = { anonymous + 2 * MIB, 64 * PAGE_SIZE };
	struct iovec to = { p->buf, 64 * PAGE_SIZE };

	return result(process_vm_writev(getpid(), &from, 1, &to, 1, 0));
}

static long do_vm_read(struct path *p)
{
	struct iovec to = { anonymous + 2 * MIB, 64 * PAGE_SIZE };
	struct iovec from = { p->buf, 64 * PAGE_SIZE };

	return result(process_vm_readv(getpid(), &to, 1, &from, 1, 0));
}

static long do_mem_write(struct path *p)
{
	return result(pwrite(p->fd, anonymous + 2 * MIB, 8 * PAGE_SIZE, (uintptr_t)p->buf));
}

static long do_vmsplice(struct path *p)
{
	struct iovec iov = { p->buf, 16 * PAGE_SIZE };
	int pipe_fd[2];
	long n;

	if (pipe(pipe_fd))
		return -errno;
	n = result(vmsplice(pipe_fd[1], &iov, 1, SPLICE_F_NONBLOCK));
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return n;
}

static long do_splice(struct path *p)
{
	loff_t pos = 0;
	int pipe_fd[2];
	long n;

	if (pipe(pipe_fd))
		return -errno;
	n = result(splice(p->fd, &pos, pipe_fd[1], NULL, 16 * PAGE_SIZE, SPLICE_F_NONBLOCK));
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return n;
}

static long do_pin_fast(struct path *p)
{
	return result(gup_test_pin(p->fd, PIN_FAST_BENCHMARK, p->buf, 64));
}

static long do_pin_longterm(struct path *p)
{
	return result(gup_test_pin(p->fd, PIN_LONGTERM_BENCHMARK, p->buf, 64));
}

static long do_pin_slow(struct path *p)
{
	return result(gup_test_pin(p->fd, PIN_BASIC_TEST, p->buf, 64));
}

static long do_sg_read(struct path *p)
{
	return sg_transfer(p->fd, false, p->buf, 32 * 1024, 0);
}

static long do_sg_write(struct path *p)
{
	return sg_transfer(p->fd, true, p->buf, 32 * 1024, 0);
}

static long do_sg_readv(struct path *p)
{
	sg_iovec_t iov[] = {
		{ p->buf, 16 * 1024 },
		{ p->buf + 8 * PAGE_SIZE, 16 * 1024 },
	};

	return sg_transfer(p->fd, false, iov, 32 * 1024, ARRAY_SIZE(iov));
}

/* The kernel's crypto reads user pages... */
static long do_hash(struct path *p)
{
	int op = alg_open("hash", "sha256", NULL, 0, 0);
	long n;

	if (op < 0)
		return -errno;
	n = result(send(op, p->buf, 8 * PAGE_SIZE, MSG_DONTWAIT));
	if (n > 0)
		n = result(recv(op, p->buf + 16 * PAGE_SIZE, 32, MSG_DONTWAIT));
	close(op);
	return n;
}

/* ...and writes to them. */
static long do_cipher(struct path *p)
{
	static const char key[16];
	int op = alg_open("skcipher", "cbc(aes)", key, sizeof(key), 0);
	long n;

	if (op < 0)
		return -errno;
	n = result(alg_send(op, ALG_OP_ENCRYPT, 16, p->buf, 8 * PAGE_SIZE, MSG_DONTWAIT));
	if (n > 0)
		n = result(recv(op, p->buf + 16 * PAGE_SIZE, n, MSG_DONTWAIT));
	close(op);
	return n;
}

/* MSG_ZEROCOPY to this socket itself. */
static long do_zerocopy(struct path *p)
{
	struct sockaddr_in address = loopback(0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	socklen_t len = sizeof(address);
	long n;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, len) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		n = -errno;
	else
		n = result(sendto(fd, p->buf, 8 * PAGE_SIZE, MSG_ZEROCOPY | MSG_DONTWAIT,
				  (struct sockaddr *)&address, len));
	close(fd);
	return n;
}

/* ---- one path, all its allocations ------------------------------------------- */

static void set_fail_nth(int n)
{
	char text[16];

	if (pwrite(fail_nth_fd, text, sprintf(text, "%d", n), 0) < 0)
		die("fail-nth: %m");
}

/* The N-th allocation has failed, else the counter is not at 0 yet. */
static bool has_failed(void)
{
	char text[16] = "";

	if (pread(fail_nth_fd, text, sizeof(text) - 1, 0) <= 0)
		die("fail-nth: %m");
	return !atoi(text);
}

/* ENFILE: pipe() and socket() say so if there is no memory for an inode. */
static bool means_no_memory(long n)
{
	return n == -ENOMEM || n == -EAGAIN || n == -ENOBUFS || n == -EFAULT || n == -ENFILE;
}

/* How often a call ended in which way, after one of its allocations has failed. */
struct outcomes {
	int no_memory, less, same, wrong;
};

static void count_outcome(const struct path *p, int n, long got, long good, struct outcomes *o)
{
	if (got == good) {
		o->same++;
	} else if (got >= 0) {
		o->less++;
	} else if (means_no_memory(got)) {
		o->no_memory++;
	} else {
		if (!o->wrong++)
			printf("not ok %s %s: allocation %d fails: %s\n", p->name, p->file, n,
			       strerror(-got));
		failed = true;
	}
}

/* Returns how many allocations have failed. */
static int fail_each_allocation(struct path *p, long good, struct outcomes *o)
{
	int n;

	for (n = 1; n < MAX_FAILURES; n++) {
		bool hit;
		long got;

		set_fail_nth(n);
		got = p->call(p);
		hit = has_failed();
		set_fail_nth(0);
		if (!hit)
			break;
		count_outcome(p, n, got, good, o);
	}
	if (n == MAX_FAILURES)
		printf("note %s %s: more than %d allocations\n", p->name, p->file, MAX_FAILURES);
	return n - 1;
}

static void try_path(struct path *p)
{
	struct outcomes o = { 0 };
	long good, got;
	struct pins pins;
	int n;

	if (only_case && strcmp(only_case, p->name))
		return;
	good = p->call(p);
	if (good < 0) {
		printf("skip %s %s: %s\n", p->name, p->file, strerror(-good));
		return;
	}
	n = fail_each_allocation(p, good, &o);
	failures += n;
	got = p->call(p);
	if (got != good) {
		printf("not ok %s %s: %ld afterwards instead of %ld\n", p->name, p->file, got,
		       good);
		failed = true;
		return;
	}
	pins = wait_unpinned(100);
	if (pins.acquired != pins.released) {
		printf("not ok %s %s: %ju pins are left\n", p->name, p->file,
		       (uintmax_t)(pins.acquired - pins.released));
		exit(1);
	}
	if (!o.wrong)
		printf("ok %s %s: %d allocations failed, then no memory %d, less %d, "
		       "all the same %d\n", p->name, p->file, n, o.no_memory, o.less, o.same);
}

/* With both buffers. */
static void try_both(const char *name, const char *file, int fd, long (*call)(struct path *))
{
	struct path path = {
		.name = name, .file = file, .fd = fd, .buf = anonymous, .call = call,
	};
	char mapped_name[200];

	try_path(&path);
	snprintf(mapped_name, sizeof(mapped_name), "%s-mapped", name);
	path.name = mapped_name;
	path.buf = mapped;
	try_path(&path);
}

static void try_file(const char *file)
{
	struct stat st;
	int fd = open(file, O_RDWR | O_DIRECT);

	if (fd < 0 || fstat(fd, &st))
		die("%s: %m", file);
	try_both("read", file, fd, do_read);
	if (strncmp(file, "/out/", 5))
		try_both("odd-read", file, fd, do_unaligned_read);
	try_both("readv", file, fd, do_readv);
	try_both("aio", file, fd, do_aio);
	try_both("write", file, fd, do_write);
	try_both("splice", file, fd, do_splice);
	if (S_ISBLK(st.st_mode)) {
		try_both("sg-read", file, fd, do_sg_read);
		try_both("sg-readv", file, fd, do_sg_readv);
		try_both("sg-write", file, fd, do_sg_write);
	}
	close(fd);
}

static void try_others(void)
{
	int fd;

	try_both("uring-register", "anon or file", -1, do_uring_register);
	try_both("vm-write", "process_vm", -1, do_vm_write);
	try_both("vm-read", "process_vm", -1, do_vm_read);
	fd = open("/proc/self/mem", O_RDWR);
	try_both("mem-write", "/proc/self/mem", fd, do_mem_write);
	try_both("vmsplice", "pipe", -1, do_vmsplice);
	fd = open(GUP_TEST_FILE, O_RDWR);
	try_both("pin-fast", "gup_test", fd, do_pin_fast);
	try_both("pin-longterm", "gup_test", fd, do_pin_longterm);
	try_both("pin-slow", "gup_test", fd, do_pin_slow);
	try_both("crypto-hash", "hash", -1, do_hash);
	try_both("crypto-cipher", "cipher", -1, do_cipher);
	try_both("zerocopy", "udp", -1, do_zerocopy);
}

int main(int argc, char **argv)
{
	const struct option_spec options[] = {
		{ .letter = 'c', .string = &only_case },
		{ 0 }
	};
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse_options(argc, argv, options);
	if (argc - optind < 2)
		die("usage: failpaths [-c CASE] MAPPED FILE...");
	fail_nth_fd = open(FAIL_NTH, O_RDWR);
	if (fail_nth_fd < 0)
		die("%s: %m", FAIL_NTH);
	fd = open(argv[optind], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, BUFFER_SIZE))
		die("%s: %m", argv[optind]);
	anonymous = map_anonymous(BUFFER_SIZE);
	mapped = map_shared(fd, BUFFER_SIZE);
	memset(anonymous, 1, BUFFER_SIZE);
	memset(mapped, 1, BUFFER_SIZE);
	for (optind++; optind < argc; optind++)
		try_file(argv[optind]);
	try_others();
	if (!failures) {
		printf("not ok: no allocation failed in any path\n");
		failed = true;
	}
	return failed;
}
