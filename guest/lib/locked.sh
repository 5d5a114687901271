# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Helpers for scenarios about a page that stays locked, as it may for as long as a FUSE daemon does
# not answer: a program writes to a page that is being written back, and the daemon has stopped.
# Sourced by these scenarios, with net.sh.

LOCKED=$NET/data	# the file that has the page: the first one of 64 KiB
LOCKED_LEN=64k
# shellcheck disable=SC2034 # scenarios use it
LOCKED_PAGES=16

# With a writeback cache FUSE asks the daemon when a mapping is closed, so a task that is killed
# would wait for the daemon in any case.
LOCKED_OPTIONS=lowerdir=/run/fuse-lower,upperdir=$NET_DISK,workdir=$NET_DISK/work,writeback=0

# locked_mount: makes the filesystem and mounts it.
locked_mount() {
	locked_disk
	fuse-overlayfs -o "$LOCKED_OPTIONS" "$NET" || fail "error: fuse-overlayfs does not start"
	locked_stay_dirty
}
# locked_stay_dirty: FUSE may have so few dirty pages that the flusher would clean ours at once.
locked_stay_dirty() {
	local bdi
	bdi=/sys/class/bdi/$(mountpoint -d "$NET")
	echo 100 >"$bdi/max_ratio"
	echo 90 >"$bdi/min_ratio"
}
locked_disk() {
	net_disk
	modprobe -q fuse || true
	mkdir -p /run/fuse-lower "$NET_DISK/work"
}

requires_locked() {
	need_cmd dmsetup pidof
	requires_fs ext4
	requires_net_fuse
}

# locked_tasks: starts $syncer and $locker, which have stopped when this returns. Call it when the
# filesystem is mounted. The daemon stops last: the tasks that read into the file need it until
# their reads are under way, because an open or a page that is not in memory is a question to it.
# $locker writes to the first page only: btrfs verifies what it has read in the buffer itself.
locked_tasks() {
	pinrace -f "$LOCKED" -l $LOCKED_LEN stop fsync &
	syncer=$!
	pinrace -f "$LOCKED" -l 4k stop dirty=2 &
	locker=$!
	wait_for 30 are_stopped "$syncer" "$locker" || fail "error: pinrace"
}

# in_stack PID REGEX: the task is in such a function.
in_stack() { grep -qsE "$2" "/proc/$1/stack"; }

# in_direct_read PID: it waits for the device.
in_direct_read() { in_stack "$1" '_dio_rw|direct_IO'; }

# locked_begin: call it when the daemon has been stopped, the reads are under way, and their pages
# are dirty. Then the pages are clean, the daemon has them to write, and the first one is locked.
locked_begin() {
	kill -CONT "$syncer"
	wait_for 30 in_stack "$syncer" fuse_set_nowrite ||
		fail "error: fsync does not wait for the daemon"
	kill -CONT "$locker"
	wait_for 30 in_stack "$locker" fuse_wait_on_page_writeback ||
		fail "error: no task waits with a page locked"
}

# locked_still: the page is locked.
locked_still() {
	in_stack "$locker" fuse_wait_on_page_writeback ||
		fail "error: the page is not locked any more"
}

# locked_end: waits for the two tasks; call it when the daemon goes on.
locked_end() {
	wait "$syncer" || fail "error: pinrace, which syncs"
	wait "$locker" || fail "error: pinrace, which has locked the page"
}
