# shellcheck shell=bash disable=SC2034
# Pins, looks and unpins at random, from four threads, while processes are forked, huge
# pages are split, pages are migrated and a file is truncated: a selftest of the series,
# in a guest of two NUMA nodes. A million of them on 5.4, which has no tracking of its own,
# 200000 on later kernels; GUEST_CMDLINE=pw.count=N for another number, pw.seed=N for
# other pages.
DESC="kselftest gup: pins at random; none is missed, none is left"
TIMEOUT=900
STOCK=skip
CMDLINE=numa=fake=2

tests=/proj/build/$BASE/selftests

requires() { need_file "$tests/pin_balance"; }

run() {
	local count seed rc=0
	count=$(param count)
	[[ $count || $BASE == 5.4 ]] || count=200000
	seed=$(param seed)
	seed=${seed:-$SRANDOM}
	info "seed $seed"
	# A file system of its own, so that the file has writeback, too.
	mkfs.ext4 -q /dev/vdb
	mount /dev/vdb /mnt
	TMPDIR=/mnt "$tests/pin_balance" -n "${count:-1000000}" -s "$seed" >/out/pin_balance.tap 2>&1 || rc=$?
	((rc != 4)) || skip "$(grep -m 1 SKIP /out/pin_balance.tap)"
	((rc == 0)) || fail "seed $seed: $(grep -m 1 -E '^not ok [0-9]+ [^#]|^Bail' /out/pin_balance.tap || echo "exit code $rc")"
	grep '^# .*pages pinned' /out/pin_balance.tap >/run/note
	umount /mnt
}
