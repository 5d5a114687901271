# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A compressor whose input changes while it runs can write anything, and the result has a good
# checksum. So pages that a device may be writing to must not go through it.
# Stock: they are compressed. Patched: no compressed extent has such a page.
DESC="btrfs compression leaves out pages that a direct read holds"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup filefrag
	requires_fs btrfs
}

# is_compressed FILE: it has compressed extents.
is_compressed() { filefrag -v "$1" | tee -a /run/filefrag | grep -q encoded; }

run() {
	local algorithm file
	source_new 1
	dm_linear disk /dev/vda 0 512
	fs_new btrfs /dev/mapper/disk /mnt
	for algorithm in zstd lzo zlib; do
		file=/mnt/$algorithm
		mount -o "remount,compress-force=$algorithm" /mnt
		fillpat -l 256k "$file"
		pinrace -f "$file" -l 256k dirty=1 fsync
		is_compressed "$file" ||
			fail "$algorithm: a file without pinned pages is not compressed"

		mark_bounced
		dm_hold source
		pinrace -f "$file" -l 256k -s "$SOURCE" -r 64k:128k dirty=2 read fsync \
			"sh=filefrag -v $file >/run/pinned" "sh=$RELEASE source" reap
		cat /run/pinned
		# Pages 16 to 47 are held: no compressed extent may have one of them.
		awk -F '[:.]+' '/encoded/ && $2 + 0 <= 47 && $3 + 0 >= 16 { exit 1 }' /run/pinned ||
			fail "$algorithm: pages that a direct read holds were compressed"
		expect_bounced 32
		sync
		echo 3 >/proc/sys/vm/drop_caches
		expect_pages "$algorithm, read back" "$(pagecheck -g 2 "$file")" old new
	done
}
