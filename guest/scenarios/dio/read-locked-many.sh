# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Direct reads whose pages were written back before they ended wait until their pages can be locked.
# Here one user has as many reads into a page that stays locked as fs.aio-max-nr allows: 65536. The
# reads of another user, into a file of btrfs, have to go on at their usual rate. (The same work
# items mark pages of btrfs dirty, whether or not they are dirty already.)
# A stock kernel passes: it locks pages after it has reported the read. This test guards the series.
DESC="65536 reads into a locked page slow down no other"
TIMEOUT=240
LONG=1
STOCK=pass
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh
# shellcheck source=guest/lib/locked.sh
. /proj/guest/lib/locked.sh

READS=65536

requires() {
	need_cmd fio
	requires_fs btrfs
	requires_locked
}

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
	local daemon reader before during
	locked_mount
	dm_linear source /dev/vda 512 1
	dm_linear other /dev/vda 513 4
	fillpat -w S -l 1m "$SOURCE"
	dm_linear mine /dev/vda 0 512
	fs_new btrfs /dev/mapper/mine /srv/mine
	fillpat -l 64k /srv/mine/data
	sync
	echo $((READS * 2)) >/proc/sys/fs/aio-max-nr
	daemon=$(pidof fuse-overlayfs)
	before=$(reads_per_second)

	locked_tasks
	pinrace -f $LOCKED -l $LOCKED_LEN -s "$SOURCE" -r 0:4k -n $READS \
		stop dirty=1 read reap &
	reader=$!
	wait_for 30 are_stopped $reader || fail "error: pinrace"
	dm_hold source
	kill -CONT $reader
	wait_for 60 in_stack $reader read_events || fail "error: io_submit"
	# shellcheck disable=SC2086 # one or more
	kill -STOP $daemon
	locked_begin
	dm_release source
	if is_patched; then
		sleep "$(duration 5)"
	else
		wait_for 60 is_gone $reader || fail "error: the reads do not end"
	fi

	during=$(reads_per_second)
	info "reads of others in a second: $before before, $during during"
	locked_still
	if is_patched && is_gone $reader; then
		fail "error: no read waits for the page"
	fi
	# shellcheck disable=SC2086
	kill -CONT $daemon
	locked_end
	wait $reader || fail "error: pinrace, which reads"
	# Other guests share the CPUs, so the two rates differ by themselves. Reads that wait for a
	# look at all the others are slower by far more than this.
	((during * 10 > before)) ||
		fail "$during reads of others in a second, instead of $before"
}
