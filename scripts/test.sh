#!/bin/bash
# Usage: scripts/test.sh
# Runs the scenarios on the patched kernel, those that show a bug also on the stock
# kernel (where they have to fail), and the tests of the harness itself. Last line:
# N passed, N failed, N skipped; exit code 1 if any failed.
# Environment: BASE, SCENARIO (only these: "boot rdma-*", "f1/"; make list shows all of them),
#   KERNEL (only this one: stock, which then runs what it passes as well, lean, patched or
#   debug), JOBS (guests at a time, default 2)
. "$(dirname "$0")/lib.sh"

# one KERNEL SCENARIO: a guest, and whether its verdict is the one expected.
one() {
	local kernel=$1 scenario=$2 expected=pass result=fail
	case $kernel in stock | lean) expected=$(scenario_field "$scenario" STOCK fail) ;; esac
	EXPECT_FAIL=$([[ $expected != fail ]] || echo 1) \
		"$ROOT/scripts/guest.sh" -k "$kernel" -s "$scenario" || true
	verdict_of "$kernel" "$scenario"
	case $verdict in
	"$expected") result=pass ;;
	skip) result=skip ;;
	esac
	[[ $result == pass ]] || [[ $verdict == skip ]] ||
		verdict_text+=" (expected: $expected)"
	[[ $expected == fail && $result == pass ]] && verdict_text="fails, as it should: $verdict_text"
	echo "$result $kernel/$scenario${verdict_text:+: $verdict_text}" >>"$TEST_SUMMARY"
}

case ${1:-} in
-h) usage 0 ;;
--one) load_base; one "$2" "$3"; exit 0 ;;
esac

load_base
# Bad input first, before anything takes minutes.
read -ra patterns <<<"${SCENARIO:-}"
names=$(scenarios "${patterns[@]}") || exit
mapfile -t all <<<"$names"
case ${KERNEL:-} in
'') kernels=(stock patched) ;;
stock | lean | patched | debug) kernels=("$KERNEL") ;;
*) die "no kernel '$KERNEL': use KERNEL=x with one of: stock lean patched debug" ;;
esac
jobs=${JOBS:-2}
[[ $jobs =~ ^[1-9][0-9]*$ ]] || die "JOBS=$jobs is not a number of guests"

"$ROOT/scripts/setup.sh" full
"$ROOT/scripts/tree.sh"
for k in "${kernels[@]}"; do
	case $k in
	stock)
		"$ROOT/scripts/source.sh" image
		[[ -d $BUILD/debimg ]] || "$ROOT/scripts/build.sh" stock-lean
		;;
	lean) "$ROOT/scripts/build.sh" stock-lean ;;
	*) "$ROOT/scripts/build.sh" "$k" ;;
	esac
done
"$ROOT/scripts/build.sh" programs

results=$BUILD/results
mkdir -p "$results"
export TEST_SUMMARY=$results/summary.txt BASE
: >"$TEST_SUMMARY"
list=()
for k in "${kernels[@]}"; do
	for s in "${all[@]}"; do
		case $k-$(scenario_field "$s" STOCK fail) in
		stock-skip | lean-skip) continue ;;
		stock-pass) [[ ${SCENARIO:-}${KERNEL:-} ]] || continue ;;
		esac
		list+=("$k $s")
	done
done
note "${#list[@]} guests to run, $jobs at a time (up to a minute each)"
((${#list[@]} == 0)) || printf '%s\n' "${list[@]}" | xargs -P "$jobs" -L 1 "$0" --one

if [[ ! ${SCENARIO:-} && ! ${KERNEL:-} ]]; then
	note "tests of the harness"
	"$ROOT/scripts/test-harness.sh" || true
fi

# What this run does not cover is said, too; a base whose source was given is run.
if [[ ! ${SCENARIO:-} && ! ${KERNEL:-} && $BASE == 6.1 ]]; then
	for b in "$ROOT"/bases/*; do
		b=${b##*/} var=LINUX_${b//./_}
		[[ $b != "$BASE" ]] || continue
		if [[ ${!var:-} ]]; then
			BASE=$b "$ROOT/scripts/test.sh" || true
			sed "s|^\([a-z]* \)|\1$b/|" "$ROOT/build/$b/results/summary.txt" >>"$TEST_SUMMARY"
		else
			echo "skip base/$b: no source of it is given: make test BASE=$b $var=/path/to/linux-$b" >>"$TEST_SUMMARY"
		fi
	done
fi

count() { grep -c "^$1 " "$TEST_SUMMARY" || true; }
echo
note "results (build/$BASE/results/summary.txt)"
# What failed is said last: that is where a log is looked at, and what is left of a cut one.
for r in pass skip fail; do
	grep "^$r " "$TEST_SUMMARY" | sort -k 2 || true
done
echo
failed=$(count fail)
(( $(wc -l <"$TEST_SUMMARY") >= ${#list[@]} )) || die "some guests did not report: run it again"
echo "$(count pass) passed, $failed failed, $(count skip) skipped"
((failed == 0)) || exit 1
