#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/bench.sh [-1] [STOCK PATCHED]
# Counts the instructions of I/O paths on two kernels, twice, and prints a table
# of their ratios; docs/bench.md explains it. Half a minute on an idle machine.
#   -1             one run of each kernel only, half the time
#   STOCK PATCHED  build directories of kernels with the same configuration
#                  (default: build/BASE/stock-lean and build/BASE/patched, which are
#                  built if needed)
# Exit code: 0 all limits kept, 1 a limit is broken or the runs differ, 2 not run.
# Results: build/BASE/bench/{stock,patched}.{1,2}.log and table.txt
# Environment: BASE, BENCH_TIMEOUT (seconds for one guest, default 300)
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/lib-guest.sh
. "$ROOT/scripts/lib-guest.sh"

# Set by main.
declare -A directory=() # of the build of stock and patched
out=''                  # for results
tmp=''                  # for the root of the guests, and for the table
guests=()               # the process of each guest that runs

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	if ((${#guests[@]})); then
		kill "${guests[@]}" 2>/dev/null || true # timeout ends QEMU
	fi
	rm -rf "$tmp"
}

# module KERNEL NAME: prints the path of a module.
module() { find "${directory[$1]}/mods/" -name "$2.ko" -print -quit 2>/dev/null; }

# check_kernels: both are complete, and have the same configuration.
check_kernels() {
	local kernel name
	for kernel in stock patched; do
		[[ -r ${directory[$kernel]}/arch/x86/boot/bzImage ]] ||
			die "no kernel in ${directory[$kernel]}:" \
				"name the directory of a build (make O=)"
		for name in null_blk ${BASE_GUEST_MODULES:-}; do
			[[ $(module "$kernel" "$name") ]] ||
				die "no $name.ko in ${directory[$kernel]}: build this kernel again"
		done
	done
	if ! cmp -s <(grep '^CONFIG' "${directory[stock]}/.config") \
		<(grep '^CONFIG' "${directory[patched]}/.config"); then
		note "the kernels have different configurations: ratios say less"
	fi
}

# make_root: one initramfs for both kernels, so that it takes as much memory in both: the
# command line says whose module to load.
make_root() {
	local kernel name root=$tmp/root uuid=01234567-89ab-cdef-0123-456789abcdef
	mkdir -p "$root"/{modules/stock,modules/patched,proc,sys,dev,tmp}
	for kernel in stock patched; do
		for name in null_blk ${BASE_GUEST_MODULES:-}; do
			objcopy --strip-debug "$(module "$kernel" "$name")" \
				"$root/modules/$kernel/$name.ko"
		done
	done
	gcc -O2 -Wall -Wextra -static -o "$root/init" "$ROOT/guest/bench/bench.c" ||
		die "guest/bench/bench.c does not compile"
	truncate -s 64M "$root/fs.img"
	E2FSPROGS_FAKE_TIME=1700000000 mkfs.ext4 -q -F -b 4096 -O ^has_journal,^resize_inode \
		-U "$uuid" -E "lazy_itable_init=0,hash_seed=$uuid" "$root/fs.img" 4096 >/dev/null
	truncate -s 16M "$root/fs.img"
	(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) |
		gzip -1 >"$out/initramfs.gz"
}

# start_guest KERNEL RUN LIMIT: in the background, for at most LIMIT seconds; adds to guests.
start_guest() {
	# One CPU, one nanosecond an instruction, idle time skipped; nothing random.
	timeout -k 5 "$3" qemu-system-x86_64 \
		-accel tcg,thread=single -icount shift=0,align=off,sleep=off \
		-cpu max,la57=off,rdrand=off,rdseed=off,erms=off,fsrm=off -smp 1 -m 1024 \
		-rtc base=2024-01-01,clock=vm -nodefaults -no-user-config -display none \
		-monitor none -no-reboot -serial "file:$out/$1.$2.log" \
		-kernel "${directory[$1]}/arch/x86/boot/bzImage" -initrd "$out/initramfs.gz" \
		-append "console=ttyS0 quiet panic=-1 nokaslr norandmaps tsc=reliable kernel=$1" \
		</dev/null >"$out/$1.$2.qemu" 2>&1 9>&- &
	guests+=($!)
}

# run_guests RUN LIMIT: both kernels, with their results in $out/KERNEL.RUN.log.
run_guests() {
	local kernel guest log figures
	rm -f "$out"/*."$1".log
	for kernel in stock patched; do
		start_guest "$kernel" "$1" "$2"
	done
	while kill -0 "${guests[@]}" 2>/dev/null; do
		sleep 1
		if ((SECONDS % 15 == 0)); then
			figures=$(cat "$out"/*."$1".log 2>/dev/null | grep -c '^@@BENCH ') || true
			echo "   $SECONDS s: $figures figures"
		fi
	done
	for guest in "${guests[@]}"; do
		wait "$guest" || true
	done
	guests=()
	for kernel in stock patched; do
		log=$out/$kernel.$1
		if ! grep -q '^@@BENCHEND' "$log.log"; then
			echo "-- last 60 lines of ${log#"$ROOT/"}.log:"
			tail -n 60 "$log.log" "$log.qemu" | tr -d '\r'
			die "the $kernel kernel did not finish within $2 s: see ${log#"$ROOT/"}.log"
		fi
	done
}

# cases: prints a line NAME LIMIT TEXT for each figure of the table; without a limit it is only
# shown. Pins may be missing on the stock kernel.
cases() {
	cat <<'CASES'
dio_read_4k 1.01 4 KiB O_DIRECT read
dio_write_4k 1.01 4 KiB O_DIRECT write
dio_read_1m 1.01 1 MiB O_DIRECT read
dio_write_1m 1.01 1 MiB O_DIRECT write
sync_stable_4k 1.005 4 KiB write + fsync, stable writes
sync_stable_1m 1.005 1 MiB write + fsync, stable writes
sync_plain_4k 1.001 4 KiB write + fsync, not stable
sync_plain_1m 1.001 1 MiB write + fsync, not stable
sync_mapped_1m - fsync of 256 mapped pages, stable writes
uring_read_4k 1.03 io_uring, 32 reads into a mapped file
get_fast_4k_1 1.005 get_user_pages_fast, 1 page
get_fast_4k_512 1.005 get_user_pages_fast, 512 pages
get_fast_thp_1 1.005 get_user_pages_fast, 1 page of a THP
get_fast_thp_512 1.005 get_user_pages_fast, all 512 of a THP
get_slow_4k_1 1.005 get_user_pages, 1 page
get_slow_4k_512 1.005 get_user_pages, 512 pages
get_slow_thp_1 1.005 get_user_pages, 1 page of a THP
get_slow_thp_512 1.005 get_user_pages, all 512 of a THP
pin_fast_4k_1 1.005 pin_user_pages_fast, 1 page
pin_fast_4k_512 1.005 pin_user_pages_fast, 512 pages
pin_fast_thp_1 1.005 pin_user_pages_fast, 1 page of a THP
pin_fast_thp_512 1.005 pin_user_pages_fast, all 512 of a THP
pin_slow_4k_1 1.005 pin_user_pages, 1 page
pin_slow_4k_512 1.005 pin_user_pages, 512 pages
pin_slow_thp_1 1.005 pin_user_pages, 1 page of a THP
pin_slow_thp_512 1.005 pin_user_pages, all 512 of a THP
put_4k - put_page, each of many pages
put_thp - put_page, each of many pages of THPs
unpin_4k 1.005 unpin_user_pages, each of many pages
unpin_thp 1.005 unpin_user_pages, each of many of THPs
CASES
}

# figures RUNS: prints a line KERNEL RUN NAME INSTRUCTIONS for each figure of the guests.
figures() {
	local kernel run
	for ((run = 1; run <= $1; run++)); do
		for kernel in stock patched; do
			tr -d '\r' <"$out/$kernel.$run.log" |
				sed -n "s/^@@BENCH \(.*\)/$kernel $run \1/p"
		done
	done
}

main() {
	local runs=2 run option code=0
	answer_help "$@"
	while getopts :1 option; do
		case $option in
		1) runs=1 ;;
		*) die "no option '-$OPTARG': $0 --help shows the usage" ;;
		esac
	done
	shift $((OPTIND - 1))
	parse_args 0 2 "$@"
	(($# != 1)) || die "only one build directory: name both, or none"
	load_base
	directory=([stock]=${1:-$BUILD/stock-lean} [patched]=${2:-$BUILD/patched})
	if (($# == 0)); then
		build_kernels full lean patched
	fi
	need_tools qemu-system-x86_64 mkfs.ext4 cpio gcc
	check_kernels

	out=$BUILD/bench
	mkdir -p "$out"
	exec 9>"$out/lock"
	flock -n 9 || die "a bench is running already (lock build/$BASE/bench/lock)"
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/bench.XXXXXX")
	trap cleanup EXIT
	trap 'exit 130' INT TERM
	make_root
	for ((run = 1; run <= runs; run++)); do
		note "run $run of $runs: both kernels, 15 s or more" \
			"(log: build/$BASE/bench/*.$run.log)"
		run_guests "$run" "${BENCH_TIMEOUT:-300}"
	done
	cases >"$tmp/cases"
	figures "$runs" >"$tmp/figures"
	awk -v runs="$runs" -v kib="$BASE_BENCH_KIB" -v bounce="$BASE_BENCH_BOUNCE" \
		-f "$ROOT/scripts/bench-table.awk" "$tmp/figures" "$tmp/cases" \
		>"$out/table.txt" || code=$?
	cat "$out/table.txt"
	exit "$code"
}

main "$@"
