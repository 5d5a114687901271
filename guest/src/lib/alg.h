/* SPDX-License-Identifier: GPL-2.0 */
/* AF_ALG: the kernel's crypto on user pages. */
#ifndef ALG_H
#define ALG_H

#include <linux/if_alg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_ALG
#define SOL_ALG 279
#endif

/* A socket for one operation, or -1 with errno. Hashes have no key, only AEADs have a tag. */
static inline int alg_open(const char *type, const char *name, const void *key, size_t key_len,
			   int tag_len)
{
	struct sockaddr_alg address = { .salg_family = AF_ALG };
	int fd, operation;

	strcpy((char *)address.salg_type, type);
	strcpy((char *)address.salg_name, name);
	fd = socket(AF_ALG, SOCK_SEQPACKET, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (void *)&address, sizeof(address)) ||
	    (key_len && setsockopt(fd, SOL_ALG, ALG_SET_KEY, key, key_len)) ||
	    (tag_len && setsockopt(fd, SOL_ALG, ALG_SET_AEAD_AUTHSIZE, NULL, tag_len))) {
		close(fd);
		return -1;
	}
	operation = accept(fd, NULL, NULL);
	close(fd);
	return operation;
}

static inline void *alg_set(struct cmsghdr *control, int type, size_t len)
{
	control->cmsg_level = SOL_ALG;
	control->cmsg_type = type;
	control->cmsg_len = CMSG_LEN(len);
	return CMSG_DATA(control);
}

/*
 * Sends data to a cipher. @direction: ALG_OP_ENCRYPT or ALG_OP_DECRYPT; @iv_len: the
 * length of its initialization vector, 16 at most; @flags: as of send()
 */
static inline ssize_t alg_send(int operation, int direction, int iv_len, const void *data,
			       size_t len, int flags)
{
	char control[CMSG_SPACE(4) * 2 + CMSG_SPACE(4 + 16)] = { 0 };
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct af_alg_iv *iv;

	*(uint32_t *)alg_set(c, ALG_SET_OP, 4) = direction;
	c = CMSG_NXTHDR(&msg, c);
	iv = alg_set(c, ALG_SET_IV, 4 + 16);
	iv->ivlen = iv_len;
	memset(iv->iv, 7, 16);
	c = CMSG_NXTHDR(&msg, c);
	*(uint32_t *)alg_set(c, ALG_SET_AEAD_ASSOCLEN, 4) = 0;
	return sendmsg(operation, &msg, flags);
}

#endif
