// SPDX-License-Identifier: GPL-2.0
/*
 * soakfs LOG new SEED
 * soakfs LOG run [-e] DIRECTORY SOURCE OFFSET
 * soakfs LOG stop | cut
 * soakfs LOG check [-c] DIRECTORY
 * soakfs LOG stats
 *
 * The verifying part of the soak, one LOG a file system. "run" keeps FILES files of
 * PAGES pages in DIRECTORY. Each has an owner thread, which does one thing after the
 * other at random: it writes pages in every way there is (through the mapping, by
 * write(), direct writes, and every way in which a device or the kernel writes to the
 * mapping: direct reads by read(), AIO and io_uring, process_vm_writev(),
 * /proc/self/mem), pins them, punches, truncates, moves the mapping, forks; it
 * looks at what is there after that. A second thread a file syncs it meanwhile.
 *
 * Every 8-byte word of a page says to which file and page it belongs and of which
 * generation it is, so any word can be judged on its own. LOG (on a tmpfs, mapped by
 * all of them) says of each page which generation was begun last, which is the
 * oldest that may be there, and which a sync that returned 0 has promised. "check"
 * looks at every page after a mount: nothing older than promised after a power cut
 * (-c), exactly the last one after an unmount.
 *
 * SOURCE is a block device, whose bytes from OFFSET on (FILES MiB) belong to this LOG; the
 * direct reads come from there. -e: allocations are made to fail (/proc/.../make-it-fail
 * is set around each call that takes user pages); then such a call may say that
 * there is no memory, and its pages are of the old or of the new generation.
 *
 * "stop" ends a run, "cut" tells it that from now on no sync counts, as the disk is
 * about to lose its power, and ends it. One line for each page that is wrong; exit
 * code 1 if there is one.
 */
#include "pattern.h"
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define FILES	4
#define PAGES	512UL
#define LEN	(PAGES * PG)
#define STAGE	64UL		/* pages, the most that is written at once */
#define MAGIC	0x736f616bU

enum { STORE, WRITE, DWRITE, DREAD, AREAD, URING_READ, URING_FIXED, VMWRITE, MEMWRITE,
	LONGTERM, VMSPLICE, DOUT, PUNCH, ZERO, TRUNCATE, ALLOCATE, REMAP, FORK, ADVISE,
	LOOK_MAP, LOOK_READ, LOOK_DIRECT, KINDS, PUNCH_UNDER_READ = KINDS };
static const char *const kind_name[KINDS] = {
	"store", "write", "dwrite", "dread", "aio", "uring", "fixed", "vmwrite", "memwrite",
	"longterm", "vmsplice", "dout", "punch", "zero", "truncate", "allocate", "mremap", "fork",
	"advise", "look", "lookread", "lookdirect",
};
/* How often each is chosen; the device's writes most of all. */
static const unsigned int weight[KINDS] = {
	8, 4, 5, 14, 16, 8, 6, 6, 4, 4, 4, 4, 3, 2, 2, 2, 3, 2, 4, 6, 3, 3,
};

struct page {
	uint32_t issued;	/* the last generation that somebody began to write */
	uint32_t low;		/* the oldest that may be read now */
	uint32_t done;		/* a sync that begins now makes at least this one last */
	uint32_t synced;	/* what is on the disk is not older */
	uint32_t zero;		/* the last generation that was a hole */
};

struct log {
	uint32_t magic, stop, cut, bad;
	uint64_t seed, errors, syncs, kinds[KINDS], no[KINDS];
	uint32_t gen[FILES];
	struct page page[FILES][PAGES];
};

extern char __executable_start, _end;	/* of the linker */

static struct log *lg;
static const char *dir;
static int source_fd;
static uint64_t source_offset;
static bool faults;

#define get(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define set(x, v) __atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)
#define add(x) __atomic_add_fetch(&(x), 1, __ATOMIC_SEQ_CST)

/* One for each owner, and one for each syncer (map and fd only). */
struct file {
	unsigned int n, left;	/* left: of the low bits of the random number */
	uint64_t random;
	int fd, dfd, memfd, pipe[2], gup, inject, stage_fd;
	char *map, *buf, *fixed;
	aio_context_t aio;
	struct {
		int fd;
		struct io_uring_sqe *sqe;
		uint32_t *sq_head, *sq_tail, *sq_array, *sq_mask, *cq_head, *cq_tail, *cq_mask;
		struct io_uring_cqe *cqe;
	} ring;
};

static __thread sigjmp_buf bus;
static __thread volatile sig_atomic_t bus_ready;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	if (!bus_ready) {
		dprintf(1, "SIGBUS at %p, not expected there\n", info->si_addr);
		_exit(3);
	}
	siglongjmp(bus, 1);
}

/* ---- random numbers -------------------------------------------------------- */

static uint64_t rnd(struct file *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return f->random * 0x2545f4914f6cdd1dULL >> 16;
}

static unsigned int below(struct file *f, unsigned int n)
{
	return rnd(f) % n;
}

/* ---- content --------------------------------------------------------------- */

static uint64_t word(unsigned int n, uint64_t index, uint32_t gen, unsigned int i)
{
	return (uint64_t)(gen & 0xffffff) << 40 | (uint64_t)(0x50 | n) << 32 | index << 16 | i;
}

static void fill(void *to, unsigned int n, uint64_t index, uint32_t gen)
{
	uint64_t *w = to;
	unsigned int i;

	for (i = 0; i < PG / 8; i++)
		w[i] = word(n, index, gen, i);
}

static void fill_pages(void *to, unsigned int n, uint64_t index, size_t pages, uint32_t gen)
{
	for (; pages--; to = (char *)to + PG)
		fill(to, n, index++, gen);
}

/* What is wrong with a page, or NULL: each word has to be of low..high, or of a hole. */
static const char *judge(const void *page, unsigned int n, uint64_t index,
			 uint32_t low, uint32_t high, uint32_t zero, uint64_t *seen)
{
	const volatile uint64_t *w = page;
	unsigned int i;

	for (i = 0; i < PG / 8; i++) {
		uint64_t v = w[i];
		uint32_t gen = v >> 40;

		if (!v && zero >= low)
			continue;
		*seen = gen;
		if (!v)
			return "zeros";
		if (v != word(n, index, gen, i)) {
			*seen = v;
			return "garbage";
		}
		if (gen < low)
			return "lost";
		if (gen > high)
			return "future";
	}
	return NULL;
}

/* A page is wrong. After the power is cut nobody cares. */
static void bad(const char *where, struct file *f, uint64_t index, const char *what, uint64_t seen)
{
	struct page *p = &lg->page[f->n][index];

	if (get(lg->cut))
		return;
	if (add(lg->bad) <= 40)
		printf("BAD %s: %s/f%u page %ju: %s %#jx, issued %u low %u done %u synced %u zero %u\n", where,
		       dir, f->n, (uintmax_t)index, what, (uintmax_t)seen, p->issued, p->low, p->done,
		       p->synced, p->zero);
}

/* A call failed that must not. */
static void bad_call(struct file *f, const char *what, long n)
{
	int e = n < 0 ? errno : 0;

	if (get(lg->cut))
		return;
	if (add(lg->bad) <= 40)
		printf("BAD call: %s/f%u %s: %ld %s\n", dir, f->n, what, n, e ? strerror(e) : "");
}

/* ---- the log --------------------------------------------------------------- */

static uint32_t begin(struct file *f, uint64_t a, size_t pages)
{
	uint32_t gen = add(lg->gen[f->n]);

	for (; pages--; a++)
		set(lg->page[f->n][a].issued, gen);
	return gen;
}

/* The pages are of this generation now, and a sync will see it (promise). */
static void finish(struct file *f, uint64_t a, size_t pages, uint32_t gen, bool promise)
{
	for (; pages--; a++) {
		set(lg->page[f->n][a].low, gen);
		if (promise)
			set(lg->page[f->n][a].done, gen);
	}
}

static void holes(struct file *f, uint64_t a, size_t pages, uint32_t gen)
{
	for (; pages--; a++)
		set(lg->page[f->n][a].zero, gen);
}

static void look_at(const char *where, struct file *f, const char *data, uint64_t a, size_t pages)
{
	uint64_t seen = 0;
	const char *what;
	size_t i;

	if (sigsetjmp(bus, 1)) {
		bus_ready = 0;
		bad(where, f, a, "unreadable, this or the next pages:", pages);
		return;
	}
	bus_ready = 1;
	for (i = 0; i < pages; i++) {
		struct page *p = &lg->page[f->n][a + i];

		what = judge(data + i * PG, f->n, a + i, p->low, p->issued, p->zero, &seen);
		if (what)
			bad(where, f, a + i, what, seen);
	}
	bus_ready = 0;
}

/* ---- faults ---------------------------------------------------------------- */

static void inject(struct file *f, bool on)
{
	if (faults && pwrite(f->inject, on ? "1" : "0", 1, 0) != 1)
		die("make-it-fail: %m");
}

/* Does errno say, in the way of this kind, that there was no memory? */
static bool no_memory(int kind)
{
	switch (errno) {
	case ENOMEM:
	case EAGAIN:
	case EFAULT:
	case ENOBUFS:
		return true;
	case ECANCELED:	/* for the first worker of io_uring, so what it was to do is cancelled */
		return kind == URING_READ || kind == URING_FIXED;
	case EIO:	/* what /proc/PID/mem says if there is no page to be had */
		return kind == MEMWRITE;
	}
	return false;
}

/*
 * What a call gave that takes user pages: true if it did all of it. Under injection
 * it may have found no memory, or only for a part.
 */
static bool all_of(struct file *f, int kind, long n, size_t want)
{
	if (n == (long)want)
		return true;
	if (faults && (n >= 0 || no_memory(kind)))
		add(lg->no[kind]);
	else
		bad_call(f, kind_name[kind], n);
	return false;
}

/* The mapping is written to by the processor: under injection the fault is repeated. */
static bool store(struct file *f, uint64_t a, size_t pages, uint32_t gen)
{
	size_t i;

	if (sigsetjmp(bus, 1)) {
		bus_ready = 0;
		bad(kind_name[STORE], f, a, "unreadable, this or the next pages:", pages);
		return false;
	}
	bus_ready = 1;
	for (i = a; i < a + pages; i++) {
		volatile uint64_t *w = (uint64_t *)(f->map + i * PG);

		if (gen)
			fill((void *)w, f->n, i, gen);
		else
			*w = *w;
	}
	bus_ready = 0;
	return true;
}

/* ---- what the owner does --------------------------------------------------- */

static uint64_t stage_pos(struct file *f)
{
	return source_offset + f->n * (1UL << 20);
}

/*
 * Puts the pages that a direct read is to bring into place, on the device (slow to
 * read) or in a file beside; returns which, or -1 when the power is off.
 */
static int stage(struct file *f, uint64_t a, size_t pages, uint32_t gen, uint64_t *pos)
{
	bool from_file = below(f, 3) == 0;
	int fd = from_file ? f->stage_fd : source_fd;

	*pos = from_file ? 0 : stage_pos(f);
	fill_pages(f->buf, f->n, a, pages, gen);
	if (pwrite(fd, f->buf, pages * PG, *pos) != (ssize_t)(pages * PG)) {
		bad_call(f, "stage", -1);
		return -1;
	}
	return fd;
}

/*
 * A device has written to the mapping. Its pages become dirty when its work has
 * ended, which may be after this: a sync right now promises nothing unless the
 * processor dirties them, too.
 */
static void device_wrote(struct file *f, uint64_t a, size_t pages, uint32_t gen)
{
	bool touched = below(f, 2) && store(f, a, pages, 0);

	finish(f, a, pages, gen, touched);
}

static void direct_read(struct file *f, uint64_t a, size_t pages)
{
	uint32_t gen;
	uint64_t pos;
	long n;
	int fd;

	gen = begin(f, a, pages);
	fd = stage(f, a, pages, gen, &pos);
	if (fd < 0)
		return;
	inject(f, true);
	n = pread(fd, f->map + a * PG, pages * PG, pos);
	inject(f, false);
	if (all_of(f, DREAD, n, pages * PG))
		device_wrote(f, a, pages, gen);
}

static void make_hole(struct file *f, int kind, uint64_t a, size_t pages)
{
	uint32_t gen = begin(f, a, pages);
	int r;

	holes(f, a, pages, gen);
	if (kind == TRUNCATE) {
		r = ftruncate(f->fd, a * PG);
		if (!r)
			r = ftruncate(f->fd, LEN);
	} else {
		r = fallocate(f->fd, FALLOC_FL_KEEP_SIZE |
			      (kind != ZERO ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE), a * PG, pages * PG);
	}
	if (r)
		bad_call(f, kind == TRUNCATE ? "truncate" : "fallocate", r);
	else if (kind != PUNCH_UNDER_READ)
		finish(f, a, pages, gen, true);
}

static void move_map(struct file *f)
{
	char *to = mmap(NULL, LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (to == MAP_FAILED)
		die("mmap: %m");
	to = mremap(f->map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (to == MAP_FAILED)
		die("mremap: %m");
	f->map = to;
}

/* A child that has the mapping (and what is pinned in it), looks, and goes. */
static void fork_child(struct file *f, uint64_t a, size_t pages)
{
	volatile const char *p = f->map;
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
			(void)p[(a + i) * PG];
		f->buf[0] = 1;	/* copy on write */
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %m");
	if (status && !(WIFEXITED(status) && WEXITSTATUS(status) == 3))
		bad_call(f, "child", status);
	else if (status)
		bad(kind_name[FORK], f, a, "unreadable", 0);
}

static void advise(struct file *f, uint64_t a, size_t pages)
{
	static const int advice[] = { MADV_DONTNEED, MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED };

	if (below(f, 3))
		madvise(f->map + a * PG, pages * PG, advice[below(f, 4)]);
	else
		posix_fadvise(f->fd, a * PG, pages * PG, POSIX_FADV_DONTNEED);
}

/* Up to three reads in flight, and something else meanwhile. */
static void aio_read(struct file *f, uint64_t a, size_t pages)
{
	struct iocb cb[3], *cbp[3];
	struct io_event ev[3] = { 0 };
	size_t parts = below(f, 3) + 1, each = pages / parts, i, hole = 0;
	uint64_t pos, hole_at = 0;
	uint32_t gen;
	long n, got;
	int fd;

	if (!each)
		each = parts = 1;
	pages = each * parts;
	gen = begin(f, a, pages);
	fd = stage(f, a, pages, gen, &pos);
	if (fd < 0)
		return;
	for (i = 0; i < parts; i++) {
		cb[i] = (struct iocb) {
			.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd, .aio_data = i,
			.aio_buf = (uintptr_t)(f->map + (a + i * each) * PG),
			.aio_nbytes = each * PG, .aio_offset = pos + i * each * PG,
		};
		cbp[i] = &cb[i];
	}
	inject(f, true);
	n = syscall(SYS_io_submit, f->aio, parts, cbp);
	inject(f, false);
	if (n != (long)parts)
		all_of(f, AREAD, n, parts);
	switch (n > 0 ? below(f, 8) : 7) {
	case 0:
		move_map(f);
		break;
	case 1:
		fork_child(f, a, pages);
		break;
	case 2:
	case 3:	/* the device goes on writing to pages that are no longer the file's */
		hole_at = a + below(f, pages);
		hole = a + pages - hole_at;
		make_hole(f, PUNCH_UNDER_READ, hole_at, hole);
		break;
	case 4:
		advise(f, a, pages);
		break;
	case 5:
		if (fsync(f->fd))
			bad_call(f, "fsync", -1);
		break;
	}
	for (got = 0; got < n; got += i) {
		i = syscall(SYS_io_getevents, f->aio, 1L, n - got, ev + got, NULL);
		if ((long)i < 0) {
			if (errno != EINTR)
				die("io_getevents: %m");
			i = 0;
		}
	}
	for (got = 0; got < n; got++) {
		uint64_t at = a + ev[got].data * each, end = at + each;

		if (hole && end > hole_at)
			end = at > hole_at ? at : hole_at;
		/* The hole was zeroed while the data was held against its guard tags. */
		if (hole && ev[got].res == -EILSEQ)
			continue;
		if (ev[got].res < 0)
			errno = -ev[got].res;
		if (!all_of(f, AREAD, ev[got].res, each * PG))
			continue;
		if (end > at)
			device_wrote(f, at, end - at, gen);
		/*
		 * A page that is part of a pinned large folio cannot leave the file: it
		 * is cleared, and what the device brings comes after that.
		 */
		finish(f, end, at + each - end, gen, false);
	}
}

/* One request, waited for. */
static long uring_once(struct file *f, struct io_uring_sqe *sqe)
{
	uint32_t tail = *f->ring.sq_tail, head;
	long n;

	f->ring.sqe[tail & *f->ring.sq_mask] = *sqe;
	f->ring.sq_array[tail & *f->ring.sq_mask] = tail & *f->ring.sq_mask;
	set(*f->ring.sq_tail, tail + 1);
	do {
		n = syscall(SYS_io_uring_enter, f->ring.fd, tail + 1 - get(*f->ring.sq_head), 1,
			    IORING_ENTER_GETEVENTS, NULL, 0);
		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOMEM)
			die("io_uring_enter: %m");
		head = *f->ring.cq_head;
	} while (head == get(*f->ring.cq_tail));
	n = f->ring.cqe[head & *f->ring.cq_mask].res;
	set(*f->ring.cq_head, head + 1);
	if (n < 0) {
		errno = -n;
		n = -1;
	}
	return n;
}

/*
 * A disk whose queue is full makes io_uring say EAGAIN (a bio with REQ_NOWAIT that
 * ends in interrupt context is not issued again): then it is for us to try again.
 */
static long uring(struct file *f, struct io_uring_sqe *sqe)
{
	long n;

	while ((n = uring_once(f, sqe)) < 0 && errno == EAGAIN && !get(lg->cut))
		usleep(2000);
	return n;
}

static bool uring_setup(struct file *f)
{
	struct io_uring_params p = { 0 };
	struct iovec v = { f->fixed, STAGE * PG };
	char *sq, *cq;

	f->ring.fd = syscall(SYS_io_uring_setup, 4, &p);
	if (f->ring.fd < 0)
		return false;
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, f->ring.fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, f->ring.fd, IORING_OFF_CQ_RING);
	f->ring.sqe = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_POPULATE, f->ring.fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || f->ring.sqe == MAP_FAILED)
		die("mmap of io_uring: %m");
	f->ring.sq_head = (uint32_t *)(sq + p.sq_off.head);
	f->ring.sq_tail = (uint32_t *)(sq + p.sq_off.tail);
	f->ring.sq_mask = (uint32_t *)(sq + p.sq_off.ring_mask);
	f->ring.sq_array = (uint32_t *)(sq + p.sq_off.array);
	f->ring.cq_head = (uint32_t *)(cq + p.cq_off.head);
	f->ring.cq_tail = (uint32_t *)(cq + p.cq_off.tail);
	f->ring.cq_mask = (uint32_t *)(cq + p.cq_off.ring_mask);
	f->ring.cqe = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	if (syscall(SYS_io_uring_register, f->ring.fd, IORING_REGISTER_BUFFERS, &v, 1))
		die("io_uring, fixed buffers: %m");
	return true;
}

/* A direct read by io_uring into the mapping. */
static void uring_read(struct file *f, uint64_t a, size_t pages)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_READ };
	uint32_t gen = begin(f, a, pages);
	uint64_t pos;
	long n;

	sqe.fd = stage(f, a, pages, gen, &pos);
	if (sqe.fd < 0)
		return;
	sqe.addr = (uintptr_t)(f->map + a * PG);
	sqe.len = pages * PG;
	sqe.off = pos;
	inject(f, true);
	n = uring(f, &sqe);
	inject(f, false);
	if (all_of(f, URING_READ, n, pages * PG))
		device_wrote(f, a, pages, gen);
}

/* Out of the fixed buffer, which is pinned for good, to the file and back. */
static void uring_fixed(struct file *f, uint64_t a, size_t pages)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_WRITE_FIXED, .fd = f->dfd, .off = a * PG,
		.addr = (uintptr_t)f->fixed, .len = pages * PG,
	};
	uint32_t gen = begin(f, a, pages);
	long n;

	fill_pages(f->fixed, f->n, a, pages, gen);
	inject(f, true);
	n = uring(f, &sqe);
	inject(f, false);
	if (!all_of(f, URING_FIXED, n, pages * PG))
		return;
	finish(f, a, pages, gen, true);
	memset(f->fixed, 0x5a, pages * PG);
	sqe.opcode = IORING_OP_READ_FIXED;
	inject(f, true);
	n = uring(f, &sqe);
	inject(f, false);
	if (all_of(f, URING_FIXED, n, pages * PG))
		look_at("fixed", f, f->fixed, a, pages);
}

static void plain_write(struct file *f, int kind, uint64_t a, size_t pages)
{
	struct iovec from = { f->buf, pages * PG }, to = { f->map + a * PG, pages * PG };
	uint32_t gen = begin(f, a, pages);
	long n = -1;

	fill_pages(f->buf, f->n, a, pages, gen);
	inject(f, kind != WRITE);
	switch (kind) {
	case WRITE:
		n = pwrite(f->fd, f->buf, pages * PG, a * PG);
		break;
	case DWRITE:
		n = pwrite(f->dfd, f->buf, pages * PG, a * PG);
		break;
	case VMWRITE:
		n = process_vm_writev(getpid(), &from, 1, &to, 1, 0);
		break;
	case MEMWRITE:
		n = pwrite(f->memfd, f->buf, pages * PG, (uintptr_t)to.iov_base);
		break;
	}
	inject(f, false);
	if (all_of(f, kind, n, pages * PG))
		finish(f, a, pages, gen, true);
}

/* A direct write whose buffer is the mapping. */
static void direct_out(struct file *f, uint64_t a, size_t pages)
{
	long n;

	inject(f, true);
	n = pwrite(source_fd, f->map + a * PG, pages * PG, stage_pos(f));
	inject(f, false);
	if (!all_of(f, DOUT, n, pages * PG))
		return;
	if (pread(source_fd, f->buf, pages * PG, stage_pos(f)) != (ssize_t)(pages * PG))
		bad_call(f, kind_name[DOUT], -1);
	else
		look_at(kind_name[DOUT], f, f->buf, a, pages);
}

/* Pages of the mapping in a pipe. */
static void vmsplice_out(struct file *f, uint64_t a, size_t pages)
{
	struct iovec v = { f->map + a * PG, pages * PG };
	long n, got = 0, r;

	inject(f, true);
	n = vmsplice(f->pipe[1], &v, 1, SPLICE_F_NONBLOCK);
	inject(f, false);
	if (n < 0) {
		all_of(f, VMSPLICE, n, 1);
		return;
	}
	for (; got < n; got += r) {
		r = read(f->pipe[0], f->buf + got, n - got);
		if (r <= 0)
			die("read of a pipe: %m");
	}
	look_at(kind_name[VMSPLICE], f, f->buf, a, n / PG);
}

/* As in mm/gup_test.h of the kernel. */
struct gup_test {
	uint64_t get_delta_usec, put_delta_usec, addr, size;
	uint32_t nr_pages_per_call, gup_flags, test_flags, which_pages[8];
};
#define PIN_FAST_BENCHMARK	_IOWR('g', 2, struct gup_test)
#define PIN_LONGTERM_BENCHMARK	_IOWR('g', 3, struct gup_test)

static void longterm(struct file *f, uint64_t a, size_t pages)
{
	struct gup_test t = {
		.addr = (uintptr_t)(f->map + a * PG), .size = pages * PG,
		.nr_pages_per_call = pages, .gup_flags = 1 /* FOLL_WRITE */,
	};
	int r;

	if (f->gup < 0)
		return;
	inject(f, true);
	r = ioctl(f->gup, below(f, 2) ? PIN_FAST_BENCHMARK : PIN_LONGTERM_BENCHMARK, &t);
	inject(f, false);
	all_of(f, LONGTERM, r, 0);
}

static void look(struct file *f, int kind, uint64_t a, size_t pages)
{
	long n;

	if (kind == LOOK_MAP) {
		look_at("look", f, f->map + a * PG, a, pages);
		return;
	}
	memset(f->buf, 0x5a, pages * PG);
	inject(f, kind == LOOK_DIRECT);
	n = pread(kind == LOOK_READ ? f->fd : f->dfd, f->buf, pages * PG, a * PG);
	inject(f, false);
	if (all_of(f, kind, n, pages * PG))
		look_at(kind_name[kind], f, f->buf, a, pages);
}

static void one(struct file *f)
{
	unsigned int kind = 0, dice, total = 0, i;
	size_t pages = below(f, 4) ? below(f, 16) + 1 : below(f, STAGE) + 1;
	uint64_t a = below(f, PAGES - pages + 1);

	for (i = 0; i < KINDS; i++)
		total += weight[i];
	dice = below(f, total);
	while (dice >= weight[kind])
		dice -= weight[kind++];
	switch (kind) {
	case STORE: {
		uint32_t gen = begin(f, a, pages);

		if (store(f, a, pages, gen))
			finish(f, a, pages, gen, true);
		break;
	}
	case WRITE:
	case DWRITE:
	case VMWRITE:
	case MEMWRITE:
		plain_write(f, kind, a, pages);
		break;
	case DREAD:
		direct_read(f, a, pages);
		break;
	case AREAD:
		aio_read(f, a, pages);
		break;
	case URING_READ:
		if (f->ring.fd >= 0)
			uring_read(f, a, pages);
		break;
	case URING_FIXED:
		if (f->ring.fd >= 0)
			uring_fixed(f, a, pages);
		break;
	case LONGTERM:
		longterm(f, a, pages);
		break;
	case VMSPLICE:
		vmsplice_out(f, a, pages > 16 ? 16 : pages);
		break;
	case DOUT:
		direct_out(f, a, pages);
		break;
	case PUNCH:
	case ZERO:
		make_hole(f, kind, a, pages);
		break;
	case TRUNCATE:
		a = PAGES - pages;
		make_hole(f, kind, a, pages);
		break;
	case ALLOCATE:
		if (fallocate(f->fd, FALLOC_FL_KEEP_SIZE, a * PG, pages * PG))
			bad_call(f, kind_name[kind], -1);
		break;
	case REMAP:
		move_map(f);
		break;
	case FORK:
		fork_child(f, a, pages);
		break;
	case ADVISE:
		advise(f, a, pages);
		break;
	default:
		look(f, kind, a, pages);
	}
	add(lg->kinds[kind]);
}

/* ---- threads --------------------------------------------------------------- */

static int open_file(const char *name, unsigned int n, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s%u", dir, name, n);
	fd = open(path, flags, 0600);
	if (fd < 0)
		die("%s: %m", path);
	return fd;
}

static void *new_map(int fd, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap: %m");
	return p;
}

static void *owner(void *arg)
{
	struct file *f = arg;
	char path[64];

	f->random = (lg->seed + 1) * 0x9e3779b97f4a7c15ULL ^ (f->n + 1) * 0xbf58476d1ce4e5b9ULL ^ lg->gen[f->n];
	f->fd = open_file("f", f->n, O_RDWR);
	f->dfd = open_file("f", f->n, O_RDWR | O_DIRECT);
	f->stage_fd = open_file("stage", f->n, O_RDWR | O_CREAT | O_DIRECT);
	f->memfd = open("/proc/self/mem", O_RDWR);
	f->gup = open("/sys/kernel/debug/gup_test", O_RDWR);
	if (f->memfd < 0 || pipe(f->pipe) || syscall(SYS_io_setup, 8, &f->aio))
		die("/proc/self/mem, pipe or io_setup: %m");
	f->map = new_map(f->fd, LEN);
	f->buf = new_map(-1, STAGE * PG);
	f->fixed = new_map(-1, STAGE * PG);
	if (!uring_setup(f))
		printf("no io_uring: %m\n");
	snprintf(path, sizeof(path), "/proc/self/task/%ld/make-it-fail", syscall(SYS_gettid));
	f->inject = faults ? open(path, O_WRONLY) : -1;
	if (faults && f->inject < 0)
		die("%s: %m", path);
	while (!get(lg->stop))
		one(f);
	syscall(SYS_io_destroy, f->aio);
	return NULL;
}

/* Makes what is there last, and takes note of it when a sync returned 0. */
static void *syncer(void *arg)
{
	struct file *f = arg;
	uint32_t done[PAGES];
	unsigned int i, how;
	int r;

	f->random = lg->seed ^ (f->n + 77) * 0x94d049bb133111ebULL ^ lg->gen[f->n];
	f->fd = open_file("f", f->n, O_RDWR);
	f->map = new_map(f->fd, LEN);
	while (!get(lg->stop)) {
		usleep(below(f, 4) ? below(f, 20000) : below(f, 300000));
		for (i = 0; i < PAGES; i++)
			done[i] = get(lg->page[f->n][i].done);
		how = below(f, 6);
		r = how < 3 ? fsync(f->fd) : how == 3 ? fdatasync(f->fd) :
		    how == 4 ? msync(f->map, LEN, MS_SYNC) : syncfs(f->fd);
		if (r)
			bad_call(f, how < 3 ? "fsync" : how == 3 ? "fdatasync" : how == 4 ? "msync" : "syncfs", r);
		if (r || get(lg->cut))
			continue;
		for (i = 0; i < PAGES; i++)
			if (done[i] > lg->page[f->n][i].synced)
				set(lg->page[f->n][i].synced, done[i]);
		add(lg->syncs);
	}
	return NULL;
}

static void run(void)
{
	static struct file own[FILES], sync[FILES];
	pthread_t thread[2 * FILES];
	struct sigaction sa = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_NODEFER };
	unsigned int n;

	sigaction(SIGBUS, &sa, NULL);
	/* A page of the program that is read in while allocations fail may not come. */
	if (faults && mlock(&__executable_start, &_end - &__executable_start))
		die("mlock: %m");
	for (n = 0; n < FILES; n++) {
		own[n].n = sync[n].n = n;
		if (pthread_create(&thread[n], NULL, owner, &own[n]) ||
		    pthread_create(&thread[FILES + n], NULL, syncer, &sync[n]))
			die("no thread");
	}
	for (n = 0; n < 2 * FILES; n++)
		pthread_join(thread[n], NULL);
}

/* ---- after a mount --------------------------------------------------------- */

static bool uniform(const char *page, unsigned int n, uint64_t index, uint32_t gen)
{
	static char other[PG];

	memset(other, 0, PG);
	if (gen)
		fill(other, n, index, gen);
	return !memcmp(page, other, PG);
}

/*
 * Looks at every page as it is on the disk, and goes on from there: what has
 * been read from it is what the next run begins with.
 */
static void check(bool after_cut)
{
	uint64_t wrong = 0, older = 0, torn = 0, zeros = 0;
	struct file f = { 0 };
	unsigned int i;
	char *buf;

	if (posix_memalign((void **)&buf, PG, PG))
		die("no memory");
	set(lg->cut, 0);
	for (f.n = 0; f.n < FILES; f.n++) {
		f.fd = open_file("f", f.n, O_RDWR | O_CREAT);
		for (i = 0; i < PAGES; i++) {
			struct page *p = &lg->page[f.n][i];
			uint32_t low = after_cut ? p->synced : p->low, gen;
			const char *what;
			uint64_t seen = 0;
			ssize_t n;

			memset(buf, 0, PG);	/* the file may be shorter now */
			n = pread(f.fd, buf, PG, i * PG);
			if (n < 0) {
				what = "unreadable";
				seen = errno;
			} else {
				what = judge(buf, f.n, i, low, p->issued, p->zero, &seen);
			}
			if (what) {
				wrong++;
				bad(after_cut ? "after the power cut" : "after the mount", &f, i, what, seen);
			}
			gen = *(uint64_t *)buf >> 40;
			older += gen && gen != p->issued;
			zeros += !gen;
			if (what || !uniform(buf, f.n, i, gen)) {
				/* The next run is not to find what this one did. */
				torn += !what;
				gen = ++lg->gen[f.n];
				fill(buf, f.n, i, gen);
				if (pwrite(f.fd, buf, PG, i * PG) != (ssize_t)PG)
					die("f%u: %m", f.n);
			}
			p->zero = 0;
			if (!gen)
				gen = p->zero = p->issued;
			p->issued = p->low = p->done = p->synced = gen;
		}
		if (ftruncate(f.fd, LEN) || fsync(f.fd))
			die("f%u: %m", f.n);
		close(f.fd);
	}
	printf("%s: %lu pages, %ju wrong, %ju not of the last generation, %ju torn, %ju of zeros\n", dir,
	       FILES * PAGES, (uintmax_t)wrong, (uintmax_t)older, (uintmax_t)torn, (uintmax_t)zeros);
}

static void stats(void)
{
	uint64_t ops = 0, no = 0;
	int i;

	for (i = 0; i < KINDS; i++) {
		ops += lg->kinds[i];
		no += lg->no[i];
	}
	printf("%ju steps, %ju syncs, %ju without memory, %u bad:", (uintmax_t)ops, (uintmax_t)lg->syncs,
	       (uintmax_t)no, lg->bad);
	for (i = 0; i < KINDS; i++) {
		printf(" %s %ju", kind_name[i], (uintmax_t)lg->kinds[i]);
		if (lg->no[i])
			printf("(-%ju)", (uintmax_t)lg->no[i]);
	}
	printf("\n");
}

static void open_log(const char *name, bool create)
{
	int fd = open(name, O_RDWR | (create ? O_CREAT | O_TRUNC : 0), 0600);

	if (fd < 0 || (create && ftruncate(fd, sizeof(*lg))))
		die("%s: %m", name);
	lg = new_map(fd, sizeof(*lg));
	if (create)
		lg->magic = MAGIC;
	else if (lg->magic != MAGIC)
		die("%s is no log", name);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	bool flag = argc > 3 && argv[3][0] == '-';
	char **arg = argv + 3 + flag;
	int args = argc - 3 - flag;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "new") && args == 1) {
		open_log(argv[1], true);
		lg->seed = strtoull(arg[0], NULL, 0);
		return 0;
	}
	if (argc < 3)
		die("usage: soakfs LOG new|run|stop|cut|check|stats ...");
	open_log(argv[1], false);
	if (!strcmp(what, "run") && args == 3) {
		dir = arg[0];
		source_fd = open(arg[1], O_RDWR | O_DIRECT);
		source_offset = bytes(arg[2]);
		if (source_fd < 0)
			die("%s: %m", arg[1]);
		faults = flag;
		run();
	} else if (!strcmp(what, "stop")) {
		set(lg->stop, 1);
	} else if (!strcmp(what, "cut")) {
		set(lg->cut, 1);
		set(lg->stop, 1);
	} else if (!strcmp(what, "check") && args == 1) {
		dir = arg[0];
		check(flag);
		set(lg->stop, 0);
	} else if (!strcmp(what, "stats")) {
		stats();
		return 0;
	} else {
		die("usage: soakfs LOG new|run|stop|cut|check|stats ...");
	}
	return get(lg->bad) ? 1 : 0;
}
