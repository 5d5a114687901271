// SPDX-License-Identifier: GPL-2.0
/*
 * tcphold PORT SERVER_PORT
 *
 * Passes TCP connections to 127.0.0.1:PORT on to SERVER_PORT, and does with what
 * the client sends as the lines on standard input say:
 *
 *	pass     send it on (what it begins with)
 *	hold     do not even read it: the client gets stuck in the middle of a
 *	         message, its socket buffers full
 *	swallow  read it, as a server does that gets a request and then crashes
 *	drop     cut all connections, and pass what comes on new ones
 *
 * It knows the records of ONC RPC, by their transaction number. When all of a record
 * has been swallowed, it says "swallowed XID BYTES". When a record has been sent that
 * was sent before, it says "resent XID BYTES same", or "different" if its bytes were
 * others the first time.
 */
#include "pattern.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#define MAX_CONNS 16
#define MAX_RECORDS 4096

static enum { PASS, HOLD, SWALLOW } state;

/* What a client sends is a record: a length, a transaction number, the rest. */
static struct conn {
	int client, server;	/* -1: unused */
	unsigned char head[8];
	size_t have;		/* bytes of the record so far, with its length */
	size_t len;		/* of the record, with its length */
	uint64_t hash;
} conns[MAX_CONNS];

static struct record {
	uint32_t xid;
	size_t len;
	uint64_t hash;
} records[MAX_RECORDS];
static size_t nr_records;

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (fd < 0)
		die("socket: %m");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static struct sockaddr_in loopback(const char *port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return sin;
}

static int connect_to(const char *port)
{
	struct sockaddr_in to = loopback(port);
	int fd = tcp_socket();

	if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void hang_up(struct conn *c)
{
	/* A reset: nothing that is still in a buffer gets anywhere */
	struct linger l = { 1, 0 };

	setsockopt(c->client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(c->client);
	close(c->server);
	c->client = c->server = -1;
}

static void take(int listener, const char *server_port)
{
	int fd = accept(listener, NULL, NULL), i;

	if (fd < 0)
		die("accept: %m");
	for (i = 0; i < MAX_CONNS; i++) {
		struct conn *c = &conns[i];

		if (c->client >= 0)
			continue;
		memset(c, 0, sizeof(*c));
		c->client = fd;
		c->server = connect_to(server_port);
		if (c->server < 0)
			hang_up(c);
		return;
	}
	die("too many connections");
}

static void record_done(struct conn *c)
{
	uint32_t xid;
	size_t i;

	memcpy(&xid, c->head + 4, 4);
	xid = ntohl(xid);
	if (state == SWALLOW)
		printf("swallowed %08x %zu\n", xid, c->len);
	for (i = 0; i < nr_records; i++) {
		struct record *r = &records[i];

		if (r->xid != xid)
			continue;
		printf("resent %08x %zu %s\n", xid, c->len,
		       r->len == c->len && r->hash == c->hash ? "same" : "different");
		return;
	}
	if (nr_records == MAX_RECORDS)
		die("too many records");
	records[nr_records++] = (struct record){ xid, c->len, c->hash };
}

static void look(struct conn *c, const unsigned char *p, size_t n)
{
	while (n--) {
		if (c->have < 8)
			c->head[c->have] = *p;
		c->hash = (c->hash ^ *p++) * 0x100000001b3ULL;
		c->have++;
		if (c->have == 4) {
			uint32_t len;

			memcpy(&len, c->head, 4);
			c->len = (ntohl(len) & 0x7fffffff) + 4;
		}
		if (c->have > 8 && c->have == c->len) {
			record_done(c);
			c->have = c->len = c->hash = 0;
		}
	}
}

static bool send_all(int fd, const unsigned char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done <= 0)
			return false;
		p += done;
		n -= done;
	}
	return true;
}

/* Returns false when the connection is over. */
static bool move(struct conn *c, bool from_client)
{
	static unsigned char buf[4096];
	ssize_t n = read(from_client ? c->client : c->server, buf, sizeof(buf));

	if (n <= 0)
		return false;
	if (!from_client)
		return send_all(c->client, buf, n);
	look(c, buf, n);
	return state == SWALLOW || send_all(c->server, buf, n);
}

static void command(void)
{
	char line[64];
	int i;

	if (!fgets(line, sizeof(line), stdin))
		exit(0);
	line[strcspn(line, "\n")] = 0;
	if (!strcmp(line, "pass")) {
		state = PASS;
	} else if (!strcmp(line, "hold")) {
		state = HOLD;
	} else if (!strcmp(line, "swallow")) {
		state = SWALLOW;
	} else if (!strcmp(line, "drop")) {
		for (i = 0; i < MAX_CONNS; i++)
			if (conns[i].client >= 0)
				hang_up(&conns[i]);
		state = PASS;
	} else {
		die("unknown command '%s'", line);
	}
	printf("%s\n", line);
}

int main(int argc, char **argv)
{
	struct pollfd fds[2 + 2 * MAX_CONNS];
	int listener = tcp_socket(), small = 4096, i;
	struct sockaddr_in sin;

	if (argc != 3)
		die("usage: tcphold PORT SERVER_PORT");
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	for (i = 0; i < MAX_CONNS; i++)
		conns[i].client = conns[i].server = -1;
	/* Not much of a message has room in our buffer */
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	sin = loopback(argv[1]);
	if (bind(listener, (struct sockaddr *)&sin, sizeof(sin)) || listen(listener, 8))
		die("port %s: %m", argv[1]);
	printf("ready\n");

	for (;;) {
		fds[0] = (struct pollfd){ .fd = 0, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (i = 0; i < MAX_CONNS; i++) {
			fds[2 + 2 * i] = (struct pollfd){
				.fd = state == HOLD ? -1 : conns[i].client,
				.events = POLLIN,
			};
			fds[3 + 2 * i] = (struct pollfd){
				.fd = conns[i].server, .events = POLLIN,
			};
		}
		if (poll(fds, 2 + 2 * MAX_CONNS, -1) < 0)
			die("poll: %m");
		if (fds[0].revents) {
			command();
			continue;	/* what the others say may not be true any more */
		}
		if (fds[1].revents)
			take(listener, argv[2]);
		for (i = 0; i < 2 * MAX_CONNS; i++) {
			struct conn *c = &conns[i / 2];

			if (fds[2 + i].revents && c->client >= 0 && !move(c, i % 2 == 0))
				hang_up(c);
		}
	}
}
