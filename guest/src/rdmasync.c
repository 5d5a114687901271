// SPDX-License-Identifier: GPL-2.0
/* LIBS: librdmacm-dev: -lrdmacm -libverbs */
/*
 * rdmasync -a ADDRESS [-t SECONDS] [-k] [-i] -l LEN FILE		the owner
 * rdmasync -a ADDRESS -p [-t SECONDS] [-i] -l LEN			the peer
 * rdmasync -n [-t SECONDS] -l LEN FILE				no RDMA
 *
 * The owner maps the first LEN bytes of FILE, registers the mapping with the RDMA device
 * that has the IPv4 address ADDRESS, and waits there for the peer. The peer connects and
 * then writes to the mapping with RDMA_WRITE, without pause. The owner dirties every page
 * and syncs the file, with fsync() and msync() in turn, for SECONDS. The peer may be a
 * process of the same machine or of another one. The owner prints a line when it has
 * reached each of these states:
 *
 *	registered N pages, M pins	the peer can write to the mapping (M: so many pins
 *					more than before in the whole system, "no" if this
 *					kernel does not count them)
 *	synced N times, N bytes written	the time is over; the last sync returned 0, and
 *					the peer has written so many bytes
 *	deregistered			the peer is cut off, the device has released the
 *					pages
 *
 * The owner fails if nothing comes from the peer for STALL seconds.
 *
 * With -k the mapping stays registered and the peer goes on, but the owner dirties nothing
 * any more: a power cut must leave the data that the last sync has stored. Instead of
 * "deregistered" it prints
 *
 *	still written			the peer has written since
 *
 * The peer tries for SECONDS to connect, and ends when the owner cuts it off, with the
 * line "wrote N bytes". With -i the peer only connects and writes nothing, and the owner
 * does not wait for data: for comparison. With -n the owner only dirties and syncs, as
 * another program has registered the file.
 *
 * In each pass over the mapping the peer writes to each page either the pattern of the
 * source or the pattern of the program, by chance, both of generation 0 (see
 * lib/pattern.h). They differ in one byte of a word, so a copy made at any time holds, word
 * by word, one pattern or the other. Alternating passes would not do: a disk that takes as
 * long as two passes would see the data that the checksum was made of.
 *
 * The RDMA connection manager makes the connection: iWARP devices know no other way, and
 * RoCE devices know this one, too.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <sched.h>
#include <stdbool.h>
#include <time.h>

#include "die.h"
#include "options.h"
#include "page.h"
#include "pattern.h"
#include "pins.h"

#define PORT		18515
#define DEPTH		16		/* writes of the peer in flight */
#define CHUNK		(64UL << 10)	/* bytes of a write */
#define PASSES		16		/* with different data, then again from the first */
#define STALL		60		/* seconds: guests may be slow */
#define BOOT		600		/* seconds: a guest boots, and its peer comes */
#define CONNECT_MS	5000		/* for each step of making or ending a connection */

/*
 * The owner tells the peer where its memory is: LEN bytes of the file, and behind them, in
 * the same registration, the word in which the peer counts its bytes.
 */
struct target {
	uint64_t addr;
	uint64_t len;
	uint32_t rkey;
};

struct side {
	struct rdma_event_channel *events;
	struct rdma_cm_id *id;		/* the connection, or NULL */
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_mr *mr;
};

/* Opens all but the connection. @access: IBV_ACCESS_* of the buffer */
static void side_open(struct side *s, struct ibv_context *device, void *buf, size_t len,
		      int access)
{
	s->pd = ibv_alloc_pd(device);
	if (!s->pd)
		die("ibv_alloc_pd: %m");
	s->mr = ibv_reg_mr(s->pd, buf, len, access);
	if (!s->mr)
		die("ibv_reg_mr: %m");
	s->cq = ibv_create_cq(device, 2 * DEPTH, NULL, NULL, 0);
	if (!s->cq)
		die("ibv_create_cq: %m");
}

static void side_queue_pair(struct side *s)
{
	struct ibv_qp_init_attr init = {
		.send_cq = s->cq,
		.recv_cq = s->cq,
		.qp_type = IBV_QPT_RC,
		.cap = {
			.max_send_wr = DEPTH, .max_recv_wr = 1,
			.max_send_sge = 1, .max_recv_sge = 1,
			.max_inline_data = sizeof(uint64_t),
		},
	};

	if (rdma_create_qp(s->id, s->pd, &init))
		die("rdma_create_qp: %m");
}

static void side_drop_connection(struct side *s)
{
	if (s->id && s->id->qp)
		rdma_destroy_qp(s->id);
	if (s->id && rdma_destroy_id(s->id))
		die("rdma_destroy_id: %m");
	s->id = NULL;
}

static void side_close(struct side *s)
{
	side_drop_connection(s);
	if (ibv_destroy_cq(s->cq) || ibv_dereg_mr(s->mr) || ibv_dealloc_pd(s->pd))
		die("cannot close the RDMA device: %m");
}

static struct rdma_event_channel *event_channel(void)
{
	struct rdma_event_channel *events = rdma_create_event_channel();

	if (!events)
		die("rdma_create_event_channel: %m");
	return events;
}

static struct rdma_cm_id *connection_id(struct rdma_event_channel *events)
{
	struct rdma_cm_id *id;

	if (rdma_create_id(events, &id, NULL, RDMA_PS_TCP))
		die("rdma_create_id: %m");
	return id;
}

/*
 * Returns the next event of the connection manager, or -1 after @ms milliseconds without
 * one. @id: set to the connection of the event, or NULL; @sent: set to the data that the
 * owner has sent when a connection is established, or NULL
 */
static int next_event(struct side *s, int ms, struct rdma_cm_id **id, struct target *sent)
{
	struct pollfd pollfd = { .fd = s->events->fd, .events = POLLIN };
	struct rdma_cm_event *event;
	int type;

	if (poll(&pollfd, 1, ms) <= 0)
		return -1;
	if (rdma_get_cm_event(s->events, &event))
		die("rdma_get_cm_event: %m");
	type = event->event;
	if (id)
		*id = event->id;
	if (sent && type == RDMA_CM_EVENT_ESTABLISHED) {
		if (event->param.conn.private_data_len < sizeof(*sent))
			die("the owner did not say where to write");
		memcpy(sent, event->param.conn.private_data, sizeof(*sent));
	}
	if (rdma_ack_cm_event(event))
		die("rdma_ack_cm_event: %m");
	return type;
}

static bool disconnected(struct side *s, int ms)
{
	int type = next_event(s, ms, NULL, NULL);

	if (type >= 0 && type != RDMA_CM_EVENT_DISCONNECTED)
		die("RDMA connection: %s", rdma_event_str(type));
	return type >= 0;
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* The peer makes one attempt to connect. The device stays open for the next one. */
static bool try_connect(struct side *s, struct sockaddr_in *to, char *buf, size_t len,
			struct target *target)
{
	struct rdma_conn_param param = {
		.initiator_depth = 1, .retry_count = 7, .rnr_retry_count = 7,
	};

	s->id = connection_id(s->events);
	if (rdma_resolve_addr(s->id, NULL, (struct sockaddr *)to, CONNECT_MS) ||
	    next_event(s, 2 * CONNECT_MS, NULL, NULL) != RDMA_CM_EVENT_ADDR_RESOLVED ||
	    rdma_resolve_route(s->id, CONNECT_MS) ||
	    next_event(s, 2 * CONNECT_MS, NULL, NULL) != RDMA_CM_EVENT_ROUTE_RESOLVED)
		return false;
	if (!s->mr)
		side_open(s, s->id->verbs, buf, PASSES * len, IBV_ACCESS_LOCAL_WRITE);
	side_queue_pair(s);
	return !rdma_connect(s->id, &param) &&
	       next_event(s, STALL * 1000, NULL, target) == RDMA_CM_EVENT_ESTABLISHED;
}

/* Writes @size bytes to position @pos of the owner's memory. @flags: IBV_SEND_* */
static void post_write(struct side *s, const struct target *target, void *buf, size_t size,
		       uint64_t pos, int flags)
{
	struct ibv_sge sge = { .addr = (uintptr_t)buf, .length = size, .lkey = s->mr->lkey };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED | flags,
		.wr.rdma = { .remote_addr = target->addr + pos, .rkey = target->rkey },
	};
	int ret = ibv_post_send(s->id->qp, &wr, &bad);

	if (ret)
		die("ibv_post_send: %s", strerror(ret));
}

/*
 * Posts the next write, or, where a pass is complete, a write of the number of bytes: writes
 * arrive in order, so the number arrives behind the bytes that it counts. @buf: the data of
 * all passes; @counted: the number of bytes that was written last
 */
static void post_next(struct side *s, const struct target *target, char *buf, uint64_t *pos,
		      uint64_t *counted)
{
	size_t offset = *pos % target->len, size = target->len - offset;

	if (!offset && *pos != *counted) {
		*counted = *pos;
		post_write(s, target, counted, sizeof(*counted), target->len, IBV_SEND_INLINE);
		return;
	}
	if (size > CHUNK)
		size = CHUNK;
	post_write(s, target, buf + *pos % (PASSES * target->len), size, offset, 0);
	*pos += size;
}

/* Writes until the owner ends the connection; returns how many bytes were written. */
static uint64_t write_until_cut_off(struct side *s, const struct target *target, char *buf,
				    bool idle)
{
	uint64_t pos = 0, counted = 0;
	struct ibv_wc done[DEPTH];
	int in_flight = 0, n;

	while (!disconnected(s, idle ? 100 : 0)) {
		for (; !idle && in_flight < DEPTH; in_flight++)
			post_next(s, target, buf, &pos, &counted);
		n = ibv_poll_cq(s->cq, DEPTH, done);
		if (n < 0)
			die("ibv_poll_cq failed");
		if (!n)
			sched_yield();
		for (; n > 0; n--) {
			if (done[n - 1].status == IBV_WC_SUCCESS) {
				in_flight--;
				continue;
			}
			if (!disconnected(s, STALL * 1000))
				die("RDMA_WRITE: %s", ibv_wc_status_str(done[n - 1].status));
			return pos;
		}
	}
	return pos;
}

static void peer(struct sockaddr_in *to, size_t len, int limit, bool idle)
{
	struct side s = { .events = event_channel() };
	struct target target = { 0 };
	time_t end = seconds() + limit;
	uint64_t written, pos;
	char *buf;

	buf = map_anonymous(PASSES * len);
	srandom(1);
	for (pos = 0; pos < PASSES * len; pos += PAGE_SIZE)
		put_pattern(buf + pos, PAGE_SIZE,
			    random() >> 30 & 1 ? FROM_PROGRAM : FROM_SOURCE, 0, pos % len);
	while (!try_connect(&s, to, buf, len, &target)) {
		if (seconds() > end)
			die("nobody to connect to at %s after %d s", inet_ntoa(to->sin_addr),
			    limit);
		side_drop_connection(&s);
		usleep(200000);
	}
	if (target.len != len)
		die("the owner has %ju bytes, not %zu", (uintmax_t)target.len, len);
	written = write_until_cut_off(&s, &target, buf, idle);
	rdma_disconnect(s.id);
	side_close(&s);
	printf("wrote %ju bytes\n", (uintmax_t)written);
}

/* The owner waits for a peer, and tells it where to write. */
static void accept_peer(struct side *s, const struct target *target)
{
	struct rdma_conn_param param = {
		.private_data = target, .private_data_len = sizeof(*target),
		.responder_resources = 1, .rnr_retry_count = 7,
	};
	struct rdma_cm_id *id;

	for (;;) {
		int type = next_event(s, BOOT * 1000, &id, NULL);

		if (type < 0)
			die("no peer came in %d s", BOOT);
		if (type == RDMA_CM_EVENT_CONNECT_REQUEST) {
			/* The peer may have given up an earlier attempt. */
			side_drop_connection(s);
			s->id = id;
			side_queue_pair(s);
			if (rdma_accept(id, &param))
				side_drop_connection(s);
		} else if (id == s->id && type == RDMA_CM_EVENT_ESTABLISHED) {
			return;
		} else if (id == s->id) {
			side_drop_connection(s);
		}
	}
}

/* Writes a word to each page, another one in each round. The peer writes such words, too. */
static void dirty_pages(char *map, size_t len, unsigned int round)
{
	size_t pos;

	for (pos = round % 512 * 8; pos < len; pos += PAGE_SIZE)
		*(volatile uint64_t *)(map + pos) = pattern_word(FROM_PROGRAM, 0, pos);
}

static void sync_once(int fd, char *map, size_t len, unsigned int round)
{
	dirty_pages(map, len, round);
	if (round & 1 ? fsync(fd) : msync(map, len, MS_SYNC))
		die("%s: %m", round & 1 ? "fsync" : "msync");
}

/* Maps the file at the address @map. */
static int map_file_at(const char *file, char *map, size_t len)
{
	int fd = open(file, O_RDWR);

	if (fd < 0)
		die("%s: %m", file);
	if (mmap(map, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != map)
		die("mmap of %s: %m", file);
	return fd;
}

/* The number of bytes that the peer has written, by its own count. */
struct progress {
	volatile uint64_t *count;
	uint64_t seen;
	time_t when;
};

/* Dies if the peer is gone or has stopped to write. True if it has written since the last call. */
static bool check_peer(struct side *s, struct progress *p, int ms, bool idle)
{
	uint64_t now = *p->count;

	if (disconnected(s, ms))
		die("the peer ended early");
	if (now != p->seen) {
		p->seen = now;
		p->when = seconds();
		return true;
	}
	if (!idle && seconds() - p->when > STALL)
		die("nothing came from the peer for %d s", STALL);
	return false;
}

/* Registers the mapping and waits for the peer. */
static void serve(struct side *s, struct sockaddr_in *address, char *map, size_t len)
{
	struct target target = { .addr = (uintptr_t)map, .len = len };
	struct rdma_cm_id *listener;
	struct pins before, now;

	s->events = event_channel();
	listener = connection_id(s->events);
	if (rdma_bind_addr(listener, (struct sockaddr *)address))
		die("rdma_bind_addr: %m");
	if (!listener->verbs)
		die("no RDMA device has the address %s", inet_ntoa(address->sin_addr));
	before = read_pins();
	side_open(s, listener->verbs, map, len + PAGE_SIZE,
		  IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	printf("registered %zu pages, ", len / PAGE_SIZE + 1);
	if (before.counted) {
		now = read_pins();
		printf("%jd pins\n", (intmax_t)(now.acquired - now.released -
						(before.acquired - before.released)));
	} else {
		printf("no pins\n");
	}
	target.rkey = s->mr->rkey;
	if (rdma_listen(listener, 1))
		die("rdma_listen: %m");
	accept_peer(s, &target);
	if (rdma_destroy_id(listener))
		die("rdma_destroy_id: %m");
}

static void print_when_written(struct side *s, struct progress *p, bool idle)
{
	while (!check_peer(s, p, 100, idle))
		;
	puts("still written");
	for (;;)
		check_peer(s, p, 100, idle);
}

/* @address: NULL without RDMA */
static void owner(struct sockaddr_in *address, const char *file, size_t len, int limit, bool keep,
		  bool idle)
{
	/* The file, and behind it the page in which the peer counts. */
	char *map = mmap(NULL, len + PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct progress progress;
	struct side s = { .events = NULL };
	unsigned int round = 0;
	time_t end;
	int fd;

	if (map == MAP_FAILED)
		die("mmap: %m");
	fd = map_file_at(file, map, len);
	if (address)
		serve(&s, address, map, len);
	progress = (struct progress){ .count = (uint64_t *)(map + len), .when = seconds() };

	for (end = seconds() + limit; seconds() < end; round++) {
		sync_once(fd, map, len, round);
		if (address)
			check_peer(&s, &progress, 0, idle);
	}
	/* The last one is an fsync(), which also makes the size of the file last. */
	sync_once(fd, map, len, round | 1);
	printf("synced %u times, %ju bytes written\n", round + 1, (uintmax_t)*progress.count);

	if (keep)
		print_when_written(&s, &progress, idle);
	if (address) {
		if (rdma_disconnect(s.id))
			die("rdma_disconnect: %m");
		disconnected(&s, CONNECT_MS);
		side_close(&s);
		printf("deregistered\n");
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	bool keep = false, idle = false, no_rdma = false, is_peer = false;
	const char *address_text = NULL;
	uint64_t len = 0;
	int limit = 60;
	const struct option_spec options[] = {
		{ .letter = 'a', .string = &address_text },
		{ .letter = 'n', .flag = &no_rdma },
		{ .letter = 'p', .flag = &is_peer },
		{ .letter = 't', .number = &limit },
		{ .letter = 'k', .flag = &keep },
		{ .letter = 'i', .flag = &idle },
		{ .letter = 'l', .bytes = &len },
		{ 0 }
	};

	parse_options(argc, argv, options);
	if (address_text && inet_pton(AF_INET, address_text, &address.sin_addr) != 1)
		return 2;
	if (optind + !is_peer != argc || !len || len % PAGE_SIZE ||
	    !address.sin_addr.s_addr != no_rdma || (no_rdma && keep))
		die("usage: rdmasync -a ADDRESS | -n [-p] [-t SECONDS] [-k] [-i] -l LEN [FILE]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (is_peer)
		peer(&address, len, limit, idle);
	else
		owner(no_rdma ? NULL : &address, argv[optind], len, limit, keep, idle);
	return 0;
}
