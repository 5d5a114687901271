// SPDX-License-Identifier: GPL-2.0
/* TCP connections over loopback, and TLS on them. */
#include <linux/tls.h>
#include <netinet/tcp.h>

#include "loopback.h"
#include "pincallers.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#ifndef TLS_RX_EXPECT_NO_PAD
#define TLS_RX_EXPECT_NO_PAD 4
#endif

void tcp_pair(int fd[2])
{
	struct sockaddr_in address = loopback(0);
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 || bind(listener, (void *)&address, len) || listen(listener, 1) ||
	    getsockname(listener, (void *)&address, &len))
		die_not_ok("listen");
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (fd[0] < 0 || connect(fd[0], (void *)&address, len))
		die_not_ok("connect");
	fd[1] = accept(listener, NULL, NULL);
	if (fd[1] < 0)
		die_not_ok("accept");
	close(listener);
}

bool tls_pair(int fd[2], int version)
{
	struct tls12_crypto_info_aes_gcm_128 crypto = {
		.info = { version, TLS_CIPHER_AES_GCM_128 },
	};
	int one = 1;

	fill_bytes(crypto.key, sizeof(crypto.key), 5);
	fill_bytes(crypto.iv, sizeof(crypto.iv), 6);
	tcp_pair(fd);
	if (setsockopt(fd[0], IPPROTO_TCP, TCP_ULP, "tls", 4) ||
	    setsockopt(fd[1], IPPROTO_TCP, TCP_ULP, "tls", 4) ||
	    setsockopt(fd[0], SOL_TLS, TLS_TX, &crypto, sizeof(crypto)) ||
	    setsockopt(fd[1], SOL_TLS, TLS_RX, &crypto, sizeof(crypto)) ||
	    (version == TLS_1_3_VERSION &&
	     setsockopt(fd[1], SOL_TLS, TLS_RX_EXPECT_NO_PAD, &one, sizeof(one)))) {
		close(fd[0]);
		close(fd[1]);
		return false;
	}
	return true;
}
