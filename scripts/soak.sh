#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/soak.sh
# Mixed load on ext4, XFS and btrfs at once, with data that can be judged word by word
# and power cuts; then the same with allocations that fail (guest/soak/soak.sh).
# Half an hour and 10 minutes by default, on the debug kernel; a line at least each
# 30 s; the seed is the first of them. Exit code 0: nothing went wrong.
# Environment: BASE, KERNEL (debug, patched, lean or stock), MINUTES (30; 0: no mixed load),
#   FAULT_MINUTES (10; 0: no failing allocations), SEED, GUEST_MEM (MiB, default 3072)
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/lib-guest.sh
. "$ROOT/scripts/lib-guest.sh"
parse_args 0 0 "$@"
load_base
kernel=${KERNEL:-debug} minutes=${MINUTES:-30} faults=${FAULT_MINUTES:-10} seed=${SEED:-$SRANDOM}
build_kernels full "$kernel"
find_kernel "$kernel"

# Mounts, checks and power cuts take about as long as the load. The limits of the soak are
# multiplied by the kernel's factor and no more.
factor=${guest_kernel[duration]}
total=$((minutes * 60 * 5 / 2 + faults * 60 * 2))
note "soak on $kernel: $minutes minutes of load, $faults without memory, seed $seed" \
	"(SEED=$seed repeats it)"
soak="pw.soak=$((minutes * 60)) pw.faults=$((faults * 60)) pw.seed=$seed"
GUEST_MEM=${GUEST_MEM:-3072} LIMIT_FACTOR=$factor GUEST_TIMEOUT=$((total / factor + 300)) \
	GUEST_CMDLINE="${GUEST_CMDLINE:-} $soak" exec "$ROOT/scripts/guest.sh" -k "$kernel" -s soak
