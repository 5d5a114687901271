// SPDX-License-Identifier: GPL-2.0
/*
 * soakfs LOG new SEED
 * soakfs LOG run [-e] DIRECTORY SOURCE OFFSET
 * soakfs LOG stop | cut
 * soakfs LOG check [-c] DIRECTORY
 * soakfs LOG stats
 *
 * The verifying part of the soak, one LOG a filesystem. "run" keeps FILES files of
 * FILE_PAGES pages in DIRECTORY. Each file has an owner thread, which does one step after
 * the other at random. It writes pages in every way there is: through the mapping, by
 * write(), by direct writes, and in every way in which a device or the kernel writes to the
 * mapping (direct reads by read(), AIO and io_uring, process_vm_writev(), /proc/self/mem).
 * It pins pages, punches holes, truncates, moves the mapping, forks, and compares the data
 * after that. A second thread of each file syncs it all the time.
 *
 * Every 8-byte word of a page tells its file, its page and its generation, so each word can
 * be judged without the others. LOG (on a tmpfs, mapped by all of these commands) has
 * for each page the generation that was begun last, the oldest that may be there, and the
 * one that a sync has promised by returning 0. "check" looks at every page after a mount:
 * none is older than promised after a power cut (-c), and each is exactly the last one after
 * an unmount.
 *
 * SOURCE is a block device, whose bytes from OFFSET on (FILES MiB) belong to this LOG; the
 * direct reads come from there. -e: allocations are made to fail (make-it-fail of the
 * thread is set around each call that takes user pages). Then such a call may say that there
 * is no memory, and its pages are of the old or of the new generation.
 *
 * "stop" ends a run. "cut" ends it, too, and tells it that from now on no sync counts, as
 * the disk is about to lose its power. One line for each page that is wrong; exit code 1 if
 * there is one.
 */
#define _GNU_SOURCE
#include <linux/falloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "aio.h"
#include "gup_test.h"
#include "options.h"
#include "page.h"
#include "uring.h"

#define FILES		4
#define FILE_PAGES	512UL
#define FILE_SIZE	(FILE_PAGES * PAGE_SIZE)
#define MAX_PAGES	64UL		/* of one step */
#define MAGIC		0x736f616bU
#define MAX_REPORTS	40		/* lines about wrong pages and calls */
#define MAKE_IT_FAIL	"/proc/thread-self/make-it-fail"

enum {
	OP_STORE, OP_WRITE, OP_DIRECT_WRITE, OP_DIRECT_READ, OP_AIO_READ, OP_URING_READ,
	OP_URING_FIXED, OP_VM_WRITE, OP_MEM_WRITE, OP_LONGTERM, OP_VMSPLICE, OP_DIRECT_OUT,
	OP_PUNCH, OP_ZERO, OP_TRUNCATE, OP_ALLOCATE, OP_REMAP, OP_FORK, OP_ADVISE, OP_LOOK_MAP,
	OP_LOOK_READ, OP_LOOK_DIRECT,
	OPS,
	OP_PUNCH_UNDER_READ = OPS	/* not a step, but part of OP_AIO_READ */
};

/* The weights say how often each is chosen; the device writes most often of all. */
static const struct op {
	const char *name;
	unsigned int weight;
} ops[OPS] = {
	[OP_STORE] = { "store", 8 },
	[OP_WRITE] = { "write", 4 },
	[OP_DIRECT_WRITE] = { "dwrite", 5 },
	[OP_DIRECT_READ] = { "dread", 14 },
	[OP_AIO_READ] = { "aio", 16 },
	[OP_URING_READ] = { "uring", 8 },
	[OP_URING_FIXED] = { "fixed", 6 },
	[OP_VM_WRITE] = { "vmwrite", 6 },
	[OP_MEM_WRITE] = { "memwrite", 4 },
	[OP_LONGTERM] = { "longterm", 4 },
	[OP_VMSPLICE] = { "vmsplice", 4 },
	[OP_DIRECT_OUT] = { "dout", 4 },
	[OP_PUNCH] = { "punch", 3 },
	[OP_ZERO] = { "zero", 2 },
	[OP_TRUNCATE] = { "truncate", 2 },
	[OP_ALLOCATE] = { "allocate", 2 },
	[OP_REMAP] = { "mremap", 3 },
	[OP_FORK] = { "fork", 2 },
	[OP_ADVISE] = { "advise", 4 },
	[OP_LOOK_MAP] = { "look", 6 },
	[OP_LOOK_READ] = { "lookread", 3 },
	[OP_LOOK_DIRECT] = { "lookdirect", 3 },
};

struct page {
	uint32_t issued;	/* the last generation that a thread began to write */
	uint32_t low;		/* the oldest that a read may return now */
	uint32_t done;		/* a sync that begins now must store at least this one */
	uint32_t synced;	/* the disk has this one or a newer one */
	uint32_t zero;		/* the last generation that was a hole */
};

struct soak_log {
	uint32_t magic, stop, cut;
	uint32_t bad;		/* pages and calls that were wrong */
	uint64_t seed, syncs;
	uint64_t steps[OPS];
	uint64_t no_memory[OPS];
	uint32_t generation[FILES];
	struct page page[FILES][FILE_PAGES];
};

extern char __executable_start, _end;	/* of the linker */

static struct soak_log *soak;
static const char *directory;
static int source_fd;
static uint64_t source_offset;
static bool faults;			/* -e */

#define atomic_get(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define atomic_set(x, value) __atomic_store_n(&(x), (value), __ATOMIC_SEQ_CST)
#define atomic_inc(x) __atomic_add_fetch(&(x), 1, __ATOMIC_SEQ_CST)

/* One for each owner, and one for each syncer (only number, random, fd and map). */
struct file {
	unsigned int number;
	uint64_t random;
	int fd, direct_fd;	/* of the file */
	int stage_fd;		/* of the file beside, see stage() */
	int mem_fd, gup_test_fd, make_it_fail_fd, pipe[2];
	char *map, *buf;
	char *fixed;		/* registered with io_uring */
	aio_context_t aio;
	struct uring ring;
};

/* ---- SIGBUS: a page of the mapping cannot be read --------------------------- */

static __thread sigjmp_buf sigbus_return;
static __thread volatile sig_atomic_t sigbus_expected;

static void handle_sigbus(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	if (!sigbus_expected) {
		dprintf(1, "SIGBUS at %p, not expected there\n", info->si_addr);
		_exit(3);
	}
	siglongjmp(sigbus_return, 1);
}

/* ---- random numbers -------------------------------------------------------- */

static uint64_t next_random(struct file *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return f->random * 0x2545f4914f6cdd1dULL >> 16;
}

static unsigned int random_below(struct file *f, unsigned int limit)
{
	return next_random(f) % limit;
}

/* ---- content --------------------------------------------------------------- */

/* Word @i of page @index of file @number. */
static uint64_t content_word(unsigned int number, uint64_t index, uint32_t generation,
			     unsigned int i)
{
	return (uint64_t)(generation & 0xffffff) << 40 | (uint64_t)(0x50 | number) << 32 |
	       index << 16 | i;
}

static void fill_page(void *to, unsigned int number, uint64_t index, uint32_t generation)
{
	uint64_t *words = to;
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		words[i] = content_word(number, index, generation, i);
}

static void fill_pages(void *to, unsigned int number, uint64_t index, size_t pages,
		       uint32_t generation)
{
	for (; pages--; to = (char *)to + PAGE_SIZE)
		fill_page(to, number, index++, generation);
}

/*
 * Returns the error of a page, or NULL: each word must be of a generation from @low to
 * p->issued, or of a hole. @seen: set to the generation, for "garbage" to the word
 */
static const char *page_error(const void *data, unsigned int number, uint64_t index,
			      const struct page *p, uint32_t low, uint64_t *seen)
{
	const volatile uint64_t *words = data;
	uint32_t high = p->issued, zero = p->zero;
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / 8; i++) {
		uint64_t word = words[i];
		uint32_t generation = word >> 40;

		if (!word && zero >= low)
			continue;
		*seen = generation;
		if (!word)
			return "zeros";
		if (word != content_word(number, index, generation, i)) {
			*seen = word;
			return "garbage";
		}
		if (generation < low)
			return "lost";
		if (generation > high)
			return "future";
	}
	return NULL;
}

/* A page is wrong; after the power is cut that is no error. */
static void report_page(const char *where, struct file *f, uint64_t index, const char *error,
			uint64_t seen)
{
	struct page *p = &soak->page[f->number][index];

	if (atomic_get(soak->cut))
		return;
	if (atomic_inc(soak->bad) <= MAX_REPORTS)
		printf("BAD %s: %s/f%u page %ju: %s %#jx, issued %u low %u done %u synced %u "
		       "zero %u\n", where, directory, f->number, (uintmax_t)index, error,
		       (uintmax_t)seen, p->issued, p->low, p->done, p->synced, p->zero);
}

/* A call failed that must not; the same. */
static void report_call(struct file *f, const char *name, long result)
{
	int error = result < 0 ? errno : 0;

	if (atomic_get(soak->cut))
		return;
	if (atomic_inc(soak->bad) <= MAX_REPORTS)
		printf("BAD call: %s/f%u %s: %ld %s\n", directory, f->number, name, result,
		       error ? strerror(error) : "");
}

/* ---- the log --------------------------------------------------------------- */

/* Returns the new generation, which the pages may have from now on. */
static uint32_t begin_write(struct file *f, uint64_t first, size_t pages)
{
	struct page *p = &soak->page[f->number][first];
	uint32_t generation = atomic_inc(soak->generation[f->number]);

	for (; pages--; p++)
		atomic_set(p->issued, generation);
	return generation;
}

/* The pages are of this generation now. @promise: a sync that begins now must store it. */
static void end_write(struct file *f, uint64_t first, size_t pages, uint32_t generation,
		      bool promise)
{
	struct page *p = &soak->page[f->number][first];

	for (; pages--; p++) {
		atomic_set(p->low, generation);
		if (promise)
			atomic_set(p->done, generation);
	}
}

static void mark_holes(struct file *f, uint64_t first, size_t pages, uint32_t generation)
{
	struct page *p = &soak->page[f->number][first];

	for (; pages--; p++)
		atomic_set(p->zero, generation);
}

/* @data: of the pages from @first on, in the mapping or in a buffer */
static void check_data(const char *where, struct file *f, const char *data, uint64_t first,
		       size_t pages)
{
	uint64_t seen = 0;
	const char *error;
	size_t i;

	if (sigsetjmp(sigbus_return, 1)) {
		sigbus_expected = 0;
		report_page(where, f, first, "unreadable, this or the next pages:", pages);
		return;
	}
	sigbus_expected = 1;
	for (i = 0; i < pages; i++) {
		struct page *p = &soak->page[f->number][first + i];

		error = page_error(data + i * PAGE_SIZE, f->number, first + i, p, p->low, &seen);
		if (error)
			report_page(where, f, first + i, error, seen);
	}
	sigbus_expected = 0;
}

/* ---- faults ---------------------------------------------------------------- */

static void inject_faults(struct file *f, bool on)
{
	if (faults && pwrite(f->make_it_fail_fd, on ? "1" : "0", 1, 0) != 1)
		die("make-it-fail: %m");
}

/* This step may set errno so if there is no memory. */
static bool errno_means_no_memory(int op)
{
	switch (errno) {
	case ENOMEM:
	case EAGAIN:
	case EFAULT:
	case ENOBUFS:
		return true;
	case ECANCELED:	/* io_uring cannot create its first worker and cancels the request */
		return op == OP_URING_READ || op == OP_URING_FIXED;
	case EIO:	/* /proc/PID/mem, if no page can be allocated */
		return op == OP_MEM_WRITE;
	}
	return false;
}

/*
 * The result of a call that takes user pages: true if it did all. With faults it may have
 * found no memory, or only for a part.
 */
static bool did_all(struct file *f, int op, long result, size_t want)
{
	if (result == (long)want)
		return true;
	if (faults && (result >= 0 || errno_means_no_memory(op)))
		atomic_inc(soak->no_memory[op]);
	else
		report_call(f, ops[op].name, result);
	return false;
}

/*
 * The processor writes to the mapping; with faults the page fault is repeated.
 * @generation: 0 to write the words that are there
 */
static bool store(struct file *f, uint64_t first, size_t pages, uint32_t generation)
{
	uint64_t index;

	if (sigsetjmp(sigbus_return, 1)) {
		sigbus_expected = 0;
		report_page(ops[OP_STORE].name, f, first, "unreadable, this or the next pages:",
			    pages);
		return false;
	}
	sigbus_expected = 1;
	for (index = first; index < first + pages; index++) {
		volatile uint64_t *word = (uint64_t *)(f->map + index * PAGE_SIZE);

		if (generation)
			fill_page((void *)word, f->number, index, generation);
		else
			*word = *word;
	}
	sigbus_expected = 0;
	return true;
}

/* ---- the steps of the owner -------------------------------------------------- */

static uint64_t stage_position(struct file *f)
{
	return source_offset + f->number * MIB;
}

/*
 * Writes the data of a direct read to the device (slow to read) or to a file beside. Returns
 * the descriptor to read from, or -1 when the power is off.
 */
static int stage(struct file *f, uint64_t first, size_t pages, uint32_t generation,
		 uint64_t *pos)
{
	bool from_file = random_below(f, 3) == 0;
	int fd = from_file ? f->stage_fd : source_fd;

	*pos = from_file ? 0 : stage_position(f);
	fill_pages(f->buf, f->number, first, pages, generation);
	if (pwrite(fd, f->buf, pages * PAGE_SIZE, *pos) != (ssize_t)(pages * PAGE_SIZE)) {
		report_call(f, "stage", -1);
		return -1;
	}
	return fd;
}

/*
 * A device has written to the mapping. Its pages become dirty when the read has completed,
 * which may be after this: a sync that begins now promises nothing unless the processor
 * dirties them, too.
 */
static void device_wrote(struct file *f, uint64_t first, size_t pages, uint32_t generation)
{
	bool touched = random_below(f, 2) && store(f, first, pages, 0);

	end_write(f, first, pages, generation, touched);
}

static void direct_read(struct file *f, uint64_t first, size_t pages)
{
	uint32_t generation = begin_write(f, first, pages);
	uint64_t pos;
	long n;
	int fd = stage(f, first, pages, generation, &pos);

	if (fd < 0)
		return;
	inject_faults(f, true);
	n = pread(fd, f->map + first * PAGE_SIZE, pages * PAGE_SIZE, pos);
	inject_faults(f, false);
	if (did_all(f, OP_DIRECT_READ, n, pages * PAGE_SIZE))
		device_wrote(f, first, pages, generation);
}

static void make_hole(struct file *f, int op, uint64_t first, size_t pages)
{
	uint32_t generation = begin_write(f, first, pages);
	int result;

	mark_holes(f, first, pages, generation);
	if (op == OP_TRUNCATE) {
		result = ftruncate(f->fd, first * PAGE_SIZE);
		if (!result)
			result = ftruncate(f->fd, FILE_SIZE);
	} else {
		result = fallocate(f->fd, FALLOC_FL_KEEP_SIZE |
				   (op != OP_ZERO ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE),
				   first * PAGE_SIZE, pages * PAGE_SIZE);
	}
	if (result)
		report_call(f, op == OP_TRUNCATE ? "truncate" : "fallocate", result);
	else if (op != OP_PUNCH_UNDER_READ)
		end_write(f, first, pages, generation, true);
}

static void move_map(struct file *f)
{
	char *to = mmap(NULL, FILE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (to == MAP_FAILED)
		die("mmap: %m");
	to = mremap(f->map, FILE_SIZE, FILE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (to == MAP_FAILED)
		die("mremap: %m");
	f->map = to;
}

/* A child that has the mapping (and its pinned pages), reads from it, and exits. */
static void fork_child(struct file *f, uint64_t first, size_t pages)
{
	volatile const char *map = f->map;
	pid_t pid;
	int status;
	size_t i;

	pid = fork();
	if (pid < 0) {
		if (errno != EAGAIN && errno != ENOMEM)
			die("fork: %m");
		return;
	}
	if (!pid) {
		for (i = 0; i < pages; i++)
			(void)map[(first + i) * PAGE_SIZE];
		f->buf[0] = 1;	/* copy on write */
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %m");
	if (status && !(WIFEXITED(status) && WEXITSTATUS(status) == 3))
		report_call(f, "child", status);
	else if (status)
		report_page(ops[OP_FORK].name, f, first, "unreadable", 0);
}

static void advise(struct file *f, uint64_t first, size_t pages)
{
	static const int advice[] = { MADV_DONTNEED, MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED };

	if (random_below(f, 3))
		madvise(f->map + first * PAGE_SIZE, pages * PAGE_SIZE,
			advice[random_below(f, ARRAY_SIZE(advice))]);
	else
		posix_fadvise(f->fd, first * PAGE_SIZE, pages * PAGE_SIZE, POSIX_FADV_DONTNEED);
}

/* Pages of the file; without a hole both are 0. */
struct hole {
	uint64_t first;
	size_t pages;
};

/* While reads into the pages are in flight. Returns the hole that it has punched. */
static struct hole step_during_read(struct file *f, uint64_t first, size_t pages)
{
	struct hole hole = { 0 };

	switch (random_below(f, 8)) {
	case 0:
		move_map(f);
		break;
	case 1:
		fork_child(f, first, pages);
		break;
	case 2:
	case 3:	/* the device goes on writing to pages that the file no longer has */
		hole.first = first + random_below(f, pages);
		hole.pages = first + pages - hole.first;
		make_hole(f, OP_PUNCH_UNDER_READ, hole.first, hole.pages);
		break;
	case 4:
		advise(f, first, pages);
		break;
	case 5:
		if (fsync(f->fd))
			report_call(f, "fsync", -1);
		break;
	}
	return hole;
}

static void aio_wait_all(struct file *f, long count, struct io_event *events)
{
	long done = 0, n;

	while (done < count) {
		n = aio_wait(f->aio, 1, count - done, events + done);
		if (n > 0)
			done += n;
		else if (n < 0 && errno != EINTR)
			die("io_getevents: %m");
	}
}

/* The read of some pages has completed with this result. */
static void aio_read_done(struct file *f, uint64_t first, size_t pages, uint32_t generation,
			  const struct hole *hole, long result)
{
	uint64_t end = first + pages;
	uint64_t file_end = end;	/* the file still has the pages before it */

	if (hole->pages && end > hole->first)
		file_end = first > hole->first ? first : hole->first;
	/* The hole was zeroed while the data was compared with its guard tags. */
	if (hole->pages && result == -EILSEQ)
		return;
	if (result < 0)
		errno = -result;
	if (!did_all(f, OP_AIO_READ, result, pages * PAGE_SIZE))
		return;
	if (file_end > first)
		device_wrote(f, first, file_end - first, generation);
	/*
	 * A page that is part of a pinned large folio cannot leave the file: it is cleared,
	 * and the device writes to it after that.
	 */
	end_write(f, file_end, end - file_end, generation, false);
}

/* Up to three reads in flight, and another step at the same time. */
static void aio_read(struct file *f, uint64_t first, size_t pages)
{
	size_t parts = random_below(f, 3) + 1, each = pages / parts, i;
	struct io_event events[3] = { 0 };
	struct iocb requests[3];
	struct hole hole = { 0 };
	uint32_t generation;
	uint64_t pos;
	long n, done;
	int fd;

	if (!each)
		each = parts = 1;
	pages = each * parts;
	generation = begin_write(f, first, pages);
	fd = stage(f, first, pages, generation, &pos);
	if (fd < 0)
		return;
	for (i = 0; i < parts; i++) {
		requests[i] = aio_request(IOCB_CMD_PREAD, fd,
					  f->map + (first + i * each) * PAGE_SIZE,
					  each * PAGE_SIZE, pos + i * each * PAGE_SIZE);
		requests[i].aio_data = i;
	}
	inject_faults(f, true);
	n = aio_submit(f->aio, requests, parts);
	inject_faults(f, false);
	if (n != (long)parts)
		did_all(f, OP_AIO_READ, n, parts);
	if (n <= 0)
		return;
	hole = step_during_read(f, first, pages);
	aio_wait_all(f, n, events);
	for (done = 0; done < n; done++)
		aio_read_done(f, first + events[done].data * each, each, generation, &hole,
			      events[done].res);
}

/*
 * A disk whose queue is full makes io_uring say EAGAIN (a bio with REQ_NOWAIT that ends in
 * interrupt context is not issued again): then the request must be made again here.
 */
static long uring_request(struct file *f, const struct io_uring_sqe *sqe)
{
	long n;

	while ((n = uring_submit_and_wait(&f->ring, sqe)) < 0 && errno == EAGAIN &&
	       !atomic_get(soak->cut))
		usleep(2000);
	return n;
}

/* False, with errno: there is no io_uring. */
static bool open_ring(struct file *f)
{
	struct iovec fixed = { f->fixed, MAX_PAGES * PAGE_SIZE };

	if (!uring_open(&f->ring, 4))
		return false;
	if (uring_register_buffers(f->ring.fd, &fixed, 1))
		die("io_uring, fixed buffers: %m");
	return true;
}

/* A direct read by io_uring into the mapping. */
static void uring_read(struct file *f, uint64_t first, size_t pages)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_READ };
	uint32_t generation = begin_write(f, first, pages);
	uint64_t pos;
	long n;

	sqe.fd = stage(f, first, pages, generation, &pos);
	if (sqe.fd < 0)
		return;
	sqe.addr = (uintptr_t)(f->map + first * PAGE_SIZE);
	sqe.len = pages * PAGE_SIZE;
	sqe.off = pos;
	inject_faults(f, true);
	n = uring_request(f, &sqe);
	inject_faults(f, false);
	if (did_all(f, OP_URING_READ, n, pages * PAGE_SIZE))
		device_wrote(f, first, pages, generation);
}

/* Out of the fixed buffer, which stays pinned, to the file and back. */
static void uring_fixed(struct file *f, uint64_t first, size_t pages)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_WRITE_FIXED, .fd = f->direct_fd, .off = first * PAGE_SIZE,
		.addr = (uintptr_t)f->fixed, .len = pages * PAGE_SIZE,
	};
	uint32_t generation = begin_write(f, first, pages);
	long n;

	fill_pages(f->fixed, f->number, first, pages, generation);
	inject_faults(f, true);
	n = uring_request(f, &sqe);
	inject_faults(f, false);
	if (!did_all(f, OP_URING_FIXED, n, pages * PAGE_SIZE))
		return;
	end_write(f, first, pages, generation, true);
	memset(f->fixed, 0x5a, pages * PAGE_SIZE);
	sqe.opcode = IORING_OP_READ_FIXED;
	inject_faults(f, true);
	n = uring_request(f, &sqe);
	inject_faults(f, false);
	if (did_all(f, OP_URING_FIXED, n, pages * PAGE_SIZE))
		check_data("fixed", f, f->fixed, first, pages);
}

static void plain_write(struct file *f, int op, uint64_t first, size_t pages)
{
	struct iovec from = { f->buf, pages * PAGE_SIZE };
	struct iovec to = { f->map + first * PAGE_SIZE, pages * PAGE_SIZE };
	uint32_t generation = begin_write(f, first, pages);
	long n = -1;

	fill_pages(f->buf, f->number, first, pages, generation);
	inject_faults(f, op != OP_WRITE);
	switch (op) {
	case OP_WRITE:
		n = pwrite(f->fd, f->buf, pages * PAGE_SIZE, first * PAGE_SIZE);
		break;
	case OP_DIRECT_WRITE:
		n = pwrite(f->direct_fd, f->buf, pages * PAGE_SIZE, first * PAGE_SIZE);
		break;
	case OP_VM_WRITE:
		n = process_vm_writev(getpid(), &from, 1, &to, 1, 0);
		break;
	case OP_MEM_WRITE:
		n = pwrite(f->mem_fd, f->buf, pages * PAGE_SIZE, (uintptr_t)to.iov_base);
		break;
	}
	inject_faults(f, false);
	if (did_all(f, op, n, pages * PAGE_SIZE))
		end_write(f, first, pages, generation, true);
}

/* A direct write whose buffer is the mapping. */
static void direct_out(struct file *f, uint64_t first, size_t pages)
{
	uint64_t pos = stage_position(f);
	long n;

	inject_faults(f, true);
	n = pwrite(source_fd, f->map + first * PAGE_SIZE, pages * PAGE_SIZE, pos);
	inject_faults(f, false);
	if (!did_all(f, OP_DIRECT_OUT, n, pages * PAGE_SIZE))
		return;
	if (pread(source_fd, f->buf, pages * PAGE_SIZE, pos) != (ssize_t)(pages * PAGE_SIZE))
		report_call(f, ops[OP_DIRECT_OUT].name, -1);
	else
		check_data(ops[OP_DIRECT_OUT].name, f, f->buf, first, pages);
}

/* Pages of the mapping in a pipe. */
static void vmsplice_out(struct file *f, uint64_t first, size_t pages)
{
	struct iovec iov = { f->map + first * PAGE_SIZE, pages * PAGE_SIZE };
	long n, done, part;

	inject_faults(f, true);
	n = vmsplice(f->pipe[1], &iov, 1, SPLICE_F_NONBLOCK);
	inject_faults(f, false);
	if (n < 0) {
		did_all(f, OP_VMSPLICE, n, 1);
		return;
	}
	for (done = 0; done < n; done += part) {
		part = read(f->pipe[0], f->buf + done, n - done);
		if (part <= 0)
			die("read of a pipe: %m");
	}
	check_data(ops[OP_VMSPLICE].name, f, f->buf, first, n / PAGE_SIZE);
}

static void pin_longterm(struct file *f, uint64_t first, size_t pages)
{
	unsigned long command;
	int result;

	if (f->gup_test_fd < 0)
		return;
	inject_faults(f, true);
	command = random_below(f, 2) ? PIN_FAST_BENCHMARK : PIN_LONGTERM_BENCHMARK;
	result = gup_test_pin(f->gup_test_fd, command, f->map + first * PAGE_SIZE, pages);
	inject_faults(f, false);
	did_all(f, OP_LONGTERM, result, 0);
}

static void look(struct file *f, int op, uint64_t first, size_t pages)
{
	int fd = op == OP_LOOK_READ ? f->fd : f->direct_fd;
	long n;

	if (op == OP_LOOK_MAP) {
		check_data(ops[op].name, f, f->map + first * PAGE_SIZE, first, pages);
		return;
	}
	memset(f->buf, 0x5a, pages * PAGE_SIZE);
	inject_faults(f, op == OP_LOOK_DIRECT);
	n = pread(fd, f->buf, pages * PAGE_SIZE, first * PAGE_SIZE);
	inject_faults(f, false);
	if (did_all(f, op, n, pages * PAGE_SIZE))
		check_data(ops[op].name, f, f->buf, first, pages);
}

static int choose_op(struct file *f)
{
	unsigned int dice, total = 0;
	int op;

	for (op = 0; op < OPS; op++)
		total += ops[op].weight;
	dice = random_below(f, total);
	for (op = 0; dice >= ops[op].weight; op++)
		dice -= ops[op].weight;
	return op;
}

static void do_step(struct file *f)
{
	size_t pages = random_below(f, random_below(f, 4) ? 16 : MAX_PAGES) + 1;
	uint64_t first = random_below(f, FILE_PAGES - pages + 1);
	int op = choose_op(f);
	uint32_t generation;

	switch (op) {
	case OP_STORE:
		generation = begin_write(f, first, pages);
		if (store(f, first, pages, generation))
			end_write(f, first, pages, generation, true);
		break;
	case OP_WRITE:
	case OP_DIRECT_WRITE:
	case OP_VM_WRITE:
	case OP_MEM_WRITE:
		plain_write(f, op, first, pages);
		break;
	case OP_DIRECT_READ:
		direct_read(f, first, pages);
		break;
	case OP_AIO_READ:
		aio_read(f, first, pages);
		break;
	case OP_URING_READ:
		if (f->ring.fd >= 0)
			uring_read(f, first, pages);
		break;
	case OP_URING_FIXED:
		if (f->ring.fd >= 0)
			uring_fixed(f, first, pages);
		break;
	case OP_LONGTERM:
		pin_longterm(f, first, pages);
		break;
	case OP_VMSPLICE:
		vmsplice_out(f, first, pages > 16 ? 16 : pages);
		break;
	case OP_DIRECT_OUT:
		direct_out(f, first, pages);
		break;
	case OP_PUNCH:
	case OP_ZERO:
		make_hole(f, op, first, pages);
		break;
	case OP_TRUNCATE:
		make_hole(f, op, FILE_PAGES - pages, pages);
		break;
	case OP_ALLOCATE:
		if (fallocate(f->fd, FALLOC_FL_KEEP_SIZE, first * PAGE_SIZE, pages * PAGE_SIZE))
			report_call(f, ops[op].name, -1);
		break;
	case OP_REMAP:
		move_map(f);
		break;
	case OP_FORK:
		fork_child(f, first, pages);
		break;
	case OP_ADVISE:
		advise(f, first, pages);
		break;
	default:
		look(f, op, first, pages);
	}
	atomic_inc(soak->steps[op]);
}

/* ---- threads --------------------------------------------------------------- */

static int open_file(const char *name, unsigned int number, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s%u", directory, name, number);
	fd = open(path, flags, 0600);
	if (fd < 0)
		die("%s: %m", path);
	return fd;
}

static void *owner_main(void *arg)
{
	struct file *f = arg;

	f->random = (soak->seed + 1) * 0x9e3779b97f4a7c15ULL ^
		    (f->number + 1) * 0xbf58476d1ce4e5b9ULL ^ soak->generation[f->number];
	f->fd = open_file("f", f->number, O_RDWR);
	f->direct_fd = open_file("f", f->number, O_RDWR | O_DIRECT);
	f->stage_fd = open_file("stage", f->number, O_RDWR | O_CREAT | O_DIRECT);
	f->mem_fd = open("/proc/self/mem", O_RDWR);
	f->gup_test_fd = open(GUP_TEST_FILE, O_RDWR);
	if (f->mem_fd < 0 || pipe(f->pipe) || aio_setup(8, &f->aio))
		die("/proc/self/mem, pipe or io_setup: %m");
	f->map = map_shared(f->fd, FILE_SIZE);
	f->buf = map_anonymous(MAX_PAGES * PAGE_SIZE);
	f->fixed = map_anonymous(MAX_PAGES * PAGE_SIZE);
	if (!open_ring(f))
		printf("no io_uring: %m\n");
	f->make_it_fail_fd = faults ? open(MAKE_IT_FAIL, O_WRONLY) : -1;
	if (faults && f->make_it_fail_fd < 0)
		die("%s: %m", MAKE_IT_FAIL);
	while (!atomic_get(soak->stop))
		do_step(f);
	aio_destroy(f->aio);
	return NULL;
}

/* Syncs the file in one of four ways, and reports if that fails. */
static int sync_file(struct file *f)
{
	unsigned int dice = random_below(f, 6);
	const char *name;
	int result;

	if (dice < 3) {
		name = "fsync";
		result = fsync(f->fd);
	} else if (dice == 3) {
		name = "fdatasync";
		result = fdatasync(f->fd);
	} else if (dice == 4) {
		name = "msync";
		result = msync(f->map, FILE_SIZE, MS_SYNC);
	} else {
		name = "syncfs";
		result = syncfs(f->fd);
	}
	if (result)
		report_call(f, name, result);
	return result;
}

/* Syncs, and notes in the log which generations a sync that returned 0 has promised. */
static void *syncer_main(void *arg)
{
	struct file *f = arg;
	struct page *pages = soak->page[f->number];
	uint32_t done[FILE_PAGES];
	unsigned int i;

	f->random = soak->seed ^ (f->number + 77) * 0x94d049bb133111ebULL ^
		    soak->generation[f->number];
	f->fd = open_file("f", f->number, O_RDWR);
	f->map = map_shared(f->fd, FILE_SIZE);
	while (!atomic_get(soak->stop)) {
		usleep(random_below(f, random_below(f, 4) ? 20000 : 300000));
		for (i = 0; i < FILE_PAGES; i++)
			done[i] = atomic_get(pages[i].done);
		if (sync_file(f) || atomic_get(soak->cut))
			continue;
		for (i = 0; i < FILE_PAGES; i++)
			if (done[i] > pages[i].synced)
				atomic_set(pages[i].synced, done[i]);
		atomic_inc(soak->syncs);
	}
	return NULL;
}

static void run(void)
{
	static struct file owners[FILES], syncers[FILES];
	pthread_t threads[2 * FILES];
	struct sigaction sigbus = {
		.sa_sigaction = handle_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER,
	};
	unsigned int i;

	sigaction(SIGBUS, &sigbus, NULL);
	/* If allocations fail, a page of the program cannot be read in when it is needed. */
	if (faults && mlock(&__executable_start, &_end - &__executable_start))
		die("mlock: %m");
	for (i = 0; i < FILES; i++) {
		owners[i].number = syncers[i].number = i;
		if (pthread_create(&threads[i], NULL, owner_main, &owners[i]) ||
		    pthread_create(&threads[FILES + i], NULL, syncer_main, &syncers[i]))
			die("no thread");
	}
	for (i = 0; i < 2 * FILES; i++)
		pthread_join(threads[i], NULL);
}

/* ---- after a mount --------------------------------------------------------- */

/* All words of the page are of one generation; 0: zeros */
static bool is_uniform(const char *data, unsigned int number, uint64_t index,
		       uint32_t generation)
{
	static char uniform[PAGE_SIZE];

	memset(uniform, 0, PAGE_SIZE);
	if (generation)
		fill_page(uniform, number, index, generation);
	return !memcmp(data, uniform, PAGE_SIZE);
}

struct check_counts {
	uint64_t wrong, older, torn, zeros;
};

/* Looks at a page as it is on the disk, and makes the log begin from there. */
static void check_page(struct file *f, unsigned int index, bool after_cut,
		       struct check_counts *counts)
{
	static char data[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
	struct page *p = &soak->page[f->number][index];
	uint32_t low = after_cut ? p->synced : p->low, generation;
	const char *error = "unreadable";
	uint64_t seen = 0;

	memset(data, 0, PAGE_SIZE);	/* the file may be shorter now */
	if (pread(f->fd, data, PAGE_SIZE, index * PAGE_SIZE) < 0)
		seen = errno;
	else
		error = page_error(data, f->number, index, p, low, &seen);
	if (error) {
		counts->wrong++;
		report_page(after_cut ? "after the power cut" : "after the mount", f, index, error,
			    seen);
	}
	generation = *(uint64_t *)data >> 40;
	counts->older += generation && generation != p->issued;
	counts->zeros += !generation;
	if (error || !is_uniform(data, f->number, index, generation)) {
		/* The next run must not find the errors of this one. */
		counts->torn += !error;
		generation = ++soak->generation[f->number];
		fill_page(data, f->number, index, generation);
		if (pwrite(f->fd, data, PAGE_SIZE, index * PAGE_SIZE) != (ssize_t)PAGE_SIZE)
			die("f%u: %m", f->number);
	}
	p->zero = 0;
	if (!generation)
		generation = p->zero = p->issued;
	p->issued = p->low = p->done = p->synced = generation;
}

static void check(bool after_cut)
{
	struct check_counts counts = { 0 };
	struct file f = { 0 };
	unsigned int index;

	atomic_set(soak->cut, 0);
	for (f.number = 0; f.number < FILES; f.number++) {
		f.fd = open_file("f", f.number, O_RDWR | O_CREAT);
		for (index = 0; index < FILE_PAGES; index++)
			check_page(&f, index, after_cut, &counts);
		if (ftruncate(f.fd, FILE_SIZE) || fsync(f.fd))
			die("f%u: %m", f.number);
		close(f.fd);
	}
	printf("%s: %lu pages, %ju wrong, %ju not of the last generation, %ju torn, "
	       "%ju of zeros\n", directory, FILES * FILE_PAGES, (uintmax_t)counts.wrong,
	       (uintmax_t)counts.older, (uintmax_t)counts.torn, (uintmax_t)counts.zeros);
}

static void print_stats(void)
{
	uint64_t steps = 0, no_memory = 0;
	int op;

	for (op = 0; op < OPS; op++) {
		steps += soak->steps[op];
		no_memory += soak->no_memory[op];
	}
	printf("%ju steps, %ju syncs, %ju without memory, %u bad:", (uintmax_t)steps,
	       (uintmax_t)soak->syncs, (uintmax_t)no_memory, soak->bad);
	for (op = 0; op < OPS; op++) {
		printf(" %s %ju", ops[op].name, (uintmax_t)soak->steps[op]);
		if (soak->no_memory[op])
			printf("(-%ju)", (uintmax_t)soak->no_memory[op]);
	}
	printf("\n");
}

static void open_log(const char *path, bool create)
{
	int fd = open(path, O_RDWR | (create ? O_CREAT | O_TRUNC : 0), 0600);

	if (fd < 0 || (create && ftruncate(fd, sizeof(*soak))))
		die("%s: %m", path);
	soak = map_shared(fd, sizeof(*soak));
	if (create)
		soak->magic = MAGIC;
	else if (soak->magic != MAGIC)
		die("%s is no log", path);
}

int main(int argc, char **argv)
{
	const char *command = argc > 2 ? argv[2] : "";
	bool flag = argc > 3 && argv[3][0] == '-';
	char **operands = argv + 3 + flag;
	int count = argc - 3 - flag;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(command, "new") && count == 1) {
		open_log(argv[1], true);
		soak->seed = strtoull(operands[0], NULL, 0);
		return 0;
	}
	if (argc < 3)
		die("usage: soakfs LOG new|run|stop|cut|check|stats ...");
	open_log(argv[1], false);
	if (!strcmp(command, "run") && count == 3) {
		directory = operands[0];
		source_fd = open(operands[1], O_RDWR | O_DIRECT);
		source_offset = parse_bytes(operands[2]);
		if (source_fd < 0)
			die("%s: %m", operands[1]);
		faults = flag;
		run();
	} else if (!strcmp(command, "stop")) {
		atomic_set(soak->stop, 1);
	} else if (!strcmp(command, "cut")) {
		atomic_set(soak->cut, 1);
		atomic_set(soak->stop, 1);
	} else if (!strcmp(command, "check") && count == 1) {
		directory = operands[0];
		check(flag);
		atomic_set(soak->stop, 0);
	} else if (!strcmp(command, "stats")) {
		print_stats();
		return 0;
	} else {
		die("usage: soakfs LOG new|run|stop|cut|check|stats ...");
	}
	return atomic_get(soak->bad) ? 1 : 0;
}
