# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A worker of btrfs reserves the space for pages that a device has dirtied, and punching a hole
# relies on no page in the hole getting its space at the same time. Here a hole is punched. For
# this, the last part of the page before the hole has to be read, from a block that is held. Then
# the pages of the hole, to which a direct read has just written, are written back as a part of an
# extent that ends behind the hole.
# Stock: the data is back in the hole, the inode has a wrong count of bytes, and there is a WARNING
# as the extent begins within the hole. Patched: the hole stays one, and btrfs check is content.
DESC="btrfs: a hole stays empty when its pages are written back"
TIMEOUT=120
ONLY="6.1"
STOCK=fail

# shellcheck source=guest/lib/btrfs.sh
. /proj/guest/lib/btrfs.sh

requires() {
	need_cmd xfs_io
	requires_edge
}

# The file: a page that is in no hole, one that is, then the part that a device reads to, of which
# some pages are in the hole, too.
HOLE=$((64 << 10)) READ=8192 LEN=$((256 << 10))
hole_is_zero() { cmp -s -n $HOLE -i 4096:0 /mnt/data /dev/zero; }

# reserved: prints how many bytes have their space reserved. all_reserved BEFORE: those of the
# device, too.
reserved() { cat /sys/fs/btrfs/*-*/allocation/data/bytes_may_use; }
all_reserved() { (($(reserved) >= $1 + LEN)); }

run() {
	local race before
	source_new 1
	dm_linear disk /dev/vda 0 512
	fs_new btrfs /dev/mapper/disk /mnt
	fillpat -l $((READ + LEN)) /mnt/data
	sync
	move_first_page /mnt/data

	dm_hold source
	pinrace -f /mnt/data -o $READ -l $LEN -s "$SOURCE" \
		dirty=1 read fsync 'sh=touch /run/clean' \
		'sh=until [ -e /run/go ]; do sleep 0.1; done' "sh=$RELEASE source" reap &
	race=$!
	wait_for 60 test -e /run/clean || fail "error: pinrace"
	xfs_io -c 'fadvise -d 0 4096' /mnt/data
	dm_hold edge
	{
		xfs_io -c "fpunch 1 $((4095 + HOLE))" /mnt/data
		touch /run/punched
	} &
	wait_for 30 disk_is_read || fail "error: the hole is punched without reading"
	touch /run/go
	wait $race || fail "error: pinrace"

	# Writeback gives the pages to the worker. When the worker is done, the pages of the hole
	# are written, and get an extent together with those behind it. (On a patched kernel the
	# worker waits until the hole is punched.)
	before=$(reserved)
	xfs_io -c 'sync_range -w 0 0' /mnt/data
	if is_patched; then
		sleep "$(duration 5)"
	else
		wait_for 30 all_reserved "$before" || fail "error: the worker is not done"
	fi
	xfs_io -c "sync_range -w 4096 $HOLE" /mnt/data
	[[ ! -e /run/punched ]] || fail "error: the hole is punched already"
	dm_release edge
	wait_for 60 test -e /run/punched || fail "the hole is not punched"
	hole_is_zero || fail "the hole is not empty just after it was punched"
	sync
	echo 3 >/proc/sys/vm/drop_caches
	hole_is_zero || fail "data that a device wrote before is in the hole again"
	umount /mnt
	btrfs check /dev/mapper/disk >/out/check.txt 2>&1 ||
		fail "btrfs check: $(grep -m 1 -E 'errors|ERROR' /out/check.txt)"
}
