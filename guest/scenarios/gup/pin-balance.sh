# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Pins, looks and unpins at random, from four threads, while processes are forked, huge pages are
# split, pages are migrated and a file is truncated: a selftest of the series, in a guest of two
# NUMA nodes. On 5.4, which has no tracking of its own, a million pins, on later kernels 200000;
# GUEST_CMDLINE=pw.count=N for another number, pw.seed=N for other pages.
# Stock: not run. Patched: no pin is missed, none is left.
DESC="pins at random in four threads: none is missed, none is left"
TIMEOUT=900
STOCK=skip
CMDLINE=numa=fake=2

tests=/proj/build/$BASE/selftests

requires() { need_file "$tests/pin_balance"; }

run() {
	local count seed code=0 tap=/out/pin_balance.tap
	count=$(param count)
	if [[ ! $count && $BASE != 5.4 ]]; then
		count=200000
	fi
	seed=$(param seed)
	seed=${seed:-$SRANDOM}
	info "seed $seed"
	# A filesystem only for this, so that the file has writeback, too.
	mkfs.ext4 -q /dev/vdb
	mount /dev/vdb /mnt
	TMPDIR=/mnt "$tests/pin_balance" -n "${count:-1000000}" -s "$seed" >$tap 2>&1 || code=$?
	((code != 4)) || skip "$(grep -m 1 SKIP $tap)"
	((code == 0)) || fail "seed $seed:" \
		"$(grep -m 1 -E '^not ok [0-9]+ [^#]|^Bail' $tap || echo "exit code $code")"
	grep '^# .*pages pinned' $tap >/run/note
	umount /mnt
}
