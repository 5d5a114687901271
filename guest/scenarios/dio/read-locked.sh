# shellcheck shell=bash disable=SC2034
# Direct reads whose pages were written back meanwhile are ended by one work item, for
# everybody, which has to lock the pages. Here a page stays locked: it is of a FUSE file,
# somebody writes to it while it is written back, and the daemon does not answer. The read
# into that page waits. Another one, into a file of ext4, must not wait for it.
# A stock kernel passes: it locks pages when it has reported the read. This guards the series.
DESC="a page that a FUSE daemon keeps locked holds up nobody else's direct read"
TIMEOUT=120
STOCK=pass
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() { need_cmd dmsetup pidof; requires_fs ext4; requires_net_fuse; }

# stopped PID...: they have stopped themselves. waits PID: it sleeps.
stopped() { local p; for p; do grep -q '^State:.T' "/proc/$p/status" || return 1; done; }
waits() { grep -q '^State:.[SD]' "/proc/$1/status"; }
STOP="sh=kill -STOP \$PPID"

run() {
	local daemon reader writer other hangs
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

	# What is closed is flushed: nothing may be dirty when a shell ends.
	pinrace -f $NET/data -l 64k -s "$SOURCE" dirty=0 "$STOP" dirty=1 read fsync reap &
	reader=$!
	pinrace -f $NET/data -l 64k "$STOP" dirty=2 &
	writer=$!
	wait_for 30 stopped $reader $writer || fail "error: pinrace"

	# A read is under way, and its pages are being written back: the daemon has got them.
	# Then the other read is under way, and the pages of that are clean.
	dm_hold source
	dm_hold later
	# shellcheck disable=SC2086 # one or more
	kill -STOP $daemon
	kill -CONT $reader
	sleep "$(scaled 1)"
	wait_for 30 waits $reader || fail "error: nobody waits for the daemon"
	pinrace -f /srv/mine/data -l 64k -s /dev/mapper/later dirty=1 read fsync "$STOP" reap &
	other=$!
	wait_for 30 stopped $other || fail "error: the other pinrace"
	kill -CONT $writer
	sleep "$(scaled 1)"
	wait_for 30 waits $writer || fail "error: nobody waits with a page locked"

	dm_release source
	sleep "$(scaled 1)"
	dm_release later
	kill -CONT $other
	wait_for 10 is_gone $other && hangs= || hangs=1
	if is_gone $reader || is_gone $writer; then fail "error: nobody has waited for the daemon"; fi
	# shellcheck disable=SC2086
	kill -CONT $daemon
	wait $reader || fail "error: pinrace, whose pages were locked"
	wait $writer || fail "error: pinrace, which has locked them"
	wait $other || fail "error: the other pinrace"
	[[ ! $hangs ]] || fail "a direct read waits for a page that has nothing to do with it"
}
