// SPDX-License-Identifier: GPL-2.0
/* getsockopt() of RDS, which writes counters to user pages. */
#include <sys/socket.h>

#include "pincallers.h"

#ifndef PF_RDS
#define PF_RDS 21
#endif
#ifndef SOL_RDS
#define SOL_RDS 276
#endif
#define RDS_INFO_COUNTERS 10000

struct rds_counter {
	char name[32];
	uint64_t value;
} __attribute__((packed));

static const char *check_counters(const struct rds_counter *counters, size_t len)
{
	unsigned int i, known = 0;

	for (i = 0; i < len / sizeof(*counters); i++)
		known += !strcmp(counters[i].name, "conn_reset");
	if (known != 1)
		return "no counter conn_reset";
	return check_file(counters, len, 512);
}

void call_rds(void)
{
	struct rds_counter *counters = (void *)(target.map + 512);
	socklen_t len = 2 * PAGE_SIZE;
	int fd = socket(PF_RDS, SOCK_SEQPACKET, 0), result;

	if (fd < 0) {
		case_skip("RDS", "no RDS");
		return;
	}
	memset(target.map, 0xff, 3 * PAGE_SIZE);
	case_begin();
	result = getsockopt(fd, SOL_RDS, RDS_INFO_COUNTERS, counters, &len);
	case_end(result == sizeof(*counters) ? check_counters(counters, len) : "getsockopt", 3,
		 "RDS getsockopt");

	/* Too short: the wanted size is returned, only the page that was given is pinned. */
	len = 16;
	case_begin();
	result = getsockopt(fd, SOL_RDS, RDS_INFO_COUNTERS, counters, &len);
	case_end(result < 0 && errno == ENOSPC && len > 16 ? NULL : "no ENOSPC", 1,
		 "RDS getsockopt, short");
	close(fd);
}
