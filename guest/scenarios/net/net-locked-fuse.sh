# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A direct read from a FUSE file ends in the write() of the daemon that answers it. Its buffer is a
# mapping of another file of the same daemon. A page of that file is being written back, and a
# program that writes to it has locked it and waits for the end of writeback. The daemon has one
# thread, which is busy with the read, so the request to write the page comes after it.
# Stock: the daemon waits for the page lock, and the task that has the lock waits for the daemon.
# Patched: the daemon goes on.
DESC="a FUSE daemon that answers a read waits for no page"
TIMEOUT=120
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() {
	need_cmd dmsetup pidof
	requires_fs ext4
	requires_net_fuse
}

# is_in STATES PID: S is an ordinary sleep, D an uninterruptible one.
is_in() { grep -q "^State:.[$1]" "/proc/$2/status"; }

run() {
	local daemon reader writer
	net_disk
	net_fuse_mount
	daemon=$(pidof fuse-overlayfs)
	grep -q '^Threads:.1$' "/proc/$daemon/status" || fail "error: the daemon has threads"
	fillpat -l 4k $NET/buffer

	pinrace -f $NET/buffer -l 4k -s $NET/source dirty=0 stop dirty=1 read fsync reap &
	reader=$!
	pinrace -f $NET/buffer -l 4k stop dirty=2 &
	writer=$!
	wait_for 30 are_stopped $reader $writer || fail "error: pinrace"
	net_cold
	dm_hold server
	kill -CONT $reader
	wait_for 30 is_in D "$daemon" || fail "error: the daemon does not read"
	sleep "$(duration 1)"
	wait_for 30 is_in SD $reader || fail "error: fsync does not wait for the daemon"
	kill -CONT $writer
	sleep "$(duration 1)"
	wait_for 30 is_in SD $writer || fail "error: no task waits with a page locked"
	dm_release server

	if ! wait_for 10 is_gone $reader; then
		cat "/proc/$daemon/stack" "/proc/$writer/stack"
		if grep -q folio_wait_bit "/proc/$daemon/stack"; then
			fail "the daemon waits for the lock of a page that waits for the daemon"
		fi
		fail "error: the read does not end"
	fi
	wait $reader || fail "error: pinrace, which reads"
	wait $writer || fail "error: pinrace, which writes"
}
