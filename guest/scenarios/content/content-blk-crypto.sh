# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The same as content-fscrypt-FS, but the block layer encrypts (blk-crypto-fallback), as with
# hardware for inline encryption.
# Stock: content that nobody has written. Patched: none. Debian's kernel has no inline encryption;
# KERNEL=lean is stock with it.
DESC="inline encryption: reads land while fsync encrypts, power cut"
TIMEOUT=120
STOCK=fail
ONLY="6.1"
CMDLINE="cryptomgr.notests=1"
QEMUARGS="-smp 1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh

requires() {
	requires_adiantum
	requires_fs ext4
	grep -q ' blk_crypto_fallback_bio_prep$' /proc/kallsyms ||
		skip "this kernel has no blk-crypto-fallback"
}

run() {
	dm_linear disk /dev/vda 0 512
	no_flusher
	mkfs.ext4 -q -F -O encrypt -E lazy_itable_init=0 /dev/mapper/disk
	adiantum_split
	crypt_mount ext4 -o inlinecrypt
	crypt_race
	dmesg | grep -q 'Adiantum using blk-crypto-fallback' || fail "error: who encrypts?"
}

verify() {
	dm_linear disk /dev/vda 0 512
	crypt_mount ext4 -o inlinecrypt
	crypt_check
}
