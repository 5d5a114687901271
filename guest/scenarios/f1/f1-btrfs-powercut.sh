# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# btrfs takes the checksum of a page and then submits the page. A direct read that lands in between
# changes the page under the write. fsync() returns 0, then the power is cut.
# Stock: the data does not match its checksum: 64 of 64 pages cannot be read (EIO).
# Patched: all pages have the old data.
DESC="F1: btrfs, a direct read lands during fsync, power cut"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup
	requires_fs btrfs
}

run() {
	source_new 1
	dm_linear disk /dev/vda 0 512
	fs_new btrfs /dev/mapper/disk /mnt
	fillpat -l 256k /mnt/data
	sync
	dm_hold source
	pinrace -f /mnt/data -l 256k -s "$SOURCE" \
		dirty=1 read "sh=$HOLD disk" 'fsync&' wb settle=1000 \
		"sh=$RELEASE source" reap "sh=$RELEASE disk" join | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
}

verify() {
	dm_linear disk /dev/vda 0 512
	mount -t btrfs /dev/mapper/disk /mnt
	expect_pages "data after the power cut" "$(pagecheck -g 1 /mnt/data)" old new torn
}
