# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A direct read into a mapped file of ext4 is reported as done after its page was marked dirty in
# process context. The interrupt of the device arrives on a CPU that a SCHED_FIFO task does not
# leave. The read has to end on another CPU, while that task runs.
# A stock kernel passes: it reports the read in the interrupt. This test guards the series.
DESC="a direct read ends although a real-time task has the CPU"
TIMEOUT=120
STOCK=pass
ONLY="6.1"

requires() {
	need_cmd chrt taskset
	need_mod null_blk
	requires_fs ext4
}

is_gone() { ! grep -qs '^State:.[^Z]' "/proc/$1/status"; }
is_fifo() { [[ -s /run/hog ]] && chrt -p "$(</run/hog)" 2>/dev/null | grep -q SCHED_FIFO; }

run() {
	local reader seconds pins
	seconds=$(whole_duration 15)
	modprobe null_blk nr_devices=1 queue_mode=2 irqmode=2 submit_queues=2 \
		completion_nsec="${seconds}000000000"
	wait_for 10 test -b /dev/nullb0 || fail "error: no null_blk"
	fs_new ext4 /dev/vda /mnt
	fillpat -l 4k /mnt/data
	sync
	echo -1 >/proc/sys/kernel/sched_rt_runtime_us

	# The CPU that submits gets the interrupt, a timer. Then the program moves away.
	taskset -c 1 pinrace -f /mnt/data -l 4k -s /dev/nullb0 dirty=1 read \
		"sh=taskset -pc 0 \$PPID && : >/run/submitted" reap &
	reader=$!
	wait_for 30 test -e /run/submitted || fail "error: pinrace"
	# shellcheck disable=SC2016
	chrt -f 50 taskset -c 1 bash -c 'echo $$ >/run/hog; while :; do :; done' &
	wait_for 10 is_fifo || fail "error: no task with a real-time policy"
	pins=$(pins_outstanding)
	if is_patched; then
		((pins > 0)) || fail "error: the read was over before the task had the CPU"
	fi
	wait_for "$((seconds + 5))" is_gone $reader || true
	is_fifo || fail "error: the real-time task is gone"
	if ! is_gone $reader; then
		kill -9 "$(</run/hog)"
		fail "the read does not end while a real-time task has the CPU"
	fi
	kill -9 "$(</run/hog)"
	wait $reader || fail "error: pinrace"
}
