# shellcheck shell=bash disable=SC2034
# A compressor whose input changes while it runs can write anything. So clusters
# with pages that a device may be writing to must not go through it. A stock
# kernel compresses them.
DESC="f2fs compression leaves out clusters with pages held by a direct read"
TIMEOUT=180
STOCK=fail
ONLY="6.1"

requires() { need_cmd dmsetup mkfs.f2fs f2fs_io; need_fs f2fs; }

# How many blocks compression saves in a file.
saved() { f2fs_io get_cblocks "$1" | tail -n 1; }

run() {
	local alg all held
	source_new 1
	want_stable /dev/vda
	dm_linear disk /dev/vda 0 512
	for alg in lz4 lzo zstd; do
		mkfs.f2fs -q -f -O extra_attr,inode_checksum,sb_checksum,compression /dev/mapper/disk >/dev/null
		mkdir -p /mnt
		mount -t f2fs -o "compress_algorithm=$alg,compress_log_size=2,compress_extension=*,compress_chksum" /dev/mapper/disk /mnt ||
			skip "this kernel has no $alg for f2fs"
		no_flusher
		fillpat -l 256k /mnt/data
		pinrace -f /mnt/data -l 256k dirty=1 fsync
		all=$(saved /mnt/data)
		info "$alg: $all blocks saved without pinned pages"
		((all >= 16)) || fail "error: $alg: the file is not compressed"

		mark_bounced
		dm_hold source
		# Pages 16 to 47 of 64 are held: half of the clusters, of 4 pages each.
		pinrace -f /mnt/data -l 256k -s "$SOURCE" -r 64k:128k dirty=2 read fsync \
			"sh=f2fs_io get_cblocks /mnt/data >/run/held" "sh=$RELEASE source" reap
		held=$(tail -n 1 /run/held)
		info "$alg: $held blocks saved with half of the pages held"
		((held * 2 == all)) || fail "$alg: $held blocks saved, with half of the pages held and $all without: those that are held were compressed"
		expect_bounced 32
		sync
		echo 3 >/proc/sys/vm/drop_caches
		expect_pages "$alg, read back" "$(pagecheck -g 2 /mnt/data)" old new
		umount /mnt
	done
}
