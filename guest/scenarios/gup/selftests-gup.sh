# shellcheck shell=bash disable=SC2034
# The kernel selftests of the series: tools/testing/selftests/gup.
DESC="kselftest gup: pin counters on block device, ext4, xfs, btrfs; writeback copies pinned pages only; mm keeps off them"
TIMEOUT=300
STOCK=fail
CMDLINE=numa=fake=2 # for move_pages()

tests=/proj/build/$BASE/selftests

requires() {
	need_file "$tests/pin_counters" "$tests/stable_writeback"
	need_mod loop zram
}

# tap NAME PROGRAM...: runs a test program and adds what its TAP says up.
passed=0 failed=0 skipped=0 bad=''
tap() {
	local name=$1 rc=0 line
	shift
	"$@" >"/out/$name.tap" 2>&1 || rc=$?
	while read -r line; do
		case $line in
		"ok "*"# SKIP"* | "not ok "*"# SKIP"* | "1..0 # SKIP"*)
			skipped=$((skipped + 1))
			info "$name: skipped: ${line#*# SKIP }"
			;;
		"ok "*) passed=$((passed + 1)) ;;
		"not ok "* | "Bail out!"*)
			failed=$((failed + 1))
			bad=${bad:-"$name: $line"}
			info "$name: $line"
			;;
		esac
	done <"/out/$name.tap"
	# 4 is a skip of the whole program
	if ((rc != 0 && rc != 4 && failed == 0)); then
		failed=$((failed + 1))
		bad="$name ended with exit code $rc"
	fi
}

run() {
	local fs name
	modprobe loop
	mkdir -p /mnt/fs
	tap pin_counters-bdev env -u TMPDIR "$tests/pin_counters"
	for fs in ext4 xfs btrfs; do
		if ! command -v "mkfs.$fs" >/dev/null; then
			skipped=$((skipped + 1))
			info "pin_counters-$fs: skipped: missing command: mkfs.$fs"
			continue
		fi
		wipefs -qa /dev/vdb
		fs_new "$fs" /dev/vdb /mnt/fs
		tap "pin_counters-$fs" env TMPDIR=/mnt/fs "$tests/pin_counters"
		umount /mnt/fs
	done
	tap stable_writeback "$tests/stable_writeback"
	modprobe zram # pin_mm swaps to it
	for name in gup_counters pin_exact pin_mm; do
		[[ ! -e $tests/$name ]] || tap $name "$tests/$name"
	done
	info "$passed passed, $failed failed, $skipped skipped"
	((failed == 0)) || fail "$failed of $((passed + failed)) checks failed, first: $bad"
	((passed > 0)) || skip "all $skipped checks skipped"
	echo "$passed checks passed, $skipped skipped" >/run/note
}
