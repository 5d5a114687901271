// SPDX-License-Identifier: GPL-2.0
/*
 * pincallers [-d DISK] [-s SOURCE]... FILE [CASE...]
 *
 * Creates FILE, maps it shared, and lets the kernel write to its pages in the ways that use
 * neither a page fault of the writer nor, but for the cases direct*, direct I/O. One file of
 * this directory is one caller.
 *
 * The cases direct* read from each SOURCE directly into the mapping. SOURCE is a device or
 * a file; it is written to first, and must be slow to read. FILE is on DISK; without -d it
 * is on a filesystem where it is not in one place.
 *
 * After each case the data is compared, and the pins are counted: nr_foll_pin_acquired must
 * have grown by exactly the number of pages that the kernel wrote to (by none where it only
 * reads, with a plain reference) and of backoffs, and nr_foll_pin_released by the same
 * number.
 *
 * One line a case: "ok", "not ok", or "skip" if the kernel has no such caller. Exits 1 if
 * a case was not ok.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pincallers.h"

static const struct caller {
	const char *name;
	void (*call)(void);
	const char *description;
} callers[] = {
	{ "process_vm", call_process_vm, "process_vm_writev(), process_vm_readv()" },
	{ "ptrace", call_ptrace, "a debugger: ptrace(), /proc/PID/mem" },
	{ "alg", call_alg, "AF_ALG: ciphers, a hash, an AEAD" },
	{ "tls", call_tls, "kernel TLS: records are decrypted into the buffer of recv()" },
	{ "uprobe", call_uprobe, "the reference counter of a uprobe" },
	{ "rds", call_rds, "getsockopt() of RDS" },
	{ "uring", call_uring, "registered buffers of io_uring" },
	{ "readers", call_readers, "vmsplice() and MSG_ZEROCOPY, which pin nothing" },
	{ "direct", call_direct, "direct reads, saved by the next fsync()" },
	{ "direct-syncfs", call_direct_syncfs, "direct reads, saved by the next syncfs()" },
	{ "direct-part", call_direct_part, "direct reads, a byte of each page written, fsync()" },
	{ "async", call_async, "AF_ALG and TLS that decrypt asynchronously" },
};

static int usage(void)
{
	unsigned int i;

	fprintf(stderr, "usage: pincallers [-d DISK] [-s SOURCE]... FILE [CASE...]\n");
	for (i = 0; i < ARRAY_SIZE(callers); i++)
		fprintf(stderr, "  %-14s %s\n", callers[i].name, callers[i].description);
	return 2;
}

/* All callers are wanted if no CASE is given. */
static bool is_wanted(const struct caller *caller, char **names)
{
	char **name;

	for (name = names; *name; name++)
		if (!strcmp(*name, caller->name))
			return true;
	return !*names;
}

int main(int argc, char **argv)
{
	unsigned int i, sources = 0;
	int letter;

	while ((letter = getopt(argc, argv, "+d:s:")) != -1) {
		if (letter == 'd')
			target.disk = optarg;
		else if (letter == 's' && sources < MAX_SOURCES)
			target.sources[sources++] = optarg;
		else
			return usage();
	}
	if (optind >= argc)
		return usage();
	open_target(argv[optind]);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < ARRAY_SIZE(callers); i++)
		if (is_wanted(&callers[i], argv + optind + 1))
			callers[i].call();
	return case_failed;
}
