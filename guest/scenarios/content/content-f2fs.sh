# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A compressor whose input changes while it runs can write anything. So clusters with pages that a
# device may be writing to must not go through it (lz4, lzo, zstd).
# Stock: they are compressed. Patched: they are not.
DESC="f2fs compression leaves out clusters that a direct read holds"
TIMEOUT=180
STOCK=fail
ONLY="6.1"

requires() {
	need_cmd dmsetup mkfs.f2fs f2fs_io
	need_fs f2fs
}

# saved_blocks FILE: prints how many blocks compression saves in it.
saved_blocks() { f2fs_io get_cblocks "$1" | tail -n 1; }

run() {
	local algorithm all held options
	local features=extra_attr,inode_checksum,sb_checksum,compression
	source_new 1
	want_stable /dev/vda
	dm_linear disk /dev/vda 0 512
	for algorithm in lz4 lzo zstd; do
		mkfs.f2fs -q -f -O $features /dev/mapper/disk >/dev/null
		mkdir -p /mnt
		options="compress_algorithm=$algorithm,compress_log_size=2"
		options+=",compress_extension=*,compress_chksum"
		mount -t f2fs -o "$options" /dev/mapper/disk /mnt ||
			skip "this kernel has no $algorithm for f2fs"
		no_flusher
		fillpat -l 256k /mnt/data
		pinrace -f /mnt/data -l 256k dirty=1 fsync
		all=$(saved_blocks /mnt/data)
		info "$algorithm: $all blocks saved without pinned pages"
		((all >= 16)) || fail "error: $algorithm: the file is not compressed"

		mark_bounced
		dm_hold source
		# Pages 16 to 47 of 64 are held: half of the clusters, of 4 pages each.
		pinrace -f /mnt/data -l 256k -s "$SOURCE" -r 64k:128k dirty=2 read fsync \
			"sh=f2fs_io get_cblocks /mnt/data >/run/held" "sh=$RELEASE source" reap
		held=$(tail -n 1 /run/held)
		info "$algorithm: $held blocks saved with half of the pages held"
		((held * 2 == all)) ||
			fail "$algorithm: $held blocks saved with half of the pages held, and" \
				"$all without: clusters with such pages were compressed"
		expect_bounced 32
		sync
		echo 3 >/proc/sys/vm/drop_caches
		expect_pages "$algorithm, read back" "$(pagecheck -g 2 /mnt/data)" old new
		umount /mnt
	done
}
