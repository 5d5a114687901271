# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Encryption by the filesystem (fscrypt). Adiantum takes a hash of a block, and then encrypts the
# block with a nonce made of that hash. Direct reads land in between.
# Stock: the last 16 bytes of a block that has changed in between decrypt to content that nobody has
# written. Patched: every word is from the program or from a read.
DESC="FS with fscrypt: reads land while fsync encrypts, power cut"
TIMEOUT=120
STOCK=fail
ONLY="6.1"
FS="ext4 f2fs"
# The self-tests of Adiantum take a minute in an emulated machine.
CMDLINE="cryptomgr.notests=1"
QEMUARGS="-smp 1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh

requires() {
	requires_adiantum
	requires_fs "$FS"
}

run() {
	dm_linear disk /dev/vda 0 512
	no_flusher
	case $FS in
	ext4) mkfs.ext4 -q -F -O encrypt -E lazy_itable_init=0 /dev/mapper/disk ;;
	f2fs) mkfs.f2fs -q -f -O encrypt /dev/mapper/disk >/dev/null ;;
	esac
	adiantum_split
	crypt_mount "$FS"
	crypt_race
	expect_bounced 16
}

verify() {
	dm_linear disk /dev/vda 0 512
	crypt_mount "$FS"
	crypt_check
}
