/* SPDX-License-Identifier: GPL-2.0 */
/* For the callers: FILE, and a case with its pins. */
#ifndef PINCALLERS_H
#define PINCALLERS_H

#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "die.h"
#include "page.h"
#include "pattern.h"

#define FILE_PAGES	16UL
#define FILE_SIZE	(FILE_PAGES * PAGE_SIZE)
#define ROUNDS		20		/* of a case that depends on timing */
#define MAX_SOURCES	4

/* FILE. Behind its mapping nothing is mapped. */
struct target {
	const char *path;
	int fd;
	char *map;
	const char *disk;			/* -d, or NULL */
	const char *sources[MAX_SOURCES];	/* -s; NULL behind the last one */
};

extern struct target target;

void open_target(const char *path);

/*
 * Checks that the data is at @offset in the mapping, and in the file after it was written
 * back and read again. Returns NULL, or the step that went wrong.
 */
const char *check_file(const void *want, size_t len, off_t offset);

/* Submits a read from the start of @fd into all of the mapping. */
void submit_read(aio_context_t ctx, int fd);

/* A process that has FILE mapped and waits to be killed; @traced: by ptrace() of this one */
pid_t start_process(bool traced);
void kill_process(pid_t pid);

/* A case: case_begin(), the calls in which the kernel takes user pages, case_end(). */
extern bool case_failed;

void case_begin(void);

/* @error: the step that went wrong, or NULL; @pages: as many were pinned and unpinned */
__attribute__((format(printf, 3, 4)))
void case_end(const char *error, uint64_t pages, const char *name, ...);

/* This kernel cannot do it; errno is printed, too. */
void case_skip(const char *name, const char *reason);

/* The two ends of a TCP connection over loopback. */
void tcp_pair(int fd[2]);

/* The same with TLS: fd[0] sends, fd[1] receives. False if the kernel has no TLS. */
bool tls_pair(int fd[2], int version);

/* The callers, see the table in main.c. */
void call_process_vm(void);
void call_ptrace(void);
void call_alg(void);
void call_tls(void);
void call_uprobe(void);
void call_rds(void);
void call_uring(void);
void call_readers(void);
void call_direct(void);
void call_direct_syncfs(void);
void call_direct_part(void);
void call_async(void);

#endif
