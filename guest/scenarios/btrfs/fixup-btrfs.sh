# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A worker of btrfs reserves the space for pages that a device has dirtied, and fsync() waits for
# it. The worker takes a lock of the file that a task holds while it punches a hole. Here direct
# reads have dirtied pages of two files, and a hole is punched in one of them, which takes until a
# block is released. fsync() of the other file must not wait for that.
# Stock: its worker takes no such lock and fsync() does not wait for it at all. Patched: fsync()
# returns, and the file has what the device has written.
DESC="btrfs: fsync does not wait for the worker of another file"
TIMEOUT=120
ONLY="6.1"
STOCK=pass

# shellcheck source=guest/lib/btrfs.sh
. /proj/guest/lib/btrfs.sh

requires() {
	need_cmd xfs_io
	requires_edge
}

LEN=256k

# read_held FILE: maps all but two pages of it, has a direct read hold them, syncs the file, and
# waits for the file /run/go and then for the read.
SKIP=8k
read_held() {
	pinrace -f "$1" -o $SKIP -l $LEN -s "$SOURCE" dirty=1 read fsync \
		"sh=touch /run/clean.${1##*/}" \
		'sh=until [ -e /run/go ]; do sleep 0.1; done' reap
}

# worker_waits: the worker sleeps on the lock of the file in which the hole is punched.
worker_waits() { cat /proc/[0-9]*/stack 2>/dev/null | grep -q btrfs_writepage_fixup_worker; }

run() {
	local one two
	source_new 1
	dm_linear disk /dev/vda 0 512
	fs_new btrfs /dev/mapper/disk /mnt
	# Without flushes, which would wait for the block that is held.
	mount -o remount,nobarrier /mnt
	fillpat -l 264k /mnt/hole /mnt/data
	sync
	move_first_page /mnt/hole

	dm_hold source
	read_held /mnt/hole &
	one=$!
	read_held /mnt/data &
	two=$!
	wait_for 60 test -e /run/clean.hole -a -e /run/clean.data || fail "error: pinrace"

	# The page has to be read, because a part of it stays.
	xfs_io -c 'fadvise -d 0 4096' /mnt/hole
	dm_hold edge
	{
		xfs_io -c 'fpunch 1 4095' /mnt/hole
		touch /run/punched
	} &
	wait_for 30 disk_is_read || fail "error: the hole is punched without reading"
	dm_release source
	touch /run/go
	wait $one || fail "error: pinrace"
	wait $two || fail "error: pinrace"

	# Writeback gives the pages of this file to the worker.
	xfs_io -c 'sync_range -w 0 0' /mnt/hole
	if is_patched; then
		wait_for 30 worker_waits || fail "error: the worker does not wait"
	fi
	{
		xfs_io -c fsync /mnt/data
		touch /run/synced
	} &
	wait_for 10 test -e /run/synced || fail "fsync() of a file waits for a hole in another one"
	[[ ! -e /run/punched ]] || fail "error: the hole is punched already"
	dm_release edge
	wait
	sync
	expect_pages "what the device has written" "$(pagecheck -o $SKIP /mnt/data)" new
}
