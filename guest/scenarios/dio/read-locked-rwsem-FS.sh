# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A direct read ends when its pages are marked dirty. Here one of them stays locked, because a FUSE
# daemon does not answer. The reader, who may only read the source file, must not stop its writers:
# a synchronous read must not hold i_rwsem of the source meanwhile, and neither a synchronous nor an
# asynchronous one may count as direct I/O that truncate has to wait for. A signal must be able to
# kill the synchronous reader. The pages stay pinned until they are dirty.
# Stock: ext4 and btrfs (and XFS and f2fs, as all use fs/iomap) report the read first and pass.
# fs/direct-io.c (vfat) locks the pages of a synchronous read while truncate waits for it.
DESC="a read into a locked page does not stop the writers of its source (FS)"
TIMEOUT=120
STOCK=pass
STOCK_vfat=fail
ONLY="6.1"
FS="ext4 btrfs vfat"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh
# shellcheck source=guest/lib/locked.sh
. /proj/guest/lib/locked.sh

requires() {
	requires_locked
	requires_fs "$FS"
}

run() {
	local daemon reader aio writer truncate complaint=
	locked_mount
	dm_linear mine /dev/vda 0 512
	fs_new "$FS" /dev/mapper/mine /srv/mine
	fillpat -w S -l 1m /srv/mine/source
	fillpat -w S -l 1m /srv/mine/second
	sync
	daemon=$(pidof fuse-overlayfs)

	locked_tasks
	pinrace -f $LOCKED -l $LOCKED_LEN -s /srv/mine/source close stop dirty=1 pread &
	reader=$!
	pinrace -f $LOCKED -l $LOCKED_LEN -s /srv/mine/second stop dirty=1 read reap &
	aio=$!
	wait_for 30 are_stopped $reader $aio || fail "error: pinrace"
	dm_hold mine
	kill -CONT $reader
	if ! wait_for 30 in_direct_read $reader; then
		cat /proc/$reader/stack
		fail "error: the read does not wait for the device"
	fi
	kill -CONT $aio
	wait_for 30 in_stack $aio read_events || fail "error: io_submit"
	# shellcheck disable=SC2086 # one or more
	kill -STOP $daemon
	locked_begin
	dm_release mine

	dd if=/dev/zero of=/srv/mine/source bs=4k count=1 conv=notrunc status=none &
	writer=$!
	if ! wait_for 5 is_gone $writer; then
		cat /proc/$writer/stack
		complaint="a writer of the source file waits for a page of others"
	fi
	truncate -s 512k /srv/mine/source /srv/mine/second &
	truncate=$!
	if ! wait_for 5 is_gone $truncate; then
		cat /proc/$truncate/stack
		complaint=${complaint:-"truncate of a source file waits for a page of others"}
	fi
	locked_still
	if is_patched && ! is_gone $reader; then
		in_stack $reader folio_lock || cat /proc/$reader/stack
	fi
	kill -9 $reader 2>/dev/null || true
	if ! wait_for 5 is_gone $reader; then
		cat /proc/$reader/stack
		complaint=${complaint:-"the reader cannot be killed"}
	fi
	locked_still
	if is_patched && ! pins_at_least $LOCKED_PAGES; then
		complaint=${complaint:-"the pages are not pinned until they are dirty"}
	fi

	# shellcheck disable=SC2086
	kill -CONT $daemon
	locked_end
	wait $aio || fail "error: the asynchronous read"
	wait $writer $truncate || fail "error: dd or truncate"
	[[ ! $complaint ]] || fail "$complaint"
	wait_for 30 pins_balanced 1 || fail "$(pins_outstanding) pins left"
}
