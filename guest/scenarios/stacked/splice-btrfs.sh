# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# splice() from a file of ext4 to a file of btrfs that is open with O_DIRECT hands the page cache
# pages of the first file to btrfs. A direct read that lands between checksum and write changes
# the pages, and nothing keeps stores from doing the same: the pages are not under writeback.
# Stock: 64 of 64 pages of the copy cannot be read (EIO). Patched: btrfs copies the pages to its
# page cache first.
DESC="splice of a mapped file to an O_DIRECT file of btrfs, a direct read lands"
TIMEOUT=120
STOCK=fail
ONLY="6.1"

requires() {
	need_cmd dmsetup
	requires_fs btrfs ext4
}

run() {
	source_new 1
	dm_linear disk /dev/vda 0 384
	dm_linear other /dev/vda 384 64
	fs_new btrfs /dev/mapper/disk /mnt
	fs_new ext4 /dev/mapper/other /run/other
	fillpat -g 1 -l 256k /run/other/data
	dm_hold source
	pinrace -f /run/other/data -l 256k -s "$SOURCE" read "sh=$HOLD disk" 'splice&=/mnt/copy' \
		settle=1000 "sh=$RELEASE source" reap "sh=$RELEASE disk" join | tee /run/race
	grep -qx 'splice ok' /run/race || fail "$(cat /run/race)"
	sync
	echo 3 >/proc/sys/vm/drop_caches
	expect_pages "the copy" "$(pagecheck -g 1 /mnt/copy)" old new torn
}
