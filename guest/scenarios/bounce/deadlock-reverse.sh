# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# fsync() has page 0 under writeback and comes to page 1; a direct read has pinned page 1 and
# faults on page 0, which waits for writeback as the device needs stable content. If writeback
# waited for pins, this would never end. Whether the two meet is left to chance.
# A stock kernel does not wait for pins either; this test guards the series.
DESC="fsync and direct reads into a reversed mapping do not hang"
TIMEOUT=120
STOCK=pass

requires() {
	need_cmd dmsetup
	need_mod dm-delay
	requires_fs ext4 xfs
}

run() {
	local fs
	modprobe dm-delay
	fillpat -w S -l 1m /dev/vdb
	want_stable /dev/vda
	for fs in ext4 xfs; do
		dm_new disk "0 $((64 * 2048)) delay /dev/vda 0 0 /dev/vda 0 5"
		fs_new $fs /dev/mapper/disk /mnt
		fillpat -l 64k /mnt/data
		mark_bounced
		info "$fs: $(syncrace -R -t 6 -p 2 /mnt/data /dev/vdb)"
		info "$fs: $(syncrace -R -t 6 -p 16 /mnt/data /dev/vdb)"
		expect_bounced 1
		umount /mnt
		dmsetup remove disk
	done
}
