# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The same as content-fscrypt-FS, but dm-crypt encrypts the disk. It does so in the task that
# submits the write (no_write_workqueue).
# Stock: content that nobody has written. Patched: dm-crypt asks for stable pages, and pinned pages
# are copied before.
DESC="dm-crypt with Adiantum: reads land while fsync encrypts, power cut"
TIMEOUT=120
STOCK=fail
ONLY="6.1"
CMDLINE="cryptomgr.notests=1"
QEMUARGS="-smp 1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh

requires() {
	requires_adiantum
	need_mod dm-crypt
	requires_fs ext4
}

CRYPT_OPTIONS='sector_size:4096 no_write_workqueue'

# crypt_disk: /dev/mapper/crypt, with sectors of the size of a page.
crypt_disk() {
	local cipher=xchacha12,aes-adiantum-plain64 key
	key=$(printf '%064d' 1)
	dm_linear disk /dev/vda 0 512
	dm_new crypt "0 $((512 * 2048)) crypt $cipher $key 0 /dev/mapper/disk 0 2 $CRYPT_OPTIONS"
}

run() {
	adiantum_split
	crypt_disk
	fs_new ext4 /dev/mapper/crypt /mnt -b 4096
	mkdir /mnt/dir
	adiantum_race
	expect_bounced 16
}

verify() {
	# shellcheck disable=SC2086 # a list
	modprobe -a $ADIANTUM
	crypt_disk
	mkdir -p /mnt
	mount -t ext4 /dev/mapper/crypt /mnt
	crypt_check
}
