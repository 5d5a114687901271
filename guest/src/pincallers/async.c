// SPDX-License-Identifier: GPL-2.0
/*
 * AF_ALG and TLS with asynchronous decryption. It completes in a context that cannot lock
 * pages, and fsync() may have cleaned the pages since they were pinned: they must be marked
 * dirty nevertheless.
 */
#define _GNU_SOURCE
#include <linux/tls.h>

#include "aio.h"
#include "alg.h"
#include "pincallers.h"

static char plain[FILE_SIZE];

/* How many pages of the data are not on the disk, though FILE was written back. */
static unsigned int lost_pages(void)
{
	static char buf[FILE_SIZE] __attribute__((aligned(PAGE_SIZE)));
	int fd = open(target.path, O_RDONLY | O_DIRECT);

	if (fsync(target.fd) || fd < 0 || pread(fd, buf, FILE_SIZE, 0) != FILE_SIZE)
		die_not_ok("direct read");
	close(fd);
	return differing_pages(buf, plain, FILE_SIZE);
}

/* In each round each page was pinned by the caller, and once more by lost_pages(). */
static void rounds_end(const char *name, unsigned int lost)
{
	char error[64];

	snprintf(error, sizeof(error), "%u of %lu pages lost", lost, ROUNDS * FILE_PAGES);
	case_end(lost ? error : NULL, 2 * ROUNDS * FILE_PAGES, "%s", name);
}

static void async_alg(int op)
{
	static char cipher[FILE_SIZE + 16];
	unsigned int round, lost = 0;
	struct io_event event;
	aio_context_t ctx;

	alg_send(op, ALG_OP_ENCRYPT, 12, plain, FILE_SIZE, 0);
	if (recv(op, cipher, sizeof(cipher), 0) != sizeof(cipher) || aio_setup(1, &ctx))
		die_not_ok("AF_ALG");
	case_begin();
	for (round = 0; round < ROUNDS; round++) {
		memset(target.map, 0, FILE_SIZE);
		alg_send(op, ALG_OP_DECRYPT, 12, cipher, sizeof(cipher), 0);
		submit_read(ctx, op);
		if (fsync(target.fd) || aio_wait(ctx, 1, 1, &event) != 1)
			die_not_ok("io_getevents");
		if (event.res != FILE_SIZE || memcmp(target.map, plain, FILE_SIZE))
			die_not_ok("AF_ALG, asynchronous");
		lost += lost_pages();
	}
	rounds_end("AF_ALG aead, asynchronous, fsync meanwhile", lost);
	aio_destroy(ctx);
}

static pid_t start_sender(int fd)
{
	unsigned int round;
	pid_t pid = fork();

	if (pid)
		return pid;
	for (round = 0; round < ROUNDS; round++)
		if (send(fd, plain, FILE_SIZE, 0) != FILE_SIZE)
			_exit(1);
	for (;;)
		pause();
}

static pid_t start_flusher(void)
{
	pid_t pid = fork();

	while (!pid)
		if (fsync(target.fd))
			_exit(1);
	return pid;
}

static void async_tls(void)
{
	unsigned int round, lost = 0;
	pid_t sender, flusher;
	int fd[2];

	if (!tls_pair(fd, TLS_1_2_VERSION)) {
		case_skip("TLS, asynchronous", "no TLS");
		return;
	}
	sender = start_sender(fd[0]);
	flusher = start_flusher();
	if (sender < 0 || flusher < 0)
		die_not_ok("fork");
	case_begin();
	for (round = 0; round < ROUNDS; round++) {
		memset(target.map, 0, FILE_SIZE);
		if (recv(fd[1], target.map, FILE_SIZE, MSG_WAITALL) != FILE_SIZE ||
		    memcmp(target.map, plain, FILE_SIZE))
			die_not_ok("TLS, asynchronous");
		lost += lost_pages();
	}
	rounds_end("TLS 1.2, asynchronous, fsync meanwhile", lost);
	kill_process(sender);
	kill_process(flusher);
	close(fd[0]);
	close(fd[1]);
}

void call_async(void)
{
	unsigned char key[16];
	int op;

	/* padata, a part of pcrypt, takes two locks of one class: lockdep would report it. */
	if (!access("/proc/lockdep", F_OK)) {
		errno = EDEADLK;
		case_skip("AF_ALG and TLS, asynchronous", "a kernel with lockdep");
		return;
	}
	fill_bytes(key, sizeof(key), 3);
	fill_bytes(plain, FILE_SIZE, 30);
	/*
	 * This makes an instance of pcrypt, but not under that name: its priority is higher,
	 * so from now on gcm(aes) is this instance, for TLS, too.
	 */
	close(alg_open("aead", "pcrypt(gcm(aes))", key, sizeof(key), 16));
	op = alg_open("aead", "gcm(aes)", key, sizeof(key), 16);
	if (op < 0 || system("grep -q 'driver.*pcrypt(gcm' /proc/crypto")) {
		case_skip("AF_ALG and TLS, asynchronous", "no pcrypt(gcm(aes))");
		return;
	}
	async_alg(op);
	async_tls();
	close(op);
}
