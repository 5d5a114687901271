# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Direct reads whose pages were written back before they ended are completed by one work item, one
# after the other, and it has to lock the pages. Here a page stays locked: it belongs to a FUSE
# file, a program writes to it while it is written back, and the daemon does not answer. The read
# into that page waits. Another read, into a file of ext4, must not wait for it.
# A stock kernel passes: it locks pages after it has reported the read. This test guards the series.
DESC="a page that stays locked holds up no other direct read"
TIMEOUT=120
STOCK=pass
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh
# shellcheck source=guest/lib/locked.sh
. /proj/guest/lib/locked.sh

requires() { requires_locked; }

run() {
	local daemon reader other hangs=1
	locked_mount
	dm_linear source /dev/vda 64 1
	dm_linear later /dev/vda 64 1
	fillpat -w S -l 1m "$SOURCE"
	dm_linear mine /dev/vda 0 64
	fs_new ext4 /dev/mapper/mine /srv/mine
	fillpat -l 64k /srv/mine/data
	sync
	daemon=$(pidof fuse-overlayfs)

	locked_tasks
	pinrace -f $LOCKED -l $LOCKED_LEN -s "$SOURCE" stop dirty=1 read reap &
	reader=$!
	wait_for 30 are_stopped $reader || fail "error: pinrace"
	# A read is under way, and its pages are being written back: the daemon has them.
	# Another read is under way, and its pages are clean.
	dm_hold source
	dm_hold later
	kill -CONT $reader
	wait_for 30 in_stack $reader read_events || fail "error: io_submit"
	pinrace -f /srv/mine/data -l 64k -s /dev/mapper/later dirty=1 read fsync stop reap &
	other=$!
	wait_for 30 are_stopped $other || fail "error: the other pinrace"
	# shellcheck disable=SC2086 # one or more
	kill -STOP $daemon
	locked_begin

	dm_release source
	sleep "$(duration 1)"
	dm_release later
	kill -CONT $other
	if wait_for 10 is_gone $other; then
		hangs=
	fi
	locked_still
	if is_patched && is_gone $reader; then
		fail "error: no read waits for the page"
	fi
	# shellcheck disable=SC2086
	kill -CONT $daemon
	locked_end
	wait $reader || fail "error: pinrace, which reads"
	wait $other || fail "error: the other pinrace"
	[[ ! $hangs ]] || fail "a direct read waits for a page that has nothing to do with it"
}
