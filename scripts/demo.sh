#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/demo.sh
# Builds the patched kernel, runs a scenario of F1 and one of F2 (docs/model.md) on Debian's
# own kernel and on the patched one, and prints a table. Exit code 0 only if both fail on
# stock and pass on patched.
# Environment: BASE
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/lib-guest.sh
. "$ROOT/scripts/lib-guest.sh"
parse_args 0 0 "$@"
load_base
demo=(f1-btrfs-powercut f2-ext4-dif)
kernels=(stock patched)

build_kernels demo "${kernels[@]}"

note "two scenarios on two kernels, about a minute each at most"
export EXPECT_FAIL=1 BASE
for kernel in "${kernels[@]}"; do
	for scenario in "${demo[@]}"; do
		"$ROOT/scripts/guest.sh" -k "$kernel" -s "$scenario" || true
	done &
done
wait

code=0
rows=(scenario$'\t'stock$'\t'patched)
for scenario in "${demo[@]}"; do
	row=$scenario
	for kernel in "${kernels[@]}"; do
		read -r verdict reason < <(verdict_of "$kernel" "$scenario")
		row+=$'\t'$verdict${reason:+: $reason}
		if [[ $kernel-$verdict != stock-fail && $kernel-$verdict != patched-pass ]]; then
			code=1
		fi
	done
	rows+=("$row")
done
echo
printf '%s\n' "${rows[@]}" | wrapped_table
echo
if ((code)); then
	echo "demo: expected fail on stock and pass on patched; logs: build/$BASE/results/" >&2
fi
exit "$code"
