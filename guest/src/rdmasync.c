// SPDX-License-Identifier: GPL-2.0
/* LIBS: libibverbs-dev: -libverbs */
/*
 * rdmasync [-d DEVICE] [-t SECONDS] [-k] [-i] -l LEN FILE
 *
 * Maps the first LEN bytes of FILE, registers the mapping with an RDMA device and
 * lets another process write to it with RDMA_WRITE, without pause, while this one
 * dirties every page and syncs the file, with fsync() and msync() in turn, for
 * SECONDS. One line is printed as each of these is reached:
 *
 *	registered N pages, M pins	the mapping can be written to by the peer (M:
 *					what it added to the pins of the whole system,
 *					"no" if this kernel does not count them)
 *	synced N times, N bytes written	the time is over; the last sync returned 0
 *	deregistered			the peer has stopped, the device has let go
 *
 * With -k the mapping stays registered and the peer goes on, but nothing is
 * dirtied any more: what the last sync stored is what a power cut must leave.
 *
 * With -i the peer is idle: for comparison.
 *
 * The peer writes the pattern of the source and that of the program in turn,
 * both of generation 0 (see pattern.h): they differ in one byte of a word, so a
 * copy made at any time holds, word by word, one or the other.
 */
#include "pattern.h"
#include <infiniband/verbs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define PORT		1
#define DEPTH		16	/* writes of the peer under way */
#define CHUNK		(64UL << 10)

/* What each side has to know of the other. */
struct address {
	union ibv_gid gid;
	uint32_t qpn;
	uint32_t rkey;
	uint64_t at;
};

struct side {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	struct address me;
	int gid_index;
	enum ibv_mtu mtu;
};

static struct ibv_context *open_device(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *ctx = NULL;
	int i;

	for (i = 0; list && list[i] && !ctx; i++)
		if (!name || !strcmp(ibv_get_device_name(list[i]), name))
			ctx = ibv_open_device(list[i]);
	if (!ctx)
		die("no RDMA device %s", name ? name : "at all");
	ibv_free_device_list(list);
	return ctx;
}

/* The address that belongs to the IPv4 address of the network device. */
static void find_gid(struct side *s, int entries)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	int i;

	for (i = 0; i < entries; i++) {
		if (ibv_query_gid(s->ctx, PORT, i, &s->me.gid))
			break;
		if (!memcmp(s->me.gid.raw, mapped, sizeof(mapped))) {
			s->gid_index = i;
			return;
		}
	}
	die("the RDMA device has no IPv4 address");
}

static void side_open(struct side *s, const char *device, void *buf, size_t len, int access)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = DEPTH, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
	};
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = PORT, .qp_access_flags = access,
	};
	struct ibv_port_attr port;

	s->ctx = open_device(device);
	if (ibv_query_port(s->ctx, PORT, &port))
		die("ibv_query_port: %m");
	if (port.state != IBV_PORT_ACTIVE)
		die("the RDMA device is not active");
	s->mtu = port.active_mtu;
	find_gid(s, port.gid_tbl_len);
	s->pd = ibv_alloc_pd(s->ctx);
	if (!s->pd)
		die("ibv_alloc_pd: %m");
	s->mr = ibv_reg_mr(s->pd, buf, len, access);
	if (!s->mr)
		die("ibv_reg_mr: %m");
	s->cq = ibv_create_cq(s->ctx, 2 * DEPTH, NULL, NULL, 0);
	if (!s->cq)
		die("ibv_create_cq: %m");
	init.send_cq = init.recv_cq = s->cq;
	s->qp = ibv_create_qp(s->pd, &init);
	if (!s->qp)
		die("ibv_create_qp: %m");
	if (ibv_modify_qp(s->qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS))
		die("queue pair to INIT: %m");
	s->me.qpn = s->qp->qp_num;
	s->me.rkey = s->mr->rkey;
	s->me.at = (uintptr_t)buf;
}

static void side_connect(struct side *s, const struct address *other)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = s->mtu,
		.dest_qp_num = other->qpn,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = {
			.is_global = 1,
			.port_num = PORT,
			.grh = { .dgid = other->gid, .sgid_index = s->gid_index, .hop_limit = 1 },
		},
	};

	if (ibv_modify_qp(s->qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
			  IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER))
		die("queue pair to RTR: %m");
	attr.qp_state = IBV_QPS_RTS;
	attr.timeout = 19;	/* 2 s: the guest may be slow */
	attr.retry_cnt = 7;
	attr.rnr_retry = 7;
	attr.max_rd_atomic = 1;
	if (ibv_modify_qp(s->qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			  IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC))
		die("queue pair to RTS: %m");
}

static void side_close(struct side *s)
{
	if (ibv_destroy_qp(s->qp) || ibv_destroy_cq(s->cq) || ibv_dereg_mr(s->mr) ||
	    ibv_dealloc_pd(s->pd) || ibv_close_device(s->ctx))
		die("cannot close the RDMA device: %m");
}

static void swap_addresses(int sock, const struct address *mine, struct address *other)
{
	if (write(sock, mine, sizeof(*mine)) != sizeof(*mine) || read(sock, other, sizeof(*other)) != sizeof(*other))
		die("the other process is gone");
}

/* Nothing is sent before both sides can receive. */
static void meet(int sock)
{
	char c = 0;

	if (write(sock, &c, 1) != 1 || read(sock, &c, 1) != 1)
		die("the other process is gone");
}

/* The peer: writes until the socket has something to read, then says how much. */
static void peer(int sock, const char *device, size_t len, bool idle)
{
	struct pollfd stop = { .fd = sock, .events = POLLIN };
	struct side s = { 0 };
	struct address other;
	uint64_t written = 0;
	int flying = 0, n;
	size_t pos = 0;
	bool ending = false;
	char *buf;

	buf = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buf == MAP_FAILED)
		die("mmap: %m");
	put_pattern(buf, len, 'S', 0, 0);
	put_pattern(buf + len, len, 'F', 0, 0);
	side_open(&s, device, buf, 2 * len, IBV_ACCESS_LOCAL_WRITE);
	swap_addresses(sock, &s.me, &other);
	side_connect(&s, &other);
	meet(sock);

	while (!ending || flying) {
		struct ibv_wc wc[DEPTH];

		ending = ending || poll(&stop, 1, idle ? 100 : 0) > 0;
		while (!ending && !idle && flying < DEPTH) {
			size_t off = pos % len, size = len - off < CHUNK ? len - off : CHUNK;
			struct ibv_sge sge = { .addr = (uintptr_t)buf + pos, .length = size, .lkey = s.mr->lkey };
			struct ibv_send_wr *bad, wr = {
				.wr_id = size,
				.sg_list = &sge,
				.num_sge = 1,
				.opcode = IBV_WR_RDMA_WRITE,
				.send_flags = IBV_SEND_SIGNALED,
				.wr.rdma = { .remote_addr = other.at + off, .rkey = other.rkey },
			};

			if (ibv_post_send(s.qp, &wr, &bad))
				die("ibv_post_send: %m");
			pos = (pos + size) % (2 * len);
			flying++;
		}
		n = ibv_poll_cq(s.cq, DEPTH, wc);
		if (n < 0)
			die("ibv_poll_cq failed");
		if (!n)
			sched_yield();
		while (n--) {
			if (wc[n].status != IBV_WC_SUCCESS)
				die("RDMA_WRITE: %s", ibv_wc_status_str(wc[n].status));
			written += wc[n].wr_id;
			flying--;
		}
	}
	if (write(sock, &written, sizeof(written)) != sizeof(written))
		die("the other process is gone");
	side_close(&s);
	exit(0);
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

static time_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

int main(int argc, char **argv)
{
	const char *device = NULL;
	unsigned int round = 0;
	struct side s = { 0 };
	struct address other;
	int c, fd, sock[2], status;
	bool keep = false, idle = false;
	uint64_t written;
	time_t limit = 60, end;
	size_t len = 0;
	long before;
	char *map;
	pid_t pid;

	while ((c = getopt(argc, argv, "d:t:kil:")) != -1) {
		if (c == 'd')
			device = optarg;
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
	if (optind + 1 != argc || !len || len % PG)
		die("usage: rdmasync [-d DEVICE] [-t SECONDS] [-k] [-i] -l LEN FILE");
	setvbuf(stdout, NULL, _IOLBF, 0);

	/* Each side opens the device for itself: verbs do not go through fork(). */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock))
		die("socketpair: %m");
	pid = fork();
	if (pid < 0)
		die("fork: %m");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(sock[0]);
		peer(sock[1], device, len, idle);
	}
	close(sock[1]);

	fd = open(argv[optind], O_RDWR);
	if (fd < 0)
		die("%s: %m", argv[optind]);
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap of %s: %m", argv[optind]);
	before = pins();
	side_open(&s, device, map, len, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	swap_addresses(sock[0], &s.me, &other);
	side_connect(&s, &other);
	meet(sock[0]);
	if (before < 0)
		printf("registered %zu pages, no pins\n", len / PG);
	else
		printf("registered %zu pages, %ld pins\n", len / PG, pins() - before);

	for (end = seconds() + limit; seconds() < end; round++) {
		sync_once(fd, map, len, round);
		if (waitpid(pid, &status, WNOHANG))
			die("the peer ended early");
	}
	/* The last one is an fsync: the size and all, as a program would want it. */
	sync_once(fd, map, len, round | 1);
	if (keep) {
		printf("synced %u times\n", round + 1);
		waitpid(pid, &status, 0);
		die("the peer ended early");
	}
	if (write(sock[0], "", 1) != 1 || read(sock[0], &written, sizeof(written)) != sizeof(written))
		die("the peer ended early");
	printf("synced %u times, %ju bytes written\n", round + 1, (uintmax_t)written);
	if (waitpid(pid, &status, 0) != pid || status)
		die("the peer failed");
	side_close(&s);
	printf("deregistered\n");
	return 0;
}
