// SPDX-License-Identifier: GPL-2.0
/*
 * algbind TYPE NAME
 *
 * Has the kernel look for an algorithm. If NAME is a template with arguments, such as
 * "cryptd(xchacha12)", this makes an instance of it. The instance stays, and is used for its
 * algorithm from then on if it has the highest priority. It may have another name than NAME, so
 * whether NAME is found tells nothing: /proc/crypto does.
 */
#define _GNU_SOURCE
#include "alg.h"
#include "die.h"

int main(int argc, char **argv)
{
	if (argc != 3)
		die("usage: algbind TYPE NAME");
	close(alg_open(argv[1], argv[2], NULL, 0, 0));
	return 0;
}
