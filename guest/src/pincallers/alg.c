// SPDX-License-Identifier: GPL-2.0
/* AF_ALG: a cipher and an AEAD write to the buffer of recv(), a hash reads the one of send(). */
#include "alg.h"

#include <stdio.h>

#include "pincallers.h"

static unsigned char key[32];
static char plain[4 * PAGE_SIZE];

static void cipher_cases(void)
{
	static char cipher[sizeof(plain)];
	int op = alg_open("skcipher", "xts(aes)", key, 32, 0);
	ssize_t n;

	if (op < 0) {
		case_skip("AF_ALG skcipher", "no xts(aes)");
		return;
	}
	case_begin();
	n = alg_send(op, ALG_OP_ENCRYPT, 16, plain, sizeof(plain), 0);
	case_end(n == sizeof(plain) ? NULL : "sendmsg", 0, "AF_ALG skcipher, sendmsg");
	case_begin();
	n = recv(op, target.map, sizeof(plain), 0);
	case_end(n == sizeof(plain) && memcmp(target.map, plain, n) ? NULL : "recv", 4,
		 "AF_ALG skcipher, recv");
	memcpy(cipher, target.map, sizeof(cipher));
	alg_send(op, ALG_OP_DECRYPT, 16, cipher, sizeof(cipher), 0);
	case_begin();
	/* not aligned: one page more */
	n = recv(op, target.map + 128, sizeof(plain), 0);
	case_end(n == sizeof(plain) ? check_file(plain, sizeof(plain), 128) : "recv", 5,
		 "AF_ALG skcipher, recv of five pages");

	/* The second half of the buffer is not mapped. */
	alg_send(op, ALG_OP_ENCRYPT, 16, plain, sizeof(plain), 0);
	case_begin();
	n = recv(op, target.map + FILE_SIZE - 2 * PAGE_SIZE, sizeof(plain), 0);
	case_end(n < 0 || n == 2 * (ssize_t)PAGE_SIZE ? NULL : "length", 2,
		 "AF_ALG skcipher, bad buffer");
	close(op);
}

/* The digest is the one that sha256sum prints for the start of FILE. */
static bool digest_is_right(const unsigned char *digest)
{
	char text[512], hex[65];
	bool right;
	FILE *pipe;
	int i;

	for (i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	snprintf(text, sizeof(text), "head -c %zu '%s' | sha256sum", sizeof(plain), target.path);
	pipe = popen(text, "r");
	right = pipe && fgets(text, sizeof(text), pipe) && !strncmp(text, hex, 64);
	if (pipe)
		pclose(pipe);
	return right;
}

static void hash_cases(void)
{
	int op = alg_open("hash", "sha256", NULL, 0, 0);
	unsigned char digest[32];
	const char *error;
	ssize_t n;

	if (op < 0) {
		case_skip("AF_ALG hash", "no sha256");
		return;
	}
	memcpy(target.map, plain, sizeof(plain));
	case_begin();
	n = send(op, target.map, sizeof(plain), 0);
	case_end(n == sizeof(plain) ? NULL : "send", 4, "AF_ALG hash, send");
	msync(target.map, FILE_SIZE, MS_SYNC);
	error = recv(op, digest, 32, 0) == 32 ? NULL : "recv";
	case_begin();
	if (!digest_is_right(digest))
		error = "digest";
	case_end(error, 0, "AF_ALG hash, digest");
	close(op);
}

static void aead_cases(void)
{
	static char cipher[2 * PAGE_SIZE + 16];		/* the tag is behind the data */
	int op = alg_open("aead", "gcm(aes)", key, 16, 16);
	ssize_t n;

	if (op < 0) {
		case_skip("AF_ALG aead", "no gcm(aes)");
		return;
	}
	alg_send(op, ALG_OP_ENCRYPT, 12, plain, 2 * PAGE_SIZE, 0);
	case_begin();
	n = recv(op, target.map, sizeof(cipher), 0);
	case_end(n == sizeof(cipher) ? NULL : "recv", 3, "AF_ALG aead, encrypt");
	memcpy(cipher, target.map, sizeof(cipher));
	alg_send(op, ALG_OP_DECRYPT, 12, cipher, sizeof(cipher), 0);
	case_begin();
	n = recv(op, target.map, 2 * PAGE_SIZE, 0);
	case_end(n == 2 * PAGE_SIZE ? check_file(plain, 2 * PAGE_SIZE, 0) : "recv", 2,
		 "AF_ALG aead, decrypt");
	cipher[5] ^= 1;
	alg_send(op, ALG_OP_DECRYPT, 12, cipher, sizeof(cipher), 0);
	case_begin();
	n = recv(op, target.map, 2 * PAGE_SIZE, 0);
	case_end(n < 0 && errno == EBADMSG ? NULL : "no EBADMSG", 2, "AF_ALG aead, wrong tag");
	close(op);
}

void call_alg(void)
{
	fill_bytes(key, sizeof(key), 3);
	fill_bytes(plain, sizeof(plain), 4);
	cipher_cases();
	hash_cases();
	aead_cases();
}
