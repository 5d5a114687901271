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

requires() {
	need_cmd dmsetup pidof
	requires_fs ext4
	requires_net_fuse
}

# is_asleep PID
is_asleep() { grep -q '^State:.[SD]' "/proc/$1/status"; }

run() {
	local daemon reader writer other hangs=1
	net_disk
	net_fuse_mount
	dm_linear source /dev/vda 64 1
	dm_linear later /dev/vda 64 1
	fillpat -w S -l 1m "$SOURCE"
	dm_linear mine /dev/vda 0 64
	fs_new ext4 /dev/mapper/mine /srv/mine
	fillpat -l 64k /srv/mine/data
	sync
	daemon=$(pidof fuse-overlayfs)

	# A file that is closed is flushed: nothing may be dirty when the shell of a step ends.
	pinrace -f $NET/data -l 64k -s "$SOURCE" dirty=0 "$STOP" dirty=1 read fsync reap &
	reader=$!
	pinrace -f $NET/data -l 64k "$STOP" dirty=2 &
	writer=$!
	wait_for 30 are_stopped $reader $writer || fail "error: pinrace"

	# A read is under way, and its pages are being written back: the daemon has them.
	# Then the other read is under way, and its pages are clean.
	dm_hold source
	dm_hold later
	# shellcheck disable=SC2086 # one or more
	kill -STOP $daemon
	kill -CONT $reader
	sleep "$(duration 1)"
	wait_for 30 is_asleep $reader || fail "error: fsync does not wait for the daemon"
	pinrace -f /srv/mine/data -l 64k -s /dev/mapper/later dirty=1 read fsync "$STOP" reap &
	other=$!
	wait_for 30 are_stopped $other || fail "error: the other pinrace"
	kill -CONT $writer
	sleep "$(duration 1)"
	wait_for 30 is_asleep $writer || fail "error: no task waits with a page locked"

	dm_release source
	sleep "$(duration 1)"
	dm_release later
	kill -CONT $other
	if wait_for 10 is_gone $other; then
		hangs=
	fi
	if is_gone $reader || is_gone $writer; then
		fail "error: no task has waited for the daemon"
	fi
	# shellcheck disable=SC2086
	kill -CONT $daemon
	wait $reader || fail "error: pinrace, whose pages were locked"
	wait $writer || fail "error: pinrace, which has locked them"
	wait $other || fail "error: the other pinrace"
	[[ ! $hangs ]] || fail "a direct read waits for a page that has nothing to do with it"
}
