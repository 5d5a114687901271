# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# ext4 on a SCSI disk that this machine makes for itself (LIO, tcm_loop), with a file of btrfs
# behind it (fileio with fd_async_io). LIO hands the pages of ext4 to direct I/O of btrfs and cannot
# tell ext4 to keep them stable. First a direct read lands in one file, then a program stores to
# another, each time between checksum and write. fsync() returns 0, then the power is cut.
# Stock: no page of the two files can be read (EIO). Patched: btrfs sees that the pages may change
# and copies them to its page cache.
DESC="ext4 on a file of btrfs behind LIO, pages change during fsync, power cut"
TIMEOUT=150
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/stacked.sh
. /proj/guest/lib/stacked.sh

requires() {
	need_cmd dmsetup
	need_mod target_core_file tcm_loop
	requires_fs btrfs ext4
}

run() {
	source_new 1
	image_new
	target_on /mnt/image 64
	fs_new ext4 "$TARGET" $INNER -b 4096
	fillpat -l 256k $INNER/read $INNER/store
	sync
	dm_hold source
	pinrace -f $INNER/read -l 256k -s "$SOURCE" dirty=1 read "sh=$HOLD disk" 'fsync&' wb \
		settle=1000 "sh=$RELEASE source" reap "sh=$RELEASE disk" join | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
	store_race $INNER/store 256k "sh=$HOLD disk" "sh=$RELEASE disk"
}

verify() {
	image_again
	target_on /mnt/image 64
	mkdir -p $INNER
	mount -t ext4 "$TARGET" $INNER
	expect_pages "read into, after the power cut" "$(pagecheck -g 1 $INNER/read)" old new torn
	expect_pages "stored to, after the power cut" "$(pagecheck -g 1 $INNER/store)" old
}
