// SPDX-License-Identifier: GPL-2.0
/*
 * tcphold PORT SERVER_PORT
 *
 * A proxy: passes TCP connections to 127.0.0.1:PORT on to SERVER_PORT. Lines on standard
 * input tell it how to treat the data of the client:
 *
 *	pass     send the data on (this is the state at the start)
 *	hold     do not even read it: the client is stuck in the middle of a message, its
 *	         socket buffers full
 *	swallow  read it and drop it, like a server that gets a request and then crashes
 *	cut      cut all connections, and treat the data of new ones as before
 *	drop     cut all connections, and pass the data of new ones
 *
 * The proxy knows the records of ONC RPC by their transaction number. When it has swallowed
 * all of a record, it prints "swallowed XID BYTES". When it has sent a record that it has
 * sent before, it prints "resent XID BYTES same", or "different" if the bytes of the first
 * one were others.
 */
#define _GNU_SOURCE
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "die.h"
#include "loopback.h"

#define MAX_CONNECTIONS 16
#define MAX_RECORDS 4096

static enum { PASS, HOLD, SWALLOW } state;

/* A client sends records: a length, a transaction number (XID), the rest. */
static struct connection {
	int client, server;	/* -1: unused */
	unsigned char head[8];	/* the length and the XID of the record */
	size_t received;	/* bytes of the record, the length included */
	size_t len;		/* of the record, the length included */
	uint64_t hash;
} connections[MAX_CONNECTIONS];

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

static int connect_to(uint16_t port)
{
	struct sockaddr_in to = loopback(port);
	int fd = tcp_socket();

	if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The client gets a reset, and the data that is still in a buffer is lost. */
static void reset_connection(struct connection *c)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(c->client);
	close(c->server);
	c->client = c->server = -1;
}

static void accept_connection(int listener, uint16_t server_port)
{
	int fd = accept(listener, NULL, NULL), i;

	if (fd < 0)
		die("accept: %m");
	for (i = 0; i < MAX_CONNECTIONS; i++) {
		struct connection *c = &connections[i];

		if (c->client >= 0)
			continue;
		memset(c, 0, sizeof(*c));
		c->client = fd;
		c->server = connect_to(server_port);
		if (c->server < 0)
			reset_connection(c);
		return;
	}
	die("too many connections");
}

static void record_complete(struct connection *c)
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

/* Finds the records in @n bytes from the client. */
static void parse_records(struct connection *c, const unsigned char *p, size_t n)
{
	while (n--) {
		if (c->received < 8)
			c->head[c->received] = *p;
		c->hash = (c->hash ^ *p++) * 0x100000001b3ULL;
		c->received++;
		if (c->received == 4) {
			uint32_t len;

			memcpy(&len, c->head, 4);
			c->len = (ntohl(len) & 0x7fffffff) + 4;
		}
		if (c->received > 8 && c->received == c->len) {
			record_complete(c);
			c->received = c->len = c->hash = 0;
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
static bool forward(struct connection *c, bool from_client)
{
	static unsigned char buf[4096];
	ssize_t n = read(from_client ? c->client : c->server, buf, sizeof(buf));

	if (n <= 0)
		return false;
	if (!from_client)
		return send_all(c->client, buf, n);
	parse_records(c, buf, n);
	return state == SWALLOW || send_all(c->server, buf, n);
}

static void read_command(void)
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
	} else if (!strcmp(line, "cut") || !strcmp(line, "drop")) {
		for (i = 0; i < MAX_CONNECTIONS; i++)
			if (connections[i].client >= 0)
				reset_connection(&connections[i]);
		if (!strcmp(line, "drop"))
			state = PASS;
	} else {
		die("unknown command '%s'", line);
	}
	printf("%s\n", line);
}

/* fds: standard input, the listener, then client and server of each connection. */
static void wait_for_events(struct pollfd *fds, int listener)
{
	int i;

	fds[0] = (struct pollfd){ .fd = 0, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (i = 0; i < MAX_CONNECTIONS; i++) {
		fds[2 + 2 * i] = (struct pollfd){
			.fd = state == HOLD ? -1 : connections[i].client,
			.events = POLLIN,
		};
		fds[3 + 2 * i] = (struct pollfd){
			.fd = connections[i].server, .events = POLLIN,
		};
	}
	if (poll(fds, 2 + 2 * MAX_CONNECTIONS, -1) < 0)
		die("poll: %m");
}

static void serve(int listener, uint16_t server_port)
{
	struct pollfd fds[2 + 2 * MAX_CONNECTIONS];
	int i;

	for (;;) {
		wait_for_events(fds, listener);
		if (fds[0].revents) {
			read_command();
			continue;	/* the state of the connections may have changed */
		}
		if (fds[1].revents)
			accept_connection(listener, server_port);
		for (i = 0; i < 2 * MAX_CONNECTIONS; i++) {
			struct connection *c = &connections[i / 2];

			if (fds[2 + i].revents && c->client >= 0 && !forward(c, i % 2 == 0))
				reset_connection(c);
		}
	}
}

int main(int argc, char **argv)
{
	int listener = tcp_socket(), small = 4096, i;
	struct sockaddr_in address;

	if (argc != 3)
		die("usage: tcphold PORT SERVER_PORT");
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	for (i = 0; i < MAX_CONNECTIONS; i++)
		connections[i].client = connections[i].server = -1;
	/* Only a small part of a message has room in the receive buffer. */
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	address = loopback(atoi(argv[1]));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 8))
		die("port %s: %m", argv[1]);
	printf("ready\n");
	serve(listener, atoi(argv[2]));
}
