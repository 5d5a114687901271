# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The kernel selftests of the series: tools/testing/selftests/gup. The counters of pins on a block
# device and on three filesystems; writeback copies only pinned pages; mm leaves pinned pages alone.
# Stock: fails, as it has no such counters. Patched: all checks pass.
DESC="the kernel selftests of the series (kselftest gup)"
TIMEOUT=300
STOCK=fail
CMDLINE=numa=fake=2 # for move_pages()

tests=/proj/build/$BASE/selftests

requires() {
	need_file "$tests/pin_counters" "$tests/stable_writeback"
	need_mod loop zram
}

# run_tap NAME PROGRAM...: runs a test program and adds up the results of its TAP.
passed=0 failed=0 skipped=0 first_failure=''
run_tap() {
	local name=$1 code=0 line
	shift
	"$@" >"/out/$name.tap" 2>&1 || code=$?
	while read -r line; do
		case $line in
		"ok "*"# SKIP"* | "not ok "*"# SKIP"* | "1..0 # SKIP"*)
			skipped=$((skipped + 1))
			info "$name: skipped: ${line#*# SKIP }"
			;;
		"ok "*) passed=$((passed + 1)) ;;
		"not ok "* | "Bail out!"*)
			failed=$((failed + 1))
			first_failure=${first_failure:-"$name: $line"}
			info "$name: $line"
			;;
		esac
	done <"/out/$name.tap"
	# 4 is a skip of the whole program
	if ((code != 0 && code != 4 && failed == 0)); then
		failed=$((failed + 1))
		first_failure="$name ended with exit code $code"
	fi
}

run() {
	local fs name
	modprobe loop
	mkdir -p /mnt/fs
	run_tap pin_counters-bdev env -u TMPDIR "$tests/pin_counters"
	for fs in ext4 xfs btrfs; do
		if ! command -v "mkfs.$fs" >/dev/null; then
			skipped=$((skipped + 1))
			info "pin_counters-$fs: skipped: missing command: mkfs.$fs"
			continue
		fi
		wipefs -qa /dev/vdb
		fs_new "$fs" /dev/vdb /mnt/fs
		run_tap "pin_counters-$fs" env TMPDIR=/mnt/fs "$tests/pin_counters"
		umount /mnt/fs
	done
	run_tap stable_writeback "$tests/stable_writeback"
	modprobe zram # pin_mm swaps to it
	for name in gup_counters pin_exact pin_mm pin_notifier; do
		if [[ -e $tests/$name ]]; then
			run_tap $name "$tests/$name"
		fi
	done
	info "$passed passed, $failed failed, $skipped skipped"
	((failed == 0)) ||
		fail "$failed of $((passed + failed)) checks failed, first: $first_failure"
	((passed > 0)) || skip "all $skipped checks skipped"
	echo "$passed checks passed, $skipped skipped" >/run/note
}
