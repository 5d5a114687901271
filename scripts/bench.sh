#!/bin/bash
# Usage: scripts/bench.sh [-1] [STOCK PATCHED]
# Counts the instructions of I/O paths on two kernels, twice, and prints a table
# of their ratios; docs/bench.md explains it. Half a minute on an idle machine.
#   -1             one run of each kernel only, half the time
#   STOCK PATCHED  build directories of kernels with the same configuration
#                  (default: build/BASE/stock-lean and build/BASE/patched)
# Exit code: 0 all limits kept, 1 a limit is broken or the runs differ, 2 not run.
# Results: build/bench/{stock,patched}.{1,2}.log and table.txt
# Environment: BASE, BENCH_TIMEOUT (seconds for one guest, default 300)
. "$(dirname "$0")/lib.sh"

runs=2
while getopts h1 o; do
	case $o in
	h) usage ;;
	1) runs=1 ;;
	*) usage 2 >&2 ;;
	esac
done
shift $((OPTIND - 1))
(($# == 0 || $# == 2)) || usage 2 >&2
load_base
declare -A dir=([stock]=${1:-$BUILD/stock-lean} [patched]=${2:-$BUILD/patched})
PATH=$PATH:/usr/sbin:/sbin
for c in qemu-system-x86_64 mkfs.ext4 cpio gcc; do
	command -v "$c" >/dev/null || die "no $c: run make setup"
done

out=$ROOT/build/bench
mkdir -p "$out"
exec 9>"$out/lock"
flock -n 9 || die "a bench is running already (lock build/bench/lock)"

module() { find "$1/mods/" -name null_blk.ko -print -quit 2>/dev/null; }
for k in stock patched; do
	[[ -r ${dir[$k]}/arch/x86/boot/bzImage ]] ||
		die "no kernel in ${dir[$k]}: run make bench, or make kernel"
	[[ $(module "${dir[$k]}") ]] || die "no null_blk.ko in ${dir[$k]}: build this kernel again"
done
cmp -s <(grep '^CONFIG' "${dir[stock]}/.config") <(grep '^CONFIG' "${dir[patched]}/.config") ||
	note "the kernels have different configurations: ratios say less"

# One initramfs for both kernels, so that it takes as much memory in both: the
# command line says whose module to load.
root=$(mktemp -d "${TMPDIR:-/tmp}/bench.XXXXXX")
pids=()
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true # timeout ends QEMU
	rm -rf "$root"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir -p "$root"/{modules/stock,modules/patched,proc,sys,dev,tmp}
for k in stock patched; do
	objcopy --strip-debug "$(module "${dir[$k]}")" "$root/modules/$k/null_blk.ko"
done
gcc -O2 -Wall -Wextra -static -o "$root/init" "$ROOT/guest/bench/bench.c" ||
	die "guest/bench/bench.c does not compile"
truncate -s 64M "$root/fs.img"
E2FSPROGS_FAKE_TIME=1700000000 mkfs.ext4 -q -F -b 4096 -O ^has_journal,^resize_inode \
	-U 01234567-89ab-cdef-0123-456789abcdef -E lazy_itable_init=0,hash_seed=01234567-89ab-cdef-0123-456789abcdef \
	"$root/fs.img" 4096 >/dev/null
truncate -s 16M "$root/fs.img"
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$out/initramfs.gz"

limit=${BENCH_TIMEOUT:-300}
start() { # KERNEL RUN
	# One CPU, one nanosecond an instruction, idle time skipped; nothing random.
	timeout -k 5 "$limit" qemu-system-x86_64 -accel tcg,thread=single -icount shift=0,align=off,sleep=off \
		-cpu max,la57=off,rdrand=off,rdseed=off,erms=off,fsrm=off -smp 1 -m 1024 \
		-rtc base=2024-01-01,clock=vm -nodefaults -no-user-config -display none -monitor none -no-reboot \
		-serial "file:$out/$1.$2.log" -kernel "${dir[$1]}/arch/x86/boot/bzImage" -initrd "$out/initramfs.gz" \
		-append "console=ttyS0 quiet panic=-1 nokaslr norandmaps tsc=reliable kernel=$1" \
		</dev/null >"$out/$1.$2.qemu" 2>&1 9>&- &
	pids+=($!)
}
for ((r = 1; r <= runs; r++)); do
	note "run $r of $runs: both kernels, 15 s or more (log: build/bench/*.$r.log)"
	pids=()
	rm -f "$out"/*."$r".log
	start stock "$r"
	start patched "$r"
	while kill -0 "${pids[@]}" 2>/dev/null; do
		sleep 1
		((SECONDS % 15)) || echo "   $SECONDS s: $(cat "$out"/*."$r".log 2>/dev/null | grep -c '^@@BENCH ' || true) figures"
	done
	for p in "${pids[@]}"; do
		wait "$p" || true
	done
	pids=()
	for k in stock patched; do
		grep -q '^@@BENCHEND' "$out/$k.$r.log" && continue
		echo "-- last 60 lines of build/bench/$k.$r.log:"
		tail -n 60 "$out/$k.$r.log" "$out/$k.$r.qemu" | tr -d '\r'
		die "the $k kernel did not finish within $limit s: see build/bench/$k.$r.log"
	done
done

# NAME LIMIT TEXT; no limit: shown only.
cat >"$root/cases" <<'CASES'
dio_read_4k 1.01 4 KiB O_DIRECT read
dio_write_4k 1.01 4 KiB O_DIRECT write
dio_read_1m 1.01 1 MiB O_DIRECT read
dio_write_1m 1.01 1 MiB O_DIRECT write
sync_stable_4k 1.005 4 KiB write + fsync, stable writes
sync_stable_1m 1.005 1 MiB write + fsync, stable writes
sync_plain_4k 1.001 4 KiB write + fsync, not stable
sync_plain_1m 1.001 1 MiB write + fsync, not stable
sync_mapped_1m - fsync of 256 mapped pages, stable writes
CASES

for ((r = 1; r <= runs; r++)); do
	for k in stock patched; do
		tr -d '\r' <"$out/$k.$r.log" | sed -n "s/^@@BENCH \(.*\)/$k $r \1/p"
	done
done >"$root/figures"

awk -v runs="$runs" '
	FILENAME ~ /figures$/ { v[$1, $2, $3] = $4; next }
	{
		name = $1; limit = $2; sub(/^[^ ]* [^ ]* /, "")
		s = v["stock", 1, name]; p = v["patched", 1, name]
		if (!s || !p) { printf "%-42s missing\n", $0; bad = 1; next }
		diff = 0; worst = p / s
		if (runs > 1) {
			s2 = v["stock", 2, name]; p2 = v["patched", 2, name]
			d = s2 / s - 1; if (d < 0) d = -d; diff = d
			d = p2 / p - 1; if (d < 0) d = -d; if (d > diff) diff = d
			if (p2 / s2 > worst) worst = p2 / s2
		}
		ok = (limit == "-" || worst <= limit + 0) ? (limit == "-" ? "" : "ok") : "NOT OK"
		if (diff >= 0.005) ok = "NOT OK (runs differ)"
		if (ok ~ /^NOT/) bad = 1
		printf "%-42s %10.0f %10.0f %8.4f %7s %7.3f%%  %s\n", $0, s, p, worst, limit, 100 * diff, ok
	}
	BEGIN { printf "%-42s %10s %10s %8s %7s %8s\n", "instructions", "stock", "patched", "ratio", "limit", "runs +-" }
	END {
		kib = 0
		for (r = 1; r <= runs; r++) {
			d = v["stock", r, "boot_free_kib"] - v["patched", r, "boot_free_kib"]
			if (r == 1 || d > kib) kib = d
		}
		ok = kib <= 256 ? "ok" : "NOT OK"; if (ok != "ok") bad = 1
		printf "%-42s %10d %10d %8s %7s %8s  %s\n", "KiB of memory free when init starts",
			v["stock", 1, "boot_free_kib"], v["patched", 1, "boot_free_kib"], kib " KiB", "256", "", ok
		if (v["patched", 1, "bounced_pages"] + 0 != 256) {
			printf "bounced pages for 256 pinned pages: %d  NOT OK\n", v["patched", 1, "bounced_pages"]; bad = 1
		} else
			printf "a bounced page: %.0f instructions; a bare copy of 4 KiB: %.0f (rep movsq), %.0f (load and store 8 bytes)\n",
				v["patched", 1, "bounced_page"], v["patched", 1, "copy_4k"], v["patched", 1, "copy_4k_loop"]
		exit bad
	}' "$root/figures" "$root/cases" >"$out/table.txt" && rc=0 || rc=$?
cat "$out/table.txt"
exit "$rc"
