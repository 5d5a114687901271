# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Two mirrors write the same page at different times. The second one is held while a direct read
# changes the page.
# Stock: the mirrors differ, and a check of the array counts the sectors. Patched: they are equal.
DESC="RAID 1: the mirrors are equal after a read during fsync"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup mdadm
	need_mod raid1
	requires_fs ext4
}

run() {
	source_new 1
	dm_linear fast /dev/vda 0 64
	dm_linear slow /dev/vda 64 64
	md_new 1 /dev/mapper/fast /dev/mapper/slow
	want_stable /dev/md0
	fs_new ext4 /dev/md0 /mnt
	fillpat -l 256k /mnt/data
	sync
	held_race /mnt/data 256k "sh=$HOLD slow" "sh=$RELEASE slow"
	expect_bounced 64
	md_check
	expect_pages "data on the mirrors" "$(pagecheck -g 1 -d /dev/md0 /mnt/data)" old
}
