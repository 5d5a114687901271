# shellcheck shell=bash disable=SC2034
# Pages of btrfs that a device has dirtied get their space reserved by a worker, and
# punching a hole relies on it that nobody does so meanwhile. Here a hole is punched, and
# the last part of the page before it has to be read for that, from a block that is
# held. Then the hole's pages are written, which a device has just brought, as a part of
# an extent that ends after the hole was punched: on a stock kernel what was written is
# back in the hole, and the inode has a wrong count of bytes (and there is a WARNING, as
# the extent begins within the hole).
DESC="btrfs: a hole stays one when pages in it are written that a device has dirtied"
TIMEOUT=120
ONLY="6.1"
STOCK=fail

requires() { need_cmd dmsetup xfs_io filefrag btrfs-map-logical; requires_fs btrfs; }

# The file: a page that is in no hole, one that is, then what a device reads to, some pages
# of which are in the hole, too.
HOLE=$((64 << 10)) READ=8192 LEN=$((256 << 10))
hole_is_zero() { cmp -s -n $HOLE -i 4096:0 /mnt/data /dev/zero; }

# punch_reads: a read of the disk is under way.
punch_reads() { (($(awk '{ print $1 }' "/sys/dev/block/$(stat -Lc %Hr:%Lr /dev/mapper/disk)/inflight"))); }

# reserved: bytes that have their space. all_reserved SINCE: those of the device, too.
reserved() { cat /sys/fs/btrfs/*-*/allocation/data/bytes_may_use; }
all_reserved() { (($(reserved) >= $1 + LEN)); }

# disk_with_edge SECTOR: from now on what is in that page of the disk is in /dev/mapper/edge.
disk_with_edge() {
	local size=$((512 * 2048))
	dm_new edge "0 8 linear /dev/vda $1"
	dm_hold disk
	dmsetup reload disk <<-END
		0 $1 linear /dev/vda 0
		$1 8 linear /dev/mapper/edge 0
		$(($1 + 8)) $((size - $1 - 8)) linear /dev/vda $(($1 + 8))
	END
	dm_release disk
}

run() {
	local page sector race since
	source_new 1
	dm_linear disk /dev/vda 0 512
	fs_new btrfs /dev/mapper/disk /mnt
	fillpat -l $((READ + LEN)) /mnt/data
	sync
	page=$(filefrag -v /mnt/data | awk -F '[: .]+' '$2 == 0 { print $5; exit }')
	sector=$(($(btrfs-map-logical -l $((page * 4096)) /dev/mapper/disk | sed -n '1s/.* physical \([0-9]*\) .*/\1/p') / 512))
	((sector > 8)) || fail "error: where is the first page?"
	disk_with_edge "$sector"

	dm_hold source
	pinrace -f /mnt/data -o $READ -l $LEN -s "$SOURCE" dirty=1 read fsync 'sh=touch /run/clean' \
		'sh=until [ -e /run/go ]; do sleep 0.1; done' "sh=$RELEASE source" reap &
	race=$!
	wait_for 60 test -e /run/clean || fail "error: pinrace"
	xfs_io -c 'fadvise -d 0 4096' /mnt/data
	dm_hold edge
	{ xfs_io -c "fpunch 1 $((4095 + HOLE))" /mnt/data; touch /run/punched; } &
	wait_for 30 punch_reads || fail "error: the hole is punched without reading"
	touch /run/go
	wait $race || fail "error: pinrace"

	# Writeback gives the pages to the worker. When it has done, those of the hole are
	# written, and get an extent together with those behind it. (On a patched kernel it
	# waits until the hole is punched.)
	since=$(reserved)
	xfs_io -c 'sync_range -w 0 0' /mnt/data
	if is_patched; then
		sleep "$(scaled 5)"
	else
		wait_for 30 all_reserved "$since" || fail "error: the worker has not done"
	fi
	xfs_io -c "sync_range -w 4096 $HOLE" /mnt/data
	[[ ! -e /run/punched ]] || fail "error: the hole is punched already"
	dm_release edge
	wait_for 60 test -e /run/punched || fail "the hole is not punched"
	hole_is_zero || fail "the hole is not empty just after it was punched"
	sync
	echo 3 >/proc/sys/vm/drop_caches
	hole_is_zero || fail "what a device brought before is in the hole again"
	umount /mnt
	btrfs check /dev/mapper/disk >/out/check.txt 2>&1 || fail "btrfs check: $(grep -m 1 -E 'errors|ERROR' /out/check.txt)"
}
