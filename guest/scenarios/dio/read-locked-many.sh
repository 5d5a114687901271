# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Direct reads whose pages were written back before they ended wait until their pages can be locked.
# Here one user has thousands of reads into a page that stays locked: it belongs to a FUSE file, a
# program writes to it while it is written back, and the daemon does not answer. The reads of
# another user, into a file of ext4, have to go on at their usual rate, because each of them ends
# before the thousands are looked at again.
# A stock kernel passes: it locks pages after it has reported the read. This test guards the series.
DESC="thousands of reads into a locked page slow down no other"
TIMEOUT=240
STOCK=pass
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

READS=4000

requires() {
	need_cmd dmsetup pidof fio
	requires_fs ext4
	requires_net_fuse
}

# are_stopped PID...: they have stopped themselves, by the step $STOP.
are_stopped() {
	local pid
	for pid; do
		grep -q '^State:.T' "/proc/$pid/status" || return 1
	done
}
STOP="sh=kill -STOP \$PPID"
# is_asleep PID
is_asleep() { grep -q '^State:.[SD]' "/proc/$1/status"; }

# reads_per_second: prints how many direct reads of 4 KiB, one at a time, into a mapped file end
# in a second.
reads_per_second() {
	fio --name=other --filename=/dev/mapper/other --size=4m --direct=1 --rw=read \
		--bs=4k --ioengine=libaio --iodepth=1 --iomem=mmapshared:/srv/mine/data \
		--time_based --runtime="$(whole_duration 10)" --thread --eta=never \
		--output-format=terse --terse-version=3 >/run/fio.txt 2>&1 ||
		fail "error: fio: $(tail -n 1 /run/fio.txt)"
	cut -d ';' -f 8 /run/fio.txt
}

run() {
	local daemon reader writer before during
	net_disk
	net_fuse_mount
	dm_linear source /dev/vda 64 1
	dm_linear other /dev/vda 65 4
	fillpat -w S -l 1m "$SOURCE"
	dm_linear mine /dev/vda 0 64
	fs_new ext4 /dev/mapper/mine /srv/mine
	fillpat -l 64k /srv/mine/data
	sync
	daemon=$(pidof fuse-overlayfs)
	before=$(reads_per_second)

	# A file that is closed is flushed: nothing may be dirty when the shell of a step ends.
	pinrace -f $NET/data -l 64k -s "$SOURCE" -n $READS dirty=0 "$STOP" dirty=1 read fsync \
		reap &
	reader=$!
	pinrace -f $NET/data -o 60k -l 4k "$STOP" dirty=2 &
	writer=$!
	wait_for 30 are_stopped $reader $writer || fail "error: pinrace"

	# All reads are under way, and their pages are being written back: the daemon has them.
	dm_hold source
	# shellcheck disable=SC2086 # one or more
	kill -STOP $daemon
	kill -CONT $reader
	if is_patched; then
		wait_for 60 pins_at_least $((READS * 16)) || fail "error: io_submit"
	fi
	sleep "$(duration 1)"
	wait_for 30 is_asleep $reader || fail "error: fsync does not wait for the daemon"
	kill -CONT $writer
	sleep "$(duration 1)"
	wait_for 30 is_asleep $writer || fail "error: no task waits with a page locked"
	dm_release source
	sleep "$(duration 2)"

	during=$(reads_per_second)
	info "reads of others in a second: $before before, $during during"
	if is_gone $reader || is_gone $writer; then
		fail "error: no task has waited for the daemon"
	fi
	# shellcheck disable=SC2086
	kill -CONT $daemon
	wait $writer || fail "error: pinrace, which has locked the page"
	wait $reader || fail "error: pinrace, whose page was locked"
	((during * 3 > before)) ||
		fail "$during reads of others in a second, instead of $before"
}
