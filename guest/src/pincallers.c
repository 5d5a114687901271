// SPDX-License-Identifier: GPL-2.0
/*
 * pincallers [-d DISK] [-s SOURCE]... FILE [CASE...]
 *
 * Lets the kernel write to pages of FILE, which is created and mapped shared, in the
 * ways that go neither through a fault of the writer nor through direct I/O:
 * process_vm_writev(), a debugger, AF_ALG and TLS (synchronous and not), uprobes, RDS,
 * and registered buffers of io_uring. And by direct reads of each SOURCE (a device or a
 * file, which is written to first; it has to be slow to read), with FILE synced meanwhile
 * (CASE direct; direct-syncfs: and it is syncfs() that has to save it), and a byte of each
 * page written after that (CASE direct-part); FILE is on DISK, or on a file system where it
 * is not in one place (no -d).
 * After each the data is looked at, and the pins: nr_foll_pin_acquired must
 * have grown by exactly the number of pages that the kernel wrote to (none where it
 * only reads, by a plain reference) and of backoffs, and nr_foll_pin_released by the same.
 *
 * One line a case: "ok", "not ok", or "skip" if the kernel has no such thing. Exits 1
 * if one was not ok.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/aio_abi.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/if_alg.h>
#include <linux/io_uring.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pageflags.h"

#define PAGE	4096UL
#define PAGES	16UL		/* of FILE */
#define ROUNDS	20		/* of what timing decides */
#define DELAY_US 10000		/* how long a SOURCE takes to be read */

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef SOL_ALG
#define SOL_ALG 279
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#ifndef PF_RDS
#define PF_RDS 21
#endif
#ifndef SOL_RDS
#define SOL_RDS 276
#endif
#define RDS_INFO_COUNTERS 10000
#ifndef TLS_RX_EXPECT_NO_PAD
#define TLS_RX_EXPECT_NO_PAD 4
#endif

static const char *path;
static char *map;		/* FILE, shared */
static int file;
static int failed;

/* The reference counter of a probe has to be in pages of the program's file. */
static volatile short semaphore __attribute__((section(".data"))) = 0x100;
static volatile int probed_calls __attribute__((section(".data"))) = 1;

struct pins { uint64_t acquired, released, backoffs; };

static struct pins pins(void)
{
	char line[128], key[96];
	unsigned long long v;
	struct pins p = { 0, 0, 0 };
	FILE *f = fopen("/proc/vmstat", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%95s %llu", key, &v) != 2)
			continue;
		if (!strcmp(key, "nr_foll_pin_acquired"))
			p.acquired = v;
		else if (!strcmp(key, "nr_foll_pin_released"))
			p.released = v;
		else if (!strcmp(key, "nr_gup_fast_page_backoffs"))
			p.backoffs = v;
	}
	if (f)
		fclose(f);
	return p;
}

/* Folds the per-CPU counters, where these are some. */
static void fold(void)
{
	char c[16];
	int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY);

	if (fd >= 0) {
		if (read(fd, c, sizeof(c)) < 0)
			perror("stat_refresh");
		close(fd);
	}
}

static struct pins before;

static void begin(void)
{
	fold();
	before = pins();
}

/*
 * what: name of the case; why: what went wrong, or NULL; pages: pinned and unpinned. One
 * whose page table entry changed just then (fsync() made it read-only) is pinned twice.
 */
static void end(const char *what, const char *why, uint64_t pages)
{
	uint64_t taken, given, backoffs;
	struct pins now;
	int tries = 0;

	do {
		if (tries)
			usleep(100000);
		fold();
		now = pins();
		taken = now.acquired - before.acquired;
		given = now.released - before.released;
		backoffs = now.backoffs - before.backoffs;
	} while (taken != given && ++tries < 30);
	if ((taken < pages || taken > pages + backoffs) && !why)
		why = "number of pages pinned";
	if (taken != given && !why)
		why = "pages not unpinned";
	printf("%s %s: %ju pages pinned, %ju unpinned, %ju expected, %ju backoffs%s%s\n",
	       why ? "not ok" : "ok", what, (uintmax_t)taken, (uintmax_t)given, (uintmax_t)pages,
	       (uintmax_t)backoffs, why ? ": " : "", why ?: "");
	fflush(stdout);
	if (why)
		failed = 1;
}

static void skip(const char *what, const char *why)
{
	printf("skip %s: %s (%s)\n", what, why, strerror(errno));
	fflush(stdout);
}

static void die(const char *what)
{
	printf("not ok %s: %s\n", what, strerror(errno));
	exit(1);
}

static void pattern(void *buf, size_t len, unsigned int seed)
{
	unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (i * 31 + (i >> 8) * 7 + seed * 101) & 0xff;
}

/* Is it in the file, too? What is in the page cache, and what is read after a sync. */
static const char *in_file(const void *want, size_t len, off_t off)
{
	char buf[PAGES * PAGE];

	if (memcmp(map + off, want, len))
		return "data in the mapping";
	if (fsync(file) || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED))
		return "fsync";
	if (pread(file, buf, len, off) != (ssize_t)len || memcmp(buf, want, len))
		return "data in the file";
	return NULL;
}

/* A process to write to: it has FILE mapped and waits to be killed. */
static pid_t victim(bool traced)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid) {
		if (traced) {
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
		}
		for (;;)
			pause();
	}
	if (traced && waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return pid;
}

static void end_victim(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void do_process_vm(void)
{
	static char buf[4 * PAGE];
	struct iovec local = { buf, sizeof(buf) };
	struct iovec remote = { map, sizeof(buf) };
	pid_t pid = victim(false);
	ssize_t n;

	pattern(buf, sizeof(buf), 1);
	begin();
	n = process_vm_writev(pid, &local, 1, &remote, 1, 0);
	end("process_vm_writev", n == sizeof(buf) ? in_file(buf, sizeof(buf), 0) : "process_vm_writev", 4);

	memset(buf, 0, sizeof(buf));
	begin();
	n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	end("process_vm_readv", n == sizeof(buf) && !memcmp(buf, map, sizeof(buf)) ? NULL : "data", 4);

	/* across the end of the mapping: what there is, and no pin left */
	remote.iov_base = map + (PAGES - 2) * PAGE;
	begin();
	n = process_vm_writev(pid, &local, 1, &remote, 1, 0);
	end("process_vm_writev, short", n == -1 || n == 2 * PAGE ? NULL : "length", 2);
	end_victim(pid);
}

static void do_ptrace(void)
{
	static char buf[3 * PAGE];
	char name[64];
	long word = 0x1122334455667788;
	pid_t pid = victim(true);
	const char *why;
	ssize_t n;
	int fd;

	memset(map, 0, PAGE);
	begin();
	why = ptrace(PTRACE_POKEDATA, pid, map + 64, (void *)word) ? "POKEDATA" : in_file(&word, 8, 64);
	end("PTRACE_POKEDATA", why, 1);

	errno = 0;
	begin();
	end("PTRACE_PEEKDATA", ptrace(PTRACE_PEEKDATA, pid, map + 64, 0) == word ? NULL : "PEEKDATA", 0);

	/* text of the program: a private page is copied, and that is pinned */
	errno = 0;
	begin();
	word = ptrace(PTRACE_PEEKTEXT, pid, (void *)do_ptrace, 0);
	why = ptrace(PTRACE_POKETEXT, pid, (void *)do_ptrace, (void *)word) ? "POKETEXT" : NULL;
	end("PTRACE_POKETEXT", why, 1);

	snprintf(name, sizeof(name), "/proc/%d/mem", pid);
	fd = open(name, O_RDWR);
	if (fd < 0)
		die(name);
	pattern(buf, sizeof(buf), 2);
	begin();
	n = pwrite(fd, buf, sizeof(buf), (off_t)(uintptr_t)(map + PAGE));
	end("/proc/PID/mem, write", n == sizeof(buf) ? in_file(buf, sizeof(buf), PAGE) : "pwrite", 3);

	memset(buf, 0, sizeof(buf));
	begin();
	n = pread(fd, buf, sizeof(buf), (off_t)(uintptr_t)(map + PAGE));
	end("/proc/PID/mem, read", n == sizeof(buf) && !memcmp(buf, map + PAGE, n) ? NULL : "pread", 0);
	close(fd);
	end_victim(pid);
}

/* An AF_ALG socket for one operation, or -1. */
static int alg_open(const char *type, const char *name, const void *key, size_t keylen, int authsize)
{
	struct sockaddr_alg sa = { .salg_family = AF_ALG };
	int fd, op;

	strcpy((char *)sa.salg_type, type);
	strcpy((char *)sa.salg_name, name);
	fd = socket(AF_ALG, SOCK_SEQPACKET, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (void *)&sa, sizeof(sa)) ||
	    (keylen && setsockopt(fd, SOL_ALG, ALG_SET_KEY, key, keylen)) ||
	    (authsize && setsockopt(fd, SOL_ALG, ALG_SET_AEAD_AUTHSIZE, NULL, authsize))) {
		close(fd);
		return -1;
	}
	op = accept(fd, NULL, 0);
	close(fd);
	return op;
}

static ssize_t alg_send(int op, int dir, int ivlen, const void *data, size_t len)
{
	char cbuf[CMSG_SPACE(4) * 2 + CMSG_SPACE(4 + 16)] = { 0 };
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = cbuf,
			      .msg_controllen = sizeof(cbuf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct af_alg_iv *iv;

	c->cmsg_level = SOL_ALG;
	c->cmsg_type = ALG_SET_OP;
	c->cmsg_len = CMSG_LEN(4);
	*(uint32_t *)CMSG_DATA(c) = dir;
	c = CMSG_NXTHDR(&msg, c);
	c->cmsg_level = SOL_ALG;
	c->cmsg_type = ALG_SET_IV;
	c->cmsg_len = CMSG_LEN(4 + 16);
	iv = (void *)CMSG_DATA(c);
	iv->ivlen = ivlen;
	memset(iv->iv, 7, 16);
	c = CMSG_NXTHDR(&msg, c);
	c->cmsg_level = SOL_ALG;
	c->cmsg_type = ALG_SET_AEAD_ASSOCLEN;
	c->cmsg_len = CMSG_LEN(4);
	*(uint32_t *)CMSG_DATA(c) = 0;
	return sendmsg(op, &msg, 0);
}

static void do_alg(void)
{
	static char plain[4 * PAGE], cipher[4 * PAGE + 16];
	unsigned char key[32], digest[32];
	char name[512], hex[65], *hole;
	const char *why;
	ssize_t n;
	FILE *p;
	int op, i;

	pattern(key, sizeof(key), 3);
	pattern(plain, sizeof(plain), 4);

	op = alg_open("skcipher", "xts(aes)", key, 32, 0);
	if (op < 0) {
		skip("AF_ALG skcipher", "no xts(aes)");
	} else {
		begin();
		n = alg_send(op, ALG_OP_ENCRYPT, 16, plain, sizeof(plain));
		end("AF_ALG skcipher, sendmsg", n == sizeof(plain) ? NULL : "sendmsg", 0);
		begin();
		n = recv(op, map, sizeof(plain), 0);
		why = n == sizeof(plain) && memcmp(map, plain, n) ? NULL : "recv";
		end("AF_ALG skcipher, recv", why, 4);
		memcpy(cipher, map, sizeof(plain));
		alg_send(op, ALG_OP_DECRYPT, 16, cipher, sizeof(plain));
		begin();
		/* not aligned: one page more */
		n = recv(op, map + 128, sizeof(plain), 0);
		why = n == sizeof(plain) ? in_file(plain, sizeof(plain), 128) : "recv";
		end("AF_ALG skcipher, recv of five pages", why, 5);

		/* The second half of the buffer is not there. */
		alg_send(op, ALG_OP_ENCRYPT, 16, plain, sizeof(plain));
		hole = map + (PAGES - 2) * PAGE;
		begin();
		n = recv(op, hole, sizeof(plain), 0);
		end("AF_ALG skcipher, bad buffer", n < 0 || n == 2 * (ssize_t)PAGE ? NULL : "length", 2);
		close(op);
	}

	op = alg_open("hash", "sha256", NULL, 0, 0);
	if (op < 0) {
		skip("AF_ALG hash", "no sha256");
	} else {
		memcpy(map, plain, sizeof(plain));
		begin();
		n = send(op, map, sizeof(plain), 0);
		end("AF_ALG hash, send", n == sizeof(plain) ? NULL : "send", 4);
		msync(map, PAGES * PAGE, MS_SYNC);
		why = recv(op, digest, 32, 0) == 32 ? NULL : "recv";
		for (i = 0; i < 32; i++)
			sprintf(hex + 2 * i, "%02x", digest[i]);
		snprintf(name, sizeof(name), "head -c %zu '%s' | sha256sum", sizeof(plain), path);
		begin();
		p = popen(name, "r");
		if (!p || !fgets(name, sizeof(name), p) || strncmp(name, hex, 64))
			why = "digest";
		if (p)
			pclose(p);
		end("AF_ALG hash, digest", why, 0);
		close(op);
	}

	op = alg_open("aead", "gcm(aes)", key, 16, 16);
	if (op < 0) {
		skip("AF_ALG aead", "no gcm(aes)");
		return;
	}
	alg_send(op, ALG_OP_ENCRYPT, 12, plain, 2 * PAGE);
	begin();
	n = recv(op, map, 2 * PAGE + 16, 0);
	end("AF_ALG aead, encrypt", n == 2 * PAGE + 16 ? NULL : "recv", 3);
	memcpy(cipher, map, 2 * PAGE + 16);
	alg_send(op, ALG_OP_DECRYPT, 12, cipher, 2 * PAGE + 16);
	begin();
	n = recv(op, map, 2 * PAGE, 0);
	end("AF_ALG aead, decrypt", n == 2 * PAGE ? in_file(plain, 2 * PAGE, 0) : "recv", 2);
	cipher[5] ^= 1;
	alg_send(op, ALG_OP_DECRYPT, 12, cipher, 2 * PAGE + 16);
	begin();
	n = recv(op, map, 2 * PAGE, 0);
	end("AF_ALG aead, wrong tag", n < 0 && errno == EBADMSG ? NULL : "no EBADMSG", 2);
	close(op);
}

/* Two ends of a TCP connection over loopback. */
static void tcp_pair(int fd[2])
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	if (l < 0 || bind(l, (void *)&sa, len) || listen(l, 1) || getsockname(l, (void *)&sa, &len))
		die("listen");
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (fd[0] < 0 || connect(fd[0], (void *)&sa, len))
		die("connect");
	fd[1] = accept(l, NULL, NULL);
	if (fd[1] < 0)
		die("accept");
	close(l);
}

/* fd[0] sends, fd[1] receives; false if the kernel has no such thing. */
static bool tls_pair(int fd[2], int version)
{
	struct tls12_crypto_info_aes_gcm_128 ci = {
		.info = { version, TLS_CIPHER_AES_GCM_128 },
	};
	int one = 1;

	pattern(ci.key, sizeof(ci.key), 5);
	pattern(ci.iv, sizeof(ci.iv), 6);
	tcp_pair(fd);
	if (setsockopt(fd[0], IPPROTO_TCP, TCP_ULP, "tls", 4) ||
	    setsockopt(fd[1], IPPROTO_TCP, TCP_ULP, "tls", 4) ||
	    setsockopt(fd[0], SOL_TLS, TLS_TX, &ci, sizeof(ci)) ||
	    setsockopt(fd[1], SOL_TLS, TLS_RX, &ci, sizeof(ci)) ||
	    (version == TLS_1_3_VERSION &&
	     setsockopt(fd[1], SOL_TLS, TLS_RX_EXPECT_NO_PAD, &one, sizeof(one)))) {
		close(fd[0]);
		close(fd[1]);
		return false;
	}
	return true;
}

static void do_tls(void)
{
	static const struct { int version; const char *name; } versions[] = {
		{ TLS_1_2_VERSION, "TLS 1.2" }, { TLS_1_3_VERSION, "TLS 1.3" },
	};
	static char plain[4 * PAGE];
	char what[64];
	const char *why;
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	unsigned int i;
	ssize_t n;
	int fd[2];

	for (i = 0; i < 2; i++) {
		if (!tls_pair(fd, versions[i].version)) {
			skip(versions[i].name, "no TLS");
			continue;
		}
		pattern(plain, sizeof(plain), 10 + i);

		snprintf(what, sizeof(what), "%s, send", versions[i].name);
		begin();
		n = send(fd[0], plain, sizeof(plain), 0);
		end(what, n == sizeof(plain) ? NULL : "send", 0);

		/* a whole record, straight to the pages */
		snprintf(what, sizeof(what), "%s, recv", versions[i].name);
		memset(map, 0, PAGES * PAGE);
		begin();
		n = recv(fd[1], map, sizeof(plain), MSG_WAITALL);
		why = n == sizeof(plain) ? in_file(plain, sizeof(plain), 0) : "recv";
		end(what, why, 4);

		/* to two places, neither aligned */
		snprintf(what, sizeof(what), "%s, recvmsg", versions[i].name);
		if (send(fd[0], plain, sizeof(plain), 0) != sizeof(plain))
			die("send");
		iov[0] = (struct iovec){ map + 100, PAGE };
		iov[1] = (struct iovec){ map + 4 * PAGE + 200, sizeof(plain) - PAGE };
		begin();
		n = recvmsg(fd[1], &msg, MSG_WAITALL);
		why = n == sizeof(plain) && !memcmp(map + 100, plain, PAGE) ?
		      in_file(plain + PAGE, sizeof(plain) - PAGE, 4 * PAGE + 200) : "recvmsg";
		end(what, why, 2 + 4);

		/* part of a record: copied */
		snprintf(what, sizeof(what), "%s, recv of half a record", versions[i].name);
		if (send(fd[0], plain, sizeof(plain), 0) != sizeof(plain))
			die("send");
		begin();
		n = recv(fd[1], map, 2 * PAGE, MSG_WAITALL);
		end(what, n == 2 * PAGE ? in_file(plain, 2 * PAGE, 0) : "recv", 0);
		n = recv(fd[1], map, 2 * PAGE, MSG_WAITALL);

		/* Half of the buffer is not there: what was pinned is unpinned. */
		snprintf(what, sizeof(what), "%s, bad buffer", versions[i].name);
		if (send(fd[0], plain, sizeof(plain), 0) != sizeof(plain))
			die("send");
		begin();
		n = recv(fd[1], map + (PAGES - 2) * PAGE, sizeof(plain), MSG_WAITALL);
		end(what, n < 0 ? NULL : "no error", 2);
		close(fd[0]);
		close(fd[1]);
	}
}

__attribute__((noinline)) static void probed(void)
{
	probed_calls++;
	asm volatile("" : : : "memory");
}

/* Where in the program's file the address is, or 0. */
static unsigned long file_offset(const volatile void *addr)
{
	const ElfW(Phdr) *ph = (void *)getauxval(AT_PHDR);
	unsigned long i, n = getauxval(AT_PHNUM), base = 0, a;

	for (i = 0; i < n; i++)
		if (ph[i].p_type == PT_PHDR)
			base = (unsigned long)ph - ph[i].p_vaddr;
	a = (unsigned long)addr - base;
	for (i = 0; i < n; i++)
		if (ph[i].p_type == PT_LOAD && a >= ph[i].p_vaddr && a < ph[i].p_vaddr + ph[i].p_filesz)
			return a - ph[i].p_vaddr + ph[i].p_offset;
	return 0;
}

static bool put(const char *to, int flags, const char *format, ...)
{
	char text[512];
	va_list ap;
	int fd, n;
	bool ok;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fd = open(to, O_WRONLY | flags);
	if (fd < 0)
		return false;
	ok = write(fd, text, n) == n;
	close(fd);
	return ok;
}

static void do_uprobe(void)
{
	static const char events[] = "/sys/kernel/tracing/uprobe_events";
	static const char enable[] = "/sys/kernel/tracing/events/uprobes/pincallers/enable";
	char exe[256];
	short old = semaphore;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n <= 0)
		die("/proc/self/exe");
	exe[n] = 0;
	if (access(events, W_OK)) {
		skip("uprobe", events);
		return;
	}
	if (!put(events, O_APPEND, "p:pincallers %s:0x%lx(0x%lx)\n", exe,
		 file_offset((void *)probed), file_offset(&semaphore))) {
		skip("uprobe", "no reference counters");
		return;
	}
	begin();
	if (!put(enable, 0, "1"))
		die(enable);
	/* the breakpoint is put in by plain references */
	end("uprobe, enable", semaphore == old + 1 ? NULL : "semaphore", 1);
	probed();
	begin();
	if (!put(enable, 0, "0"))
		die(enable);
	end("uprobe, disable", semaphore == old ? NULL : "semaphore", 1);
	put(events, O_APPEND, "-:pincallers\n");
}

static void do_rds(void)
{
	struct counter { char name[32]; uint64_t value; } __attribute__((packed)) *c;
	socklen_t len = 2 * PAGE;
	int fd = socket(PF_RDS, SOCK_SEQPACKET, 0);
	const char *why = NULL;
	unsigned int i, known = 0;
	int ret;

	if (fd < 0) {
		skip("RDS", "no RDS");
		return;
	}
	memset(map, 0xff, 3 * PAGE);
	c = (void *)(map + 512);
	begin();
	ret = getsockopt(fd, SOL_RDS, RDS_INFO_COUNTERS, c, &len);
	if (ret != sizeof(*c)) {
		why = "getsockopt";
	} else {
		for (i = 0; i < len / sizeof(*c); i++)
			known += !strcmp(c[i].name, "conn_reset");
		if (known != 1)
			why = "no counter conn_reset";
		else
			why = in_file(c, len, 512);
	}
	end("RDS getsockopt", why, 3);

	/* too short: the size that is wanted, nothing pinned for it but what was given */
	len = 16;
	begin();
	ret = getsockopt(fd, SOL_RDS, RDS_INFO_COUNTERS, c, &len);
	end("RDS getsockopt, short", ret < 0 && errno == ENOSPC && len > 16 ? NULL : "no ENOSPC", 1);
	close(fd);
}

static void do_uring(void)
{
	struct io_uring_params p;
	struct iovec iov = { NULL, 4 * PAGE };
	int fd;

	memset(&p, 0, sizeof(p));
	fd = syscall(__NR_io_uring_setup, 4, &p);
	if (fd < 0) {
		skip("io_uring", "no io_uring");
		return;
	}
	iov.iov_base = mmap(NULL, iov.iov_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(iov.iov_base, 1, iov.iov_len);
	begin();
	if (syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov, 1))
		die("IORING_REGISTER_BUFFERS");
	if (syscall(__NR_io_uring_register, fd, IORING_UNREGISTER_BUFFERS, NULL, 0))
		die("IORING_UNREGISTER_BUFFERS");
	end("io_uring, registered buffer", NULL, 4);

	/* gone with the ring */
	begin();
	if (syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov, 1))
		die("IORING_REGISTER_BUFFERS");
	close(fd);
	end("io_uring, ring closed", NULL, 4);
	munmap(iov.iov_base, iov.iov_len);
}

/* Those that only read: a plain reference is enough, and they take no more. */
static void do_readers(void)
{
	static char buf[2 * PAGE];
	struct iovec iov = { map, 2 * PAGE };
	int p[2], fd[2], one = 1;
	ssize_t n;

	pattern(map, 2 * PAGE, 20);
	if (pipe(p))
		die("pipe");
	begin();
	n = vmsplice(p[1], &iov, 1, 0);
	n = n == 2 * PAGE ? read(p[0], buf, sizeof(buf)) : -1;
	end("vmsplice", n == 2 * PAGE && !memcmp(buf, map, n) ? NULL : "data", 0);
	close(p[0]);
	close(p[1]);

	tcp_pair(fd);
	if (setsockopt(fd[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one))) {
		skip("MSG_ZEROCOPY", "no SO_ZEROCOPY");
	} else {
		memset(buf, 0, sizeof(buf));
		begin();
		n = send(fd[0], map, 2 * PAGE, MSG_ZEROCOPY);
		n = n == 2 * PAGE ? recv(fd[1], buf, sizeof(buf), MSG_WAITALL) : -1;
		end("MSG_ZEROCOPY", n == 2 * PAGE && !memcmp(buf, map, n) ? NULL : "data", 0);
	}
	close(fd[0]);
	close(fd[1]);
}

/* How many of the PAGES pages are not the same */
static unsigned int differ(const char *is, const char *want)
{
	unsigned int pages = 0;
	size_t off;

	for (off = 0; off < PAGES * PAGE; off += PAGE)
		pages += memcmp(is + off, want + off, PAGE) != 0;
	return pages;
}

/* Starts a read into the mapping. */
static void aio_read(aio_context_t ctx, int fd)
{
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd,
		.aio_buf = (uintptr_t)map, .aio_nbytes = PAGES * PAGE,
	}, *cbs = &cb;

	if (syscall(__NR_io_submit, ctx, 1, &cbs) != 1)
		die("io_submit");
}

/* Pages of FILE that are not as WANT says on the disk, though written back. */
static unsigned int lost(const char *want)
{
	static char buf[PAGES * PAGE] __attribute__((aligned(PAGE)));
	int fd = open(path, O_RDONLY | O_DIRECT);

	if (fsync(file) || fd < 0 || pread(fd, buf, sizeof(buf), 0) != sizeof(buf))
		die("direct read");
	close(fd);
	return differ(buf, want);
}

/* end(), after ROUNDS in which each page was pinned, and once more by lost(). */
static void end_rounds(const char *what, unsigned int pages)
{
	char why[64];

	snprintf(why, sizeof(why), "%u of %lu pages lost", pages, ROUNDS * PAGES);
	end(what, pages ? why : NULL, 2 * ROUNDS * PAGES);
}

static void async_alg(int op, const char *plain)
{
	static char cipher[PAGES * PAGE + 16];
	unsigned int round, pages = 0;
	aio_context_t ctx = 0;
	struct io_event ev;

	alg_send(op, ALG_OP_ENCRYPT, 12, plain, PAGES * PAGE);
	if (recv(op, cipher, sizeof(cipher), 0) != sizeof(cipher) || syscall(__NR_io_setup, 1, &ctx))
		die("AF_ALG");
	begin();
	for (round = 0; round < ROUNDS; round++) {
		memset(map, 0, PAGES * PAGE);
		alg_send(op, ALG_OP_DECRYPT, 12, cipher, sizeof(cipher));
		aio_read(ctx, op);
		if (fsync(file) || syscall(__NR_io_getevents, ctx, 1, 1, &ev, NULL) != 1)
			die("io_getevents");
		if (ev.res != PAGES * PAGE || memcmp(map, plain, PAGES * PAGE))
			die("AF_ALG, asynchronous");
		pages += lost(plain);
	}
	end_rounds("AF_ALG aead, asynchronous, fsync meanwhile", pages);
	syscall(__NR_io_destroy, ctx);
}

static void async_tls(const char *plain)
{
	unsigned int round, pages = 0;
	pid_t sender, flusher;
	int fd[2];

	if (!tls_pair(fd, TLS_1_2_VERSION)) {
		skip("TLS, asynchronous", "no TLS");
		return;
	}
	sender = fork();
	for (round = 0; !sender && round < ROUNDS; round++)
		if (send(fd[0], plain, PAGES * PAGE, 0) != PAGES * PAGE)
			_exit(1);
	if (!sender)
		pause();
	flusher = fork();
	while (!flusher)
		if (fsync(file))
			_exit(1);
	if (sender < 0 || flusher < 0)
		die("fork");
	begin();
	for (round = 0; round < ROUNDS; round++) {
		memset(map, 0, PAGES * PAGE);
		if (recv(fd[1], map, PAGES * PAGE, MSG_WAITALL) != PAGES * PAGE ||
		    memcmp(map, plain, PAGES * PAGE))
			die("TLS, asynchronous");
		pages += lost(plain);
	}
	end_rounds("TLS 1.2, asynchronous, fsync meanwhile", pages);
	end_victim(sender);
	end_victim(flusher);
	close(fd[0]);
	close(fd[1]);
}

/*
 * Asynchronous decryption ends where pages cannot be locked, and fsync() may have cleaned
 * them since they were pinned: they have to be marked dirty nevertheless.
 */
static void do_async(void)
{
	static char plain[PAGES * PAGE];
	unsigned char key[16];
	int op;

	/* padata, which pcrypt is made of, takes two locks of a class: lockdep would say so */
	if (!access("/proc/lockdep", F_OK)) {
		errno = EDEADLK;
		skip("AF_ALG and TLS, asynchronous", "a kernel with lockdep");
		return;
	}
	pattern(key, sizeof(key), 3);
	pattern(plain, sizeof(plain), 30);
	/*
	 * This makes an instance of pcrypt, but one that is not found by that name. It is
	 * what gcm(aes) means from now on, to TLS, too, as its priority is higher.
	 */
	close(alg_open("aead", "pcrypt(gcm(aes))", key, sizeof(key), 16));
	op = alg_open("aead", "gcm(aes)", key, sizeof(key), 16);
	if (op < 0 || system("grep -q 'driver.*pcrypt(gcm' /proc/crypto")) {
		skip("AF_ALG and TLS, asynchronous", "no pcrypt(gcm(aes))");
		return;
	}
	async_alg(op, plain);
	async_tls(plain);
	close(op);
}

static const char *disk, *sources[4];

/* Pages of the mapping that are dirty. */
static unsigned int dirty(void)
{
	unsigned int i, pages = 0;
	uint64_t bits;

	for (i = 0; i < PAGES; i++) {
		if (!page_flags(map + i * PAGE, &bits))
			die("pagemap");
		pages += bits >> KPF_DIRTY & 1;
	}
	return pages;
}

/*
 * Pages of FILE that are not as WANT says on DISK, where it is in one piece. Reading the
 * file itself would write it back first. Without DISK: pages that are dirty.
 */
static unsigned int unsaved(const char *want)
{
	static char there[PAGES * PAGE] __attribute__((aligned(PAGE)));
	struct { struct fiemap map; struct fiemap_extent extent; } f = {
		.map = { .fm_length = PAGES * PAGE, .fm_extent_count = 1 },
	};
	int raw;

	if (!disk)
		return dirty();
	raw = open(disk, O_RDONLY | O_DIRECT);
	if (ioctl(file, FS_IOC_FIEMAP, &f.map) || f.map.fm_mapped_extents != 1 ||
	    f.extent.fe_length < PAGES * PAGE)
		die("FIEMAP");
	if (raw < 0 || pread(raw, there, sizeof(there), f.extent.fe_physical) != sizeof(there))
		die(disk);
	close(raw);
	return differ(there, want);
}

/* Writes a byte to each page of FILE, the one that a read of PLAIN puts there. */
static bool write_part(const char *plain)
{
	size_t at;

	for (at = PAGE - 1; at < PAGES * PAGE; at += PAGE)
		if (pwrite(file, plain + at, 1, at) != 1)
			return false;
	return true;
}

/*
 * Direct reads: fsync() cleans the pages while the device is at it, but whoever is told
 * that it has done can rely on the next one, or on what SAVE is. With PART, the pages are
 * dirty when it has done, but where blocks are smaller than a page, only a block of each.
 */
static void direct(int (*save)(int), bool part)
{
	static char plain[PAGES * PAGE] __attribute__((aligned(PAGE)));
	unsigned int i, aio, round, pages;
	aio_context_t ctx = 0;
	struct sched_param fifo = { .sched_priority = 50 };
	struct io_event ev;
	int fd;

	if (!sources[0])
		return;
	/* On one CPU, no work item runs between the wakeup and the next fsync(). */
	if (sched_setscheduler(0, SCHED_FIFO, &fifo))
		die("SCHED_FIFO");
	memset(map, 0, PAGES * PAGE);
	if (fsync(file) || syscall(__NR_io_setup, 1, &ctx))
		die("io_setup");
	pattern(plain, sizeof(plain), 40);
	for (i = 0; i < sizeof(sources) / sizeof(*sources) && sources[i]; i++) {
		fd = open(sources[i], O_RDWR | O_CREAT | O_DIRECT, 0600);
		if (fd < 0 || pwrite(fd, plain, sizeof(plain), 0) != sizeof(plain) || fsync(fd))
			die(sources[i]);
		for (aio = 0; aio < 2; aio++) {
			pages = 0;
			for (round = 0; round < ROUNDS; round++) {
				pid_t child = 0;

				memset(map, 0, PAGES * PAGE);
				ev.res = PAGES * PAGE;
				if (aio) {
					aio_read(ctx, fd);
					if (fsync(file) || (part && !write_part(plain)) ||
					    syscall(__NR_io_getevents, ctx, 1, 1, &ev, NULL) != 1)
						die("io_getevents");
				} else {
					child = fork();
					if (!child)
						_exit(usleep(DELAY_US / 3) || fsync(file) ||
						      (part && !write_part(plain)));
					if (pread(fd, map, PAGES * PAGE, 0) != PAGES * PAGE)
						die("pread");
				}
				if (save(file))
					die("sync");
				pages += unsaved(plain);
				if (child > 0)
					waitpid(child, NULL, 0);
				if (ev.res != PAGES * PAGE || memcmp(map, plain, PAGES * PAGE))
					die("data in the mapping");
			}
			printf("%s %s of %s, fsync%s meanwhile: %u of %lu pages not saved by the next %s\n",
			       pages ? "not ok" : "ok", aio ? "io_submit" : "pread", sources[i],
			       part ? " and write of a byte" : "", pages, ROUNDS * PAGES,
			       save == fsync ? "fsync" : "syncfs");
			fflush(stdout);
			if (pages)
				failed = 1;
		}
		close(fd);
	}
	syscall(__NR_io_destroy, ctx);
	fifo.sched_priority = 0;
	sched_setscheduler(0, SCHED_OTHER, &fifo);
}

static void do_direct(void)
{
	direct(fsync, false);
}

static void do_direct_syncfs(void)
{
	direct(syncfs, false);
}

static void do_direct_part(void)
{
	direct(fsync, true);
}

static const struct { const char *name; void (*fn)(void); } cases[] = {
	{ "process_vm", do_process_vm },
	{ "ptrace", do_ptrace },
	{ "alg", do_alg },
	{ "tls", do_tls },
	{ "uprobe", do_uprobe },
	{ "rds", do_rds },
	{ "uring", do_uring },
	{ "readers", do_readers },
	{ "direct", do_direct },
	{ "direct-syncfs", do_direct_syncfs },
	{ "direct-part", do_direct_part },
	{ "async", do_async },
};

int main(int argc, char **argv)
{
	unsigned int i, n = 0;
	int a;

	while ((a = getopt(argc, argv, "+d:s:")) != -1) {
		if (a == 'd')
			disk = optarg;
		else if (a == 's' && n < sizeof(sources) / sizeof(*sources))
			sources[n++] = optarg;
		else
			break;
	}
	if (a != -1 || optind >= argc) {
		fprintf(stderr, "usage: pincallers [-d DISK] [-s SOURCE]... FILE [CASE...]\n");
		return 2;
	}
	argc -= optind - 1;
	argv += optind - 1;
	path = argv[1];
	file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (file < 0 || ftruncate(file, PAGES * PAGE))
		die(path);
	/* behind it nothing is mapped */
	map = mmap(NULL, (PAGES + 8) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED ||
	    mmap(map, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
		die("mmap");
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (a = 2; a < argc && strcmp(argv[a], cases[i].name); a++)
			;
		if (argc == 2 || a < argc)
			cases[i].fn();
	}
	return failed;
}
