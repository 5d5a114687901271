#!/bin/bash
# Usage: scripts/soak.sh
# Mixed load on ext4, XFS and btrfs at once, with data that can be judged word by word
# and power cuts; then the same with allocations that fail (guest/soak/soak.sh).
# Half an hour and 10 minutes by default, on the debug kernel; a line at least each
# 30 s; the seed is the first of them. Exit code 0: nothing went wrong.
# Environment: BASE, KERNEL (debug, patched, lean or stock), MINUTES (30; 0: no mixed load),
#   FAULT_MINUTES (10; 0: no failing allocations), SEED, GUEST_MEM (MiB, default 3072)
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
load_base

number() { [[ $2 =~ ^[0-9]{1,5}$ ]] || die "$1=$2 is not a number: use $1=n"; }
kernel=${KERNEL:-debug} minutes=${MINUTES:-30} faults=${FAULT_MINUTES:-10} seed=${SEED:-$SRANDOM}
number MINUTES "$minutes"
number FAULT_MINUTES "$faults"
[[ $seed =~ ^[0-9]+$ ]] || die "SEED=$seed is not a number"
case $kernel in
debug) scale=6 ;;
patched | lean | stock) scale=1 ;;
*) die "no kernel '$kernel': use KERNEL=x with one of: debug patched lean stock" ;;
esac

"$ROOT/scripts/setup.sh" full
"$ROOT/scripts/tree.sh"
case $kernel in
stock) "$ROOT/scripts/source.sh" image ;;
lean) "$ROOT/scripts/build.sh" stock-lean ;;
*) "$ROOT/scripts/build.sh" "$kernel" ;;
esac
"$ROOT/scripts/build.sh" programs

# Mounts, checks and power cuts take about as long as the load. The limits of the soak are
# multiplied by the kernel's factor and no more.
total=$((minutes * 60 * 5 / 2 + faults * 60 * 2))
note "soak on $kernel: $minutes minutes of load, $faults without memory, seed $seed (SEED=$seed repeats it)"
GUEST_MEM=${GUEST_MEM:-3072} LIMIT_FACTOR=$scale GUEST_TIMEOUT=$((total / scale + 300)) \
	GUEST_CMDLINE="${GUEST_CMDLINE:-} pw.soak=$((minutes * 60)) pw.faults=$((faults * 60)) pw.seed=$seed" \
	exec "$ROOT/scripts/guest.sh" -k "$kernel" -s soak
