#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/test.sh
# Runs the scenarios on the patched kernel, those that show a bug also on the stock kernel (where
# they have to fail), and the tests of the harness itself. Last line: N passed, N failed, N
# skipped; exit code 1 if any failed.
# Environment: BASE, SCENARIO (only these: "boot rdma-*", "f1/"; make list shows all of them),
#   KERNEL (only this one: stock, which then runs the scenarios that it passes as well, lean,
#   patched or debug), JOBS (guests at a time, default 2), TEST_ALL=1 (long scenarios, too; without
#   it, they run if SCENARIO or KERNEL is given)
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/lib-guest.sh
. "$ROOT/scripts/lib-guest.sh"

# add_result RESULT NAME [TEXT]: one line of the summary.
add_result() { echo "$1 $2${3:+: $3}" >>"$TEST_SUMMARY"; }

# test_failed_itself LOG REASON: the scenario did not come as far as to judge the kernel, and the
# kernel has not complained.
test_failed_itself() {
	[[ $2 == error* || $2 == timed\ out* ]] && ! complaints_in "$1" >/dev/null
}

# test_scenario KERNEL SCENARIO: runs a guest, and adds whether its verdict is the one expected. A
# scenario that failed itself is run once more, and the summary says so: on a busy host it may
# find no memory to reclaim, or be late. What it says of the kernel counts the first time.
test_scenario() {
	local kernel=$1 scenario=$2 expected=pass result=fail verdict reason expect_fail=''
	local log run first=''
	case $kernel in
	stock | lean) expected=$(scenario_field "$scenario" STOCK fail) ;;
	esac
	if [[ $expected == fail ]]; then
		expect_fail=1
	fi
	log=$BUILD/results/$kernel/$scenario.log
	export EXPECT_FAIL=$expect_fail
	for run in 1 2; do
		"$ROOT/scripts/guest.sh" -k "$kernel" -s "$scenario" || true
		read -r verdict reason < <(verdict_of "$kernel" "$scenario")
		if [[ $run == 2 || $verdict != error ]] ||
			! test_failed_itself "$log" "$reason"; then
			break
		fi
		first=$reason
		mv "$log" "$log.first"
	done
	case $verdict in
	"$expected") result=pass ;;
	skip) result=skip ;;
	*) reason+=" (expected: $expected)" ;;
	esac
	if [[ $expected == fail && $result == pass ]]; then
		reason="fails, as it should: $reason"
	fi
	add_result "$result" "$kernel/$scenario" "$reason${first:+ [the first run: $first]}"
}

# guests_to_run KERNEL...: prints a line "KERNEL SCENARIO" for each guest. A stock kernel does
# not run the scenarios that it passes, and of a scenario with variants for filesystems only the
# first one, unless the user asked for it. Long scenarios are left out in the same way, with a
# line "left-out SCENARIO".
guests_to_run() {
	local kernel scenario names patterns file named=${SCENARIO:-}${KERNEL:-}${TEST_ALL:-}
	local -A shown=()
	read -ra patterns <<<"${SCENARIO:-}"
	names=$(scenarios "${patterns[@]}") || exit
	for kernel; do
		for scenario in $names; do
			if [[ ! $named ]] && is_long "$scenario"; then
				if [[ $kernel == patched ]]; then
					echo "left-out $scenario"
				fi
				continue
			fi
			case $kernel-$(scenario_field "$scenario" STOCK fail) in
			stock-skip | lean-skip) continue ;;
			stock-pass)
				if [[ ! $named ]]; then
					continue
				fi
				;;
			stock-fail)
				file=$(scenario_file "$scenario")
				if [[ ! $named && ${shown[$file]:-} ]]; then
					continue
				fi
				shown[$file]=1
				;;
			esac
			echo "$kernel $scenario"
		done
	done
}

# test_other_bases: runs each other base whose source was given, and says which were left out.
test_other_bases() {
	local base source summary
	for base in "$ROOT"/bases/*; do
		base=${base##*/} source=LINUX_${base//./_}
		if [[ $base == "$BASE" ]]; then
			continue
		fi
		if [[ ${!source:-} ]]; then
			BASE=$base "$ROOT/scripts/test.sh" || true
			summary=$ROOT/build/$base/results/summary.txt
			sed "s|^\([a-z]* \)|\1$base/|" "$summary" >>"$TEST_SUMMARY"
		else
			add_result skip "base/$base" "no source of it is given:\
 make test BASE=$base $source=/path/to/linux-$base"
		fi
	done
}

count() { grep -c "^$1 " "$TEST_SUMMARY" || true; }

# print_results GUESTS: fails if there is a failure.
print_results() {
	local result failed
	failed=$(count fail)
	echo
	note "results (build/$BASE/results/summary.txt)"
	# Failures come last: readers look at the end of a log, and a log may be cut.
	for result in pass skip fail; do
		grep "^$result " "$TEST_SUMMARY" | sort -k 2 || true
	done
	if grep -q ' \[the first run: ' "$TEST_SUMMARY"; then
		echo
		note "run twice: the first run told nothing of the kernel (its log: *.log.first)"
		grep ' \[the first run: ' "$TEST_SUMMARY"
	fi
	echo
	(($(wc -l <"$TEST_SUMMARY") >= $1)) || die "some guests did not report: run it again"
	echo "$(count pass) passed, $failed failed, $(count skip) skipped"
	((failed == 0))
}

main() {
	local kernels=(stock patched) guests=() long=() lines scenario jobs=${JOBS:-2} all=1
	if [[ ${1:-} == --one ]]; then # for xargs
		load_base
		test_scenario "$2" "$3"
		return
	fi
	parse_args 0 0 "$@"
	load_base
	if [[ ${KERNEL:-} ]]; then
		kernels=("$KERNEL")
	fi
	if [[ ${SCENARIO:-} || ${KERNEL:-} ]]; then
		all=''
	fi
	lines=$(guests_to_run "${kernels[@]}") || exit
	mapfile -t guests < <(sed '/^left-out /d; /^$/d' <<<"$lines")
	mapfile -t long < <(sed -n 's/^left-out //p' <<<"$lines")

	build_kernels full "${kernels[@]}"
	mkdir -p "$BUILD/results"
	export TEST_SUMMARY=$BUILD/results/summary.txt BASE
	: >"$TEST_SUMMARY"
	for scenario in "${long[@]}"; do
		add_result skip "patched/$scenario" "long: make test TEST_ALL=1 runs it"
	done
	note "${#guests[@]} guests to run, $jobs at a time (up to a minute each)"
	if ((${#guests[@]})); then
		printf '%s\n' "${guests[@]}" | xargs -P "$jobs" -L 1 "$0" --one
	fi
	if [[ $all ]]; then
		note "tests of the harness"
		"$ROOT/scripts/test-harness.sh" || true
		if [[ $BASE == 6.1 ]]; then
			test_other_bases
		fi
	fi
	print_results "$((${#guests[@]} + ${#long[@]}))"
}

main "$@"
