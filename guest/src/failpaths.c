// SPDX-License-Identifier: GPL-2.0
/*
 * failpaths [-c CASE] MAPPED FILE...
 *
 * Each way in which the kernel takes user pages, with each of its allocations made to
 * fail in turn: /proc/thread-self/fail-nth makes the N-th allocation of the next call
 * fail (failslab, fail_page_alloc; the scenario sets them up), N = 1, 2, ... until a
 * call comes through without. Whatever a call says has to be success, less
 * than all, or that there is no memory; and after all of them as many pins are
 * released as were acquired. The FILEs (4 MiB each, or a block device) are read and
 * written with O_DIRECT; a path below /out is one on 9p, which takes user pages
 * when it reads. "-mapped": the pages are those of the file MAPPED, else of no file.
 *
 * One line a case, with how often an allocation failed; exits 1 if one went wrong.
 */
#include "pattern.h"
#include <linux/aio_abi.h>
#include <linux/if_alg.h>
#include <linux/io_uring.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <scsi/sg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define MB (1UL << 20)
#define LIMIT 400	/* no path has so many */

static int failed, nth_fd, hits;
static char *anon, *mapped;
static const char *only;

/* ---- the paths: 0 or more is good, else -errno ------------------------------- */

struct path {
	const char *what, *name;
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

static long do_odd_read(struct path *p)
{
	return result(pread(p->fd, p->buf + 512, 9 * 512, 512));
}

static long do_write(struct path *p)
{
	return result(pwrite(p->fd, p->buf, 256 * 1024, 0));
}

static long do_readv(struct path *p)
{
	struct iovec v[40];
	int i;

	for (i = 0; i < 40; i++)
		v[i] = (struct iovec){ p->buf + i * 3 * PG, PG };
	return result(preadv(p->fd, v, 40, 0));
}

static long do_aio(struct path *p)
{
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = p->fd,
			   .aio_buf = (uintptr_t)p->buf, .aio_nbytes = MB };
	struct iocb *cbp = &cb;
	struct io_event ev = { 0 };
	aio_context_t ctx = 0;
	long n;

	if (syscall(SYS_io_setup, 1, &ctx))
		return -errno;
	n = result(syscall(SYS_io_submit, ctx, 1L, &cbp));
	if (n == 1) {
		while (syscall(SYS_io_getevents, ctx, 1L, 1L, &ev, NULL) != 1)
			;
		n = ev.res;
	}
	syscall(SYS_io_destroy, ctx);
	return n;
}

/* A ring, a buffer registered in it, and the end of both. */
static long do_uring_register(struct path *p)
{
	struct io_uring_params par = { 0 };
	struct iovec v[2] = { { p->buf, 64 * PG }, { p->buf + 100 * PG, 16 * PG } };
	long n;
	int fd = syscall(SYS_io_uring_setup, 4, &par);

	if (fd < 0)
		return -errno;
	n = result(syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, v, 2));
	close(fd);
	return n;
}

static long do_vm_write(struct path *p)
{
	struct iovec from = { anon + 2 * MB, 64 * PG }, to = { p->buf, 64 * PG };

	return result(process_vm_writev(getpid(), &from, 1, &to, 1, 0));
}

static long do_vm_read(struct path *p)
{
	struct iovec to = { anon + 2 * MB, 64 * PG }, from = { p->buf, 64 * PG };

	return result(process_vm_readv(getpid(), &to, 1, &from, 1, 0));
}

static long do_mem_write(struct path *p)
{
	return result(pwrite(p->fd, anon + 2 * MB, 8 * PG, (uintptr_t)p->buf));
}

static long do_vmsplice(struct path *p)
{
	struct iovec v = { p->buf, 16 * PG };
	int fd[2];
	long n;

	if (pipe(fd))
		return -errno;
	n = result(vmsplice(fd[1], &v, 1, SPLICE_F_NONBLOCK));
	close(fd[0]);
	close(fd[1]);
	return n;
}

static long do_splice(struct path *p)
{
	loff_t pos = 0;
	int fd[2];
	long n;

	if (pipe(fd))
		return -errno;
	n = result(splice(p->fd, &pos, fd[1], NULL, 16 * PG, SPLICE_F_NONBLOCK));
	close(fd[0]);
	close(fd[1]);
	return n;
}

struct gup_test {
	uint64_t get_delta_usec, put_delta_usec, addr, size;
	uint32_t nr_pages_per_call, gup_flags, test_flags, which_pages[8];
};

static long gup(struct path *p, int nr)
{
	struct gup_test t = { .addr = (uintptr_t)p->buf, .size = 64 * PG, .nr_pages_per_call = 64, .gup_flags = 1 };

	return result(ioctl(p->fd, _IOWR('g', nr, struct gup_test), &t));
}
static long do_pin_fast(struct path *p) { return gup(p, 2); }
static long do_pin_longterm(struct path *p) { return gup(p, 3); }
static long do_pin_slow(struct path *p) { return gup(p, 5); }

static long sg(struct path *p, int dir, int iovecs)
{
	unsigned char sense[64], cdb[10] = { dir == SG_DXFER_TO_DEV ? 0x2a : 0x28, [8] = 64 };
	sg_iovec_t v[2] = { { p->buf, 16 * 1024 }, { p->buf + 8 * PG, 16 * 1024 } };
	struct sg_io_hdr h = {
		.interface_id = 'S', .cmd_len = 10, .cmdp = cdb, .mx_sb_len = sizeof(sense), .sbp = sense,
		.dxfer_direction = dir, .dxfer_len = 32 * 1024, .dxferp = iovecs ? (void *)v : p->buf,
		.iovec_count = iovecs, .flags = SG_FLAG_DIRECT_IO, .timeout = 60000,
	};

	if (ioctl(p->fd, SG_IO, &h))
		return -errno;
	return h.status || h.host_status ? -EIO : 0;
}
static long do_sg_read(struct path *p) { return sg(p, SG_DXFER_FROM_DEV, 0); }
static long do_sg_write(struct path *p) { return sg(p, SG_DXFER_TO_DEV, 0); }
static long do_sg_readv(struct path *p) { return sg(p, SG_DXFER_FROM_DEV, 2); }

/* The kernel's crypto with user pages: a hash, and a cipher that writes to them. */
static long do_alg(struct path *p)
{
	static char key[16];
	struct sockaddr_alg sa = { .salg_family = AF_ALG };
	char control[CMSG_SPACE(4) + CMSG_SPACE(20)] = { 0 };
	struct iovec v = { p->buf, 8 * PG };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	bool hash = p->name[0] == 'h';
	struct cmsghdr *c;
	int fd, op;
	long n;

	strcpy((char *)sa.salg_type, hash ? "hash" : "skcipher");
	strcpy((char *)sa.salg_name, hash ? "sha256" : "cbc(aes)");
	fd = socket(AF_ALG, SOCK_SEQPACKET, 0);
	if (fd < 0)
		return -errno;
	n = result(bind(fd, (struct sockaddr *)&sa, sizeof(sa)));
	if (!n && !hash)
		n = result(setsockopt(fd, SOL_ALG, ALG_SET_KEY, key, 16));
	op = n ? -1 : accept(fd, NULL, NULL);
	if (!n && op < 0)
		n = -errno;
	if (!n) {
		if (!hash) {
			m.msg_control = control;
			m.msg_controllen = sizeof(control);
			c = CMSG_FIRSTHDR(&m);
			c->cmsg_level = SOL_ALG, c->cmsg_type = ALG_SET_OP, c->cmsg_len = CMSG_LEN(4);
			*(uint32_t *)CMSG_DATA(c) = ALG_OP_ENCRYPT;
			c = CMSG_NXTHDR(&m, c);
			c->cmsg_level = SOL_ALG, c->cmsg_type = ALG_SET_IV, c->cmsg_len = CMSG_LEN(20);
			*(uint32_t *)CMSG_DATA(c) = 16;
		}
		n = result(sendmsg(op, &m, MSG_DONTWAIT));
		if (n > 0)
			n = result(recv(op, p->buf + 16 * PG, hash ? 32 : n, MSG_DONTWAIT));
	}
	if (op >= 0)
		close(op);
	close(fd);
	return n;
}

/* MSG_ZEROCOPY to ourselves. */
static long do_zerocopy(struct path *p)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	socklen_t len = sizeof(sin);
	long n;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&sin, len) || getsockname(fd, (struct sockaddr *)&sin, &len))
		n = -errno;
	else
		n = result(sendto(fd, p->buf, 8 * PG, MSG_ZEROCOPY | MSG_DONTWAIT, (struct sockaddr *)&sin, len));
	close(fd);
	return n;
}

/* ---- one path, all its allocations ------------------------------------------- */

static void set_nth(int n)
{
	char s[16];

	if (pwrite(nth_fd, s, sprintf(s, "%d", n), 0) < 0)
		die("fail-nth: %m");
}

/* 0: the failure happened; else how far the counter was from it. */
static int get_nth(void)
{
	char s[16] = "";

	if (pread(nth_fd, s, sizeof(s) - 1, 0) <= 0)
		die("fail-nth: %m");
	return atoi(s);
}

/* ENFILE is what pipe() and socket() say if there is no memory for an inode. */
static bool no_memory(long n)
{
	return n == -ENOMEM || n == -EAGAIN || n == -ENOBUFS || n == -EFAULT || n == -ENFILE;
}

static uint64_t outstanding(void)
{
	char line[128], key[96];
	uint64_t v, n = 0;
	FILE *f = fopen("/proc/vmstat", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%95s %ju", key, (uintmax_t *)&v) == 2) {
			if (!strcmp(key, "nr_foll_pin_acquired"))
				n += v;
			else if (!strcmp(key, "nr_foll_pin_released"))
				n -= v;
		}
	if (f)
		fclose(f);
	return n;
}

static bool balanced(void)
{
	int i;

	for (i = 0; i < 100 && outstanding(); i++)
		usleep(100000);
	return i < 100;
}

static void try_path(struct path *p)
{
	int n, none = 0, part = 0, same = 0, other = 0;
	long good, r;

	if (only && strcmp(only, p->what))
		return;
	good = p->call(p);
	if (good < 0) {
		printf("skip %s %s: %s\n", p->what, p->name, strerror(-good));
		return;
	}
	for (n = 1; n < LIMIT; n++) {
		bool hit;

		set_nth(n);
		r = p->call(p);
		hit = !get_nth();
		set_nth(0);
		if (!hit)
			break;
		if (r == good)
			same++;
		else if (r >= 0)
			part++;
		else if (no_memory(r))
			none++;
		else {
			if (!other++)
				printf("not ok %s %s: allocation %d fails: %s\n", p->what, p->name, n, strerror(-r));
			failed = 1;
		}
	}
	hits += n - 1;
	if (n == LIMIT)
		printf("note %s %s: more than %d allocations\n", p->what, p->name, LIMIT);
	r = p->call(p);
	if (r != good) {
		printf("not ok %s %s: %ld afterwards instead of %ld\n", p->what, p->name, r, good);
		failed = 1;
	} else if (!balanced()) {
		printf("not ok %s %s: %ju pins are left\n", p->what, p->name, (uintmax_t)outstanding());
		exit(1);
	} else if (!other) {
		printf("ok %s %s: %d allocations failed, then no memory %d, less %d, all the same %d\n",
		       p->what, p->name, n - 1, none, part, same);
	}
}

static void try_both(const char *what, const char *name, int fd, long (*call)(struct path *))
{
	char title[200];
	struct path p = { title, name, fd, anon, call };

	snprintf(title, sizeof(title), "%s", what);
	try_path(&p);
	snprintf(title, sizeof(title), "%s-mapped", what);
	p.buf = mapped;
	try_path(&p);
}

static void try_file(const char *name)
{
	struct stat st;
	int fd = open(name, O_RDWR | O_DIRECT);

	if (fd < 0 || fstat(fd, &st))
		die("%s: %m", name);
	try_both("read", name, fd, do_read);
	if (strncmp(name, "/out/", 5))
		try_both("odd-read", name, fd, do_odd_read);
	try_both("readv", name, fd, do_readv);
	try_both("aio", name, fd, do_aio);
	try_both("write", name, fd, do_write);
	try_both("splice", name, fd, do_splice);
	if (S_ISBLK(st.st_mode)) {
		try_both("sg-read", name, fd, do_sg_read);
		try_both("sg-readv", name, fd, do_sg_readv);
		try_both("sg-write", name, fd, do_sg_write);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	char path[64];
	int c, fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt(argc, argv, "c:")) != -1) {
		if (c != 'c')
			return 2;
		only = optarg;
	}
	if (argc - optind < 2)
		die("usage: failpaths [-c CASE] MAPPED FILE...");
	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	nth_fd = open(path, O_RDWR);
	if (nth_fd < 0)
		die("%s: %m", path);
	fd = open(argv[optind], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, 4 * MB))
		die("%s: %m", argv[optind]);
	anon = mmap(NULL, 4 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mapped = mmap(NULL, 4 * MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (anon == MAP_FAILED || mapped == MAP_FAILED)
		die("mmap: %m");
	memset(anon, 1, 4 * MB);
	memset(mapped, 1, 4 * MB);
	for (optind++; optind < argc; optind++)
		try_file(argv[optind]);
	try_both("uring-register", "anon or file", -1, do_uring_register);
	try_both("vm-write", "process_vm", -1, do_vm_write);
	try_both("vm-read", "process_vm", -1, do_vm_read);
	fd = open("/proc/self/mem", O_RDWR);
	try_both("mem-write", "/proc/self/mem", fd, do_mem_write);
	try_both("vmsplice", "pipe", -1, do_vmsplice);
	fd = open("/sys/kernel/debug/gup_test", O_RDWR);
	try_both("pin-fast", "gup_test", fd, do_pin_fast);
	try_both("pin-longterm", "gup_test", fd, do_pin_longterm);
	try_both("pin-slow", "gup_test", fd, do_pin_slow);
	try_both("crypto-hash", "hash", -1, do_alg);
	try_both("crypto-cipher", "cipher", -1, do_alg);
	try_both("zerocopy", "udp", -1, do_zerocopy);
	if (!hits) {
		printf("not ok: no allocation failed in any path\n");
		failed = 1;
	}
	return failed;
}
