# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# btrfs does a direct read in parts if a page of the buffer is not in the page table. Here the first
# part has been read, and one of its pages stays locked, because a FUSE daemon does not answer. The
# read is asynchronous. It must be reported as a whole, when the second half of the buffer has been
# read as well, and not as the first half only. A reader that is killed does not wait for the page.
# A stock kernel passes: it locks pages after it has reported the read. This test guards the series.
DESC="a read in parts, one of which waits for a locked page, is reported as a whole"
TIMEOUT=120
STOCK=pass
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh
# shellcheck source=guest/lib/locked.sh
. /proj/guest/lib/locked.sh

requires() {
	requires_locked
	requires_fs btrfs
}

run() {
	local daemon reader killed complaint=
	locked_mount
	dm_linear mine /dev/vda 0 512
	fs_new btrfs /dev/mapper/mine /srv/mine
	fillpat -w S -l 1m /srv/mine/source
	fillpat -w S -l 1m /srv/mine/second
	sync
	daemon=$(pidof fuse-overlayfs)

	locked_tasks
	pinrace -f $LOCKED -l $LOCKED_LEN -s /srv/mine/source close stop dirty=1 forget read reap &
	reader=$!
	pinrace -f $LOCKED -l $LOCKED_LEN -s /srv/mine/second close stop dirty=1 forget read reap &
	killed=$!
	wait_for 30 are_stopped $reader $killed || fail "error: pinrace"
	dm_hold mine
	kill -CONT $reader $killed
	wait_for 30 in_direct_read $reader || fail "error: the read does not wait for the device"
	wait_for 30 in_direct_read $killed || fail "error: the other read does not wait for it"
	# shellcheck disable=SC2086 # one or more
	kill -STOP $daemon
	locked_begin
	dm_release mine

	if is_patched; then
		wait_for 10 in_stack $reader folio_lock || cat /proc/$reader/stack
		wait_for 10 in_stack $killed folio_lock || complaint="the reads do not wait"
	fi
	kill -9 $killed 2>/dev/null || true
	if ! wait_for 10 is_gone $killed; then
		cat /proc/$killed/stack
		complaint=${complaint:-"the reader cannot be killed"}
	fi
	locked_still

	# shellcheck disable=SC2086
	kill -CONT $daemon
	locked_end
	wait $reader || complaint="the read is not reported as a whole"
	[[ ! $complaint ]] || fail "$complaint"
	wait_for 30 pins_balanced 1 || fail "$(pins_outstanding) pins left"
}
