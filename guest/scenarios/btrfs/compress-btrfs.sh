# shellcheck shell=bash disable=SC2034
# A compressor whose input changes while it runs can write anything, and what it
# wrote has a good checksum. So pages that a device may be writing to must not
# go through it. A stock kernel compresses them.
DESC="btrfs compression leaves out pages that are held by a direct read"
TIMEOUT=120
STOCK=fail

requires() { need_cmd dmsetup filefrag; requires_fs btrfs; }

# Are there compressed extents in a file?
compressed() { filefrag -v "$1" | tee -a /run/filefrag | grep -q encoded; }

run() {
	local alg
	source_new 1
	dm_linear disk /dev/vda 0 512
	fs_new btrfs /dev/mapper/disk /mnt
	for alg in zstd lzo zlib; do
		mount -o "remount,compress-force=$alg" /mnt
		fillpat -l 256k "/mnt/$alg"
		pinrace -f "/mnt/$alg" -l 256k dirty=1 fsync
		compressed "/mnt/$alg" || fail "$alg: a file without pinned pages is not compressed"

		mark_bounced
		dm_hold source
		pinrace -f "/mnt/$alg" -l 256k -s "$SOURCE" -r 64k:128k dirty=2 read fsync \
			"sh=filefrag -v /mnt/$alg >/run/pinned" "sh=$RELEASE source" reap
		cat /run/pinned
		# Pages 16 to 47 are held: no compressed extent may have one of them.
		awk -F '[:.]+' '/encoded/ && $2 + 0 <= 47 && $3 + 0 >= 16 { exit 1 }' /run/pinned ||
			fail "$alg: pages that a direct read holds were compressed"
		expect_bounced 32
		sync
		echo 3 >/proc/sys/vm/drop_caches
		expect_pages "$alg, read back" "$(pagecheck -g 2 "/mnt/$alg")" old new
	done
}
