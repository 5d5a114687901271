# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A FUSE daemon dies while a direct read into a mapping of its own filesystem is under way, and a
# page of that mapping stays locked until the daemon answers. The task that dies waits for its
# asynchronous I/O, which ends when the page can be locked; this is when /dev/fuse is closed.
# Here /dev/fuse has two owners: fuse-overlayfs, and a program that reads.
# A stock kernel passes: it reports the read before it locks pages. This test guards the series.
DESC="a FUSE daemon with a direct read into its own filesystem can be killed"
TIMEOUT=120
STOCK=pass
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh
# shellcheck source=guest/lib/locked.sh
. /proj/guest/lib/locked.sh

requires() { requires_locked; }

# mount_shared: as locked_mount, but /dev/fuse is descriptor 7 of all tasks that are started
# from now on.
mount_shared() {
	locked_disk
	exec 7<>/dev/fuse
	mount -i -t fuse -o fd=7,rootmode=40000,user_id=0,group_id=0,allow_other overlay $NET ||
		fail "error: mount"
	fuse-overlayfs -f -o "$LOCKED_OPTIONS" /dev/fd/7 >/run/fuse.txt 2>&1 &
	daemon=$!
	timeout 30 stat -t $NET/source >/dev/null ||
		fail "error: fuse-overlayfs: $(tail -n 1 /run/fuse.txt)"
	locked_stay_dirty
}

run() {
	local daemon reader
	mount_shared
	dm_linear source /dev/vda 64 1
	fillpat -w S -l 1m "$SOURCE"
	sync

	pinrace -f $LOCKED -l $LOCKED_LEN -s "$SOURCE" close stop dirty=1 read reap &
	reader=$!
	wait_for 30 are_stopped $reader || fail "error: pinrace"
	locked_tasks 7>&-
	exec 7>&-
	dm_hold source
	kill -CONT $reader
	wait_for 30 in_stack $reader read_events || fail "error: io_submit"
	kill -STOP "$daemon"
	locked_begin
	dm_release source
	sleep "$(duration 1)"
	locked_still

	kill -9 "$daemon"
	wait_for 10 is_gone "$daemon" || fail "error: the first owner cannot be killed"
	if is_patched; then
		locked_still
	fi
	kill -9 $reader 2>/dev/null || true
	if ! wait_for 10 is_gone $reader; then
		cat /proc/$reader/stack
		# The administrator's way out
		mount -t fusectl fusectl /sys/fs/fuse/connections
		echo 1 | tee /sys/fs/fuse/connections/*/abort >/dev/null
		wait_for 10 is_gone $reader || fail "the daemon cannot be killed, not even by abort"
		fail "a daemon that reads into its own filesystem cannot be killed"
	fi
	# Its end is the end of the filesystem, so all others go on, with errors.
	wait_for 10 is_gone "$locker" || fail "error: the page is still locked"
	wait_for 10 is_gone "$syncer" || fail "error: fsync does not end"
	wait_for 30 pins_balanced 1 || fail "$(pins_outstanding) pins left"
}
