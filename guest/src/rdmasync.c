// SPDX-License-Identifier: GPL-2.0
/* LIBS: librdmacm-dev: -lrdmacm -libverbs */
/*
 * rdmasync -a ADDRESS [-t SECONDS] [-k] [-i] -l LEN FILE		the owner
 * rdmasync -a ADDRESS -p [-t SECONDS] [-i] -l LEN			the peer
 * rdmasync -n [-t SECONDS] -l LEN FILE				no RDMA
 *
 * The owner maps the first LEN bytes of FILE, registers the mapping with the RDMA
 * device that has the IPv4 address ADDRESS, and waits there for the peer. The peer
 * connects and then writes to the mapping with RDMA_WRITE, without pause, while the
 * owner dirties every page and syncs the file, with fsync() and msync() in turn, for
 * SECONDS. The peer may be a process of the same machine or of another one. The
 * owner prints one line as each of these is reached:
 *
 *	registered N pages, M pins	the peer can write to the mapping (M: what it
 *					added to the pins of the whole system, "no" if
 *					this kernel does not count them)
 *	synced N times, N bytes written	the time is over; the last sync returned 0, and
 *					so many bytes came from the peer
 *	deregistered			the peer is cut off, the device has let go
 *
 * It fails if nothing comes from the peer for STALL seconds.
 *
 * With -k the mapping stays registered and the peer goes on, but nothing is
 * dirtied any more: what the last sync stored is what a power cut must leave. Instead
 * of "deregistered" comes
 *
 *	still written			the peer has written since
 *
 * The peer tries for SECONDS to connect, and ends when the owner cuts it off, with
 * the line "wrote N bytes". With -i both know that the peer only connects and writes
 * nothing: for comparison. With -n the owner only dirties and syncs: somebody else
 * has registered the file.
 *
 * The peer writes to each page, in each pass, either the pattern of the source or that
 * of the program, as chance has it, both of generation 0 (see pattern.h): they differ
 * in one byte of a word, so a copy made at any time holds, word by word, one or the
 * other. In turn would not do: a disk that takes as long as two passes would see what
 * the checksum saw.
 *
 * The connection is made by the RDMA connection manager: iWARP devices know no
 * other way, and RoCE devices this one, too.
 */
#include "pattern.h"
#include <arpa/inet.h>
#include <infiniband/verbs.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#define PORT		18515
#define DEPTH		16		/* writes of the peer under way */
#define CHUNK		(64UL << 10)
#define PASSES		16		/* that differ; then they come again */
#define STALL		60		/* seconds: guests may be slow */
#define BOOT		600		/* seconds until the peer comes, if it is a guest that boots */
#define CONNECT_MS	5000		/* for each step of making or ending a connection */

/* What the peer has to know of the owner's memory: LEN bytes of the file, and behind
 * them, in the same registration, the word in which the peer counts its bytes. */
struct target {
	uint64_t at;
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

/* Everything but the connection, on the device that an address belongs to. */
static void side_open(struct side *s, struct ibv_context *device, void *buf, size_t len, int access)
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
			.max_send_wr = DEPTH, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1,
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

/* The next event of the connection manager, -1 after ms milliseconds without one.
 * Whose it is, and what the other side sent with it, if the caller wants them. */
static int next_event(struct side *s, int ms, struct rdma_cm_id **id, struct target *sent)
{
	struct pollfd p = { .fd = s->events->fd, .events = POLLIN };
	struct rdma_cm_event *e;
	int type;

	if (poll(&p, 1, ms) <= 0)
		return -1;
	if (rdma_get_cm_event(s->events, &e))
		die("rdma_get_cm_event: %m");
	type = e->event;
	if (id)
		*id = e->id;
	if (sent && type == RDMA_CM_EVENT_ESTABLISHED) {
		if (e->param.conn.private_data_len < sizeof(*sent))
			die("the owner did not say where to write");
		memcpy(sent, e->param.conn.private_data, sizeof(*sent));
	}
	if (rdma_ack_cm_event(e))
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
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}
/* The peer: one attempt to connect, with all that is open for the next one. */
static bool try_connect(struct side *s, struct sockaddr_in *to, char *buf, size_t len, struct target *target)
{
	struct rdma_conn_param param = { .initiator_depth = 1, .retry_count = 7, .rnr_retry_count = 7 };

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

/* size bytes at buf to position pos of the owner's memory. */
static void write_to(struct side *s, const struct target *t, void *buf, size_t size, uint64_t pos, int flags)
{
	struct ibv_sge sge = { .addr = (uintptr_t)buf, .length = size, .lkey = s->mr->lkey };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED | flags,
		.wr.rdma = { .remote_addr = t->at + pos, .rkey = t->rkey },
	};
	int ret = ibv_post_send(s->id->qp, &wr, &bad);

	if (ret)
		die("ibv_post_send: %s", strerror(ret));
}

/* Writes what buf holds for one pass over the mapping, and behind it for the next ones,
 * until the owner ends the connection; returns how many bytes. */
static uint64_t write_on(struct side *s, const struct target *t, char *buf, bool idle)
{
	uint64_t pos = 0, counted = 0;
	int flying = 0, n;

	while (!disconnected(s, idle ? 100 : 0)) {
		struct ibv_wc wc[DEPTH];

		for (; !idle && flying < DEPTH; flying++) {
			size_t off = pos % t->len, size = t->len - off < CHUNK ? t->len - off : CHUNK;

			if (!off && pos != counted) {
				/* Writes arrive in order: behind the bytes that it counts. */
				counted = pos;
				write_to(s, t, &counted, sizeof(counted), t->len, IBV_SEND_INLINE);
			} else {
				write_to(s, t, buf + pos % (PASSES * t->len), size, off, 0);
				pos += size;
			}
		}
		n = ibv_poll_cq(s->cq, DEPTH, wc);
		if (n < 0)
			die("ibv_poll_cq failed");
		if (!n)
			sched_yield();
		for (; n > 0; n--) {
			if (wc[n - 1].status == IBV_WC_SUCCESS)
				flying--;
			else if (disconnected(s, STALL * 1000))
				return pos;	/* the owner has cut us off */
			else
				die("RDMA_WRITE: %s", ibv_wc_status_str(wc[n - 1].status));
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

	buf = mmap(NULL, PASSES * len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buf == MAP_FAILED)
		die("mmap: %m");
	srandom(1);
	for (pos = 0; pos < PASSES * len; pos += PG)
		put_pattern(buf + pos, PG, "SF"[random() >> 30 & 1], 0, pos % len);
	while (!try_connect(&s, to, buf, len, &target)) {
		if (seconds() > end)
			die("nobody to connect to at %s after %d s", inet_ntoa(to->sin_addr), limit);
		side_drop_connection(&s);
		usleep(200000);
	}
	if (target.len != len)
		die("the owner has %ju bytes, not %zu", (uintmax_t)target.len, len);
	written = write_on(&s, &target, buf, idle);
	rdma_disconnect(s.id);
	side_close(&s);
	printf("wrote %ju bytes\n", (uintmax_t)written);
}

/* Pins in the whole system; negative if this kernel does not count them. */
static long pins(void)
{
	long n, acquired = -1, released = 0;
	char name[64];
	FILE *f;

	f = fopen("/proc/sys/vm/stat_refresh", "r");	/* reading it is enough */
	if (f) {
		fgetc(f);
		fclose(f);
	}
	f = fopen("/proc/vmstat", "r");
	while (f && fscanf(f, "%63s %ld", name, &n) == 2) {
		if (!strcmp(name, "nr_foll_pin_acquired"))
			acquired = n;
		else if (!strcmp(name, "nr_foll_pin_released"))
			released = n;
	}
	if (f)
		fclose(f);
	return acquired < 0 ? -1 : acquired - released;
}

/* The owner: waits for a peer, and tells it where to write. */
static void accept_peer(struct side *s, const struct target *t)
{
	struct rdma_conn_param param = {
		.private_data = t, .private_data_len = sizeof(*t),
		.responder_resources = 1, .rnr_retry_count = 7,
	};
	struct rdma_cm_id *id;

	for (;;) {
		int type = next_event(s, BOOT * 1000, &id, NULL);

		if (type < 0)
			die("no peer came in %d s", BOOT);
		if (type == RDMA_CM_EVENT_CONNECT_REQUEST) {
			/* It may have given up an earlier attempt. */
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

/* A new word in each page makes it dirty; the word is one that the peer writes too. */
static void dirty(char *map, size_t len, unsigned int round)
{
	size_t pos;

	for (pos = round % 512 * 8; pos < len; pos += PG)
		*(volatile uint64_t *)(map + pos) = word_at('F', 0, pos);
}

static void sync_once(int fd, char *map, size_t len, unsigned int round)
{
	dirty(map, len, round);
	if (round & 1 ? fsync(fd) : msync(map, len, MS_SYNC))
		die("%s: %m", round & 1 ? "fsync" : "msync");
}

/* Puts the mapping of a file at map. */
static int map_file(const char *file, char *map, size_t len)
{
	int fd = open(file, O_RDWR);

	if (fd < 0)
		die("%s: %m", file);
	if (mmap(map, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != map)
		die("mmap of %s: %m", file);
	return fd;
}

/* What the peer has written, by its own count. */
struct progress {
	volatile uint64_t *count;
	uint64_t seen;
	time_t when;
};

/* The peer is there, and has not stopped to write. True if more has come. */
static bool look_at_peer(struct side *s, struct progress *p, int ms, bool idle)
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

static void owner(struct sockaddr_in *at, const char *file, size_t len, int limit, bool keep, bool idle)
{
	struct progress p = { .when = seconds() };
	struct side s = { .events = NULL };
	struct target target = { .len = len };
	struct rdma_cm_id *listener;
	unsigned int round = 0;
	time_t end;
	long before;
	char *map;
	int fd;

	/* The file, and behind it the page in which the peer counts. */
	map = mmap(NULL, len + PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		die("mmap: %m");
	fd = map_file(file, map, len);
	p.count = (uint64_t *)(map + len);

	if (at) {
		s.events = event_channel();
		listener = connection_id(s.events);
		if (rdma_bind_addr(listener, (struct sockaddr *)at))
			die("rdma_bind_addr: %m");
		if (!listener->verbs)
			die("no RDMA device has the address %s", inet_ntoa(at->sin_addr));
		before = pins();
		side_open(&s, listener->verbs, map, len + PG, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
		if (before < 0)
			printf("registered %zu pages, no pins\n", len / PG + 1);
		else
			printf("registered %zu pages, %ld pins\n", len / PG + 1, pins() - before);
		target.at = (uintptr_t)map;
		target.rkey = s.mr->rkey;
		if (rdma_listen(listener, 1))
			die("rdma_listen: %m");
		accept_peer(&s, &target);
		if (rdma_destroy_id(listener))
			die("rdma_destroy_id: %m");
		p.when = seconds();
	}

	for (end = seconds() + limit; seconds() < end; round++) {
		sync_once(fd, map, len, round);
		if (at)
			look_at_peer(&s, &p, 0, idle);
	}
	/* The last one is an fsync: the size and all, as a program would want it. */
	sync_once(fd, map, len, round | 1);
	printf("synced %u times, %ju bytes written\n", round + 1, (uintmax_t)*p.count);

	for (bool said = false; keep;) {
		if (look_at_peer(&s, &p, 100, idle) && !said)
			said = puts("still written") >= 0;
	}
	if (at) {
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
	bool keep = false, idle = false, no_rdma = false, as_peer = false;
	int c, limit = 60;
	size_t len = 0;

	while ((c = getopt(argc, argv, "a:npt:kil:")) != -1) {
		if (c == 'a' && inet_pton(AF_INET, optarg, &address.sin_addr) == 1)
			continue;
		else if (c == 'n')
			no_rdma = true;
		else if (c == 'p')
			as_peer = true;
		else if (c == 't')
			limit = atoi(optarg);
		else if (c == 'k')
			keep = true;
		else if (c == 'i')
			idle = true;
		else if (c == 'l')
			len = bytes(optarg);
		else
			return 2;
	}
	if (optind + !as_peer != argc || !len || len % PG || !address.sin_addr.s_addr != no_rdma ||
	    (no_rdma && keep))
		die("usage: rdmasync -a ADDRESS | -n [-p] [-t SECONDS] [-k] [-i] -l LEN [FILE]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (as_peer)
		peer(&address, len, limit, idle);
	else
		owner(no_rdma ? NULL : &address, argv[optind], len, limit, keep, idle);
	return 0;
}
