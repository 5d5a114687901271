#!/bin/bash
# Usage: scripts/bench.sh [-1] [STOCK PATCHED]
# Counts the instructions of I/O paths on two kernels, twice, and prints a table
# of their ratios; docs/bench.md explains it. Half a minute on an idle machine.
#   -1             one run of each kernel only, half the time
#   STOCK PATCHED  build directories of kernels with the same configuration
#                  (default: build/BASE/stock-lean and build/BASE/patched)
# Exit code: 0 all limits kept, 1 a limit is broken or the runs differ, 2 not run.
# Results: build/BASE/bench/{stock,patched}.{1,2}.log and table.txt
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

out=$BUILD/bench
mkdir -p "$out"
exec 9>"$out/lock"
flock -n 9 || die "a bench is running already (lock build/$BASE/bench/lock)"

module() { find "$1/mods/" -name "$2.ko" -print -quit 2>/dev/null; }
for k in stock patched; do
	[[ -r ${dir[$k]}/arch/x86/boot/bzImage ]] ||
		die "no kernel in ${dir[$k]}: run make bench, or make kernel"
	for m in null_blk ${BASE_GUEST_MODULES:-}; do
		[[ $(module "${dir[$k]}" "$m") ]] || die "no $m.ko in ${dir[$k]}: build this kernel again"
	done
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
	for m in null_blk ${BASE_GUEST_MODULES:-}; do
		objcopy --strip-debug "$(module "${dir[$k]}" "$m")" "$root/modules/$k/$m.ko"
	done
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
	note "run $r of $runs: both kernels, 15 s or more (log: build/$BASE/bench/*.$r.log)"
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
		echo "-- last 60 lines of build/$BASE/bench/$k.$r.log:"
		tail -n 60 "$out/$k.$r.log" "$out/$k.$r.qemu" | tr -d '\r'
		die "the $k kernel did not finish within $limit s: see build/$BASE/bench/$k.$r.log"
	done
done

# NAME LIMIT TEXT; no limit: shown only. Pins may be missing on the stock kernel.
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

for ((r = 1; r <= runs; r++)); do
	for k in stock patched; do
		tr -d '\r' <"$out/$k.$r.log" | sed -n "s/^@@BENCH \(.*\)/$k $r \1/p"
	done
done >"$root/figures"

awk -v runs="$runs" '
	function shown(x) { return x == "" ? "-" : sprintf(x < 100 ? "%.1f" : "%.0f", x) }
	function against(get, pin,  g, p) {
		g = v["patched", 1, get]; p = v["patched", 1, pin]
		if (g && p) printf "%-42s %10s %10s %8.4f\n", text[pin], shown(g), shown(p), p / g
	}
	function change(x, y) { x = y / x - 1; return x < 0 ? -x : x }
	BEGIN { printf "%-42s %10s %10s %8s %7s %8s\n", "instructions", "stock", "patched", "ratio", "limit", "runs +-" }
	FILENAME ~ /figures$/ { v[$1, $2, $3] = $4; next }
	{
		name = $1; limit = $2; sub(/^[^ ]* [^ ]* /, ""); text[name] = $0
		s = v["stock", 1, name]; p = v["patched", 1, name]
		if (!p || (!s && name !~ /pin/)) { printf "%-42s missing\n", $0; bad = 1; next }
		diff = worst = 0
		for (r = 1; r <= runs; r++) {
			d = change(p, v["patched", r, name]); if (d > diff) diff = d
			if (!s) continue
			d = change(s, v["stock", r, name]); if (d > diff) diff = d
			d = v["patched", r, name] / v["stock", r, name]; if (d > worst) worst = d
		}
		if (!s) limit = "-"
		ok = limit == "-" ? "" : worst <= limit + 0 ? "ok" : "NOT OK"
		if (diff >= 0.005) ok = "NOT OK (runs differ)"
		if (ok ~ /^NOT/) bad = 1
		printf "%-42s %10s %10s %8s %7s %7.3f%%  %s\n", $0, shown(s), shown(p),
			s ? sprintf("%.4f", worst) : "-", limit, 100 * diff, ok
	}
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
		printf "\n%-42s %10s %10s %8s\n", "patched: a pin against a plain reference", "get", "pin", "ratio"
		n = split("fast_4k_1 fast_4k_512 fast_thp_1 fast_thp_512 slow_4k_1 slow_4k_512 slow_thp_1 slow_thp_512", way)
		for (i = 1; i <= n; i++)
			against("get_" way[i], "pin_" way[i])
		against("put_4k", "unpin_4k")
		against("put_thp", "unpin_thp")
		exit bad
	}' "$root/figures" "$root/cases" >"$out/table.txt" && rc=0 || rc=$?
cat "$out/table.txt"
exit "$rc"
