#!/bin/bash
# Usage: scripts/demo.sh
# Builds the patched kernel, runs F1 and F2 on Debian's own kernel and on the
# patched one and prints a table. Exit code 0 only if stock fails and patched passes.
# Environment: BASE
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
load_base
demo=(f1-btrfs-powercut f2-ext4-dif)
kernels=(stock patched)

"$ROOT/scripts/setup.sh" demo
"$ROOT/scripts/source.sh" image
"$ROOT/scripts/tree.sh"
"$ROOT/scripts/build.sh" patched
[[ -d $BUILD/debimg ]] || "$ROOT/scripts/build.sh" stock-lean
"$ROOT/scripts/build.sh" programs

note "two scenarios on two kernels, about a minute each at most"
export EXPECT_FAIL=1 BASE
for k in "${kernels[@]}"; do
	for s in "${demo[@]}"; do
		"$ROOT/scripts/guest.sh" -k "$k" -s "$s" || true
	done &
done
wait

rc=0 rows=()
for s in "${demo[@]}"; do
	cells=()
	for k in "${kernels[@]}"; do
		verdict_of "$k" "$s"
		[[ $k == stock ]] && want=fail || want=pass
		[[ $verdict == "$want" ]] || rc=1
		cells+=("$verdict${verdict_text:+: $verdict_text}")
	done
	rows+=("$s"$'\t'"${cells[0]}"$'\t'"${cells[1]}")
done
echo
{
	printf 'scenario\tstock\tpatched\n'
	printf '%s\n' "${rows[@]}"
} | awk -F '\t' '
	{ for (i = 1; i <= 3; i++) { c[NR, i] = $i; if (length($i) > w[i]) w[i] = length($i) } }
	END { for (r = 1; r <= NR; r++) printf "%-*s | %-*s | %s\n", w[1], c[r, 1], w[2], c[r, 2], c[r, 3] }'
echo
if ((rc)); then
	echo "demo: expected fail on stock and pass on patched; logs: build/$BASE/results/" >&2
fi
exit $rc
