# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# data=journal: the commit takes the checksum of a data block for its tag, and then submits the
# block. A direct read that lands in between changes the block under the write. The journal is on a
# device of its own, which can be held.
# Stock: fsync() returns 0, and after a power cut recovery finds a block that does not match its
# tag: the filesystem cannot be mounted. Patched: the old data is recovered.
DESC="ext4 data=journal, a read lands during fsync, power cut"
TIMEOUT=120
STOCK=fail
ONLY="6.1"

requires() {
	need_cmd dmsetup dumpe2fs
	requires_fs ext4
}

make_devices() {
	dm_linear disk /dev/vda 0 256
	dm_linear journal /dev/vda 256 64
}

run() {
	source_new 1
	make_devices
	mkfs.ext4 -q -F -b 4096 -O journal_dev /dev/mapper/journal
	fs_new ext4 /dev/mapper/disk /mnt -b 4096 -O metadata_csum,64bit \
		-J device=/dev/mapper/journal
	umount /mnt
	mount -t ext4 -o data=journal /dev/mapper/disk /mnt
	fillpat -l 256k /mnt/data
	sync
	dumpe2fs /dev/mapper/journal >/run/journal 2>/dev/null
	grep -q journal_checksum_v3 /run/journal || fail "error: the journal has no checksums"
	mark_bounced
	dm_hold source
	pinrace -f /mnt/data -l 256k -s "$SOURCE" \
		dirty=1 read "sh=$HOLD journal" 'fsync&' settle=1000 \
		"sh=$RELEASE source" reap "sh=$RELEASE journal" join | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
	expect_bounced 64
}

verify() {
	# The superblock names the journal by a device number, which is another one now.
	local options=data=journal,journal_path=/dev/mapper/journal messages
	make_devices
	if ! mount -t ext4 -o $options /dev/mapper/disk /mnt; then
		messages=$(dmesg | grep -E 'JBD2|EXT4-fs' | tail -n 2 | sed 's/^\[[^]]*\] //')
		fail "after the power cut the filesystem cannot be mounted: ${messages//$'\n'/ }"
	fi
	dmesg | grep -q 'EXT4-fs.*recovery complete' || fail "error: nothing was recovered"
	expect_pages "data after the power cut" "$(pagecheck -g 1 /mnt/data)" old
}
