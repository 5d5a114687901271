#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/list.sh
# Lists the scenarios by group. Columns: the name (for SCENARIO=), the bases it is for, the
# result expected on a stock kernel ("skip": not run there), the seconds that it took last, and
# a description.
# Environment: SCENARIO (only these: "boot rdma-*", "f1/"), BASE (whose results tell the time)
. "$(dirname "$0")/lib.sh"
parse_args 0 0 "$@"

# last_times: prints a line NAME SECONDS for each scenario that was run, by the latest run.
last_times() {
	local file name seen=' '
	while read -r file; do
		name=$(basename "$file" .seconds)
		if [[ $seen != *" $name "* ]]; then
			seen+="$name "
			echo "$name $(<"$file")"
		fi
	done < <(find "$BUILD/results" -name '*.seconds' -printf '%T@ %p\n' 2>/dev/null |
		sort -rn | cut -d ' ' -f 2-)
}

main() {
	local patterns names
	load_base
	read -ra patterns <<<"${SCENARIO:-}"
	names=$(scenarios_of any "${patterns[@]}") || exit
	printf '%-24s%-5s%-6s%6s  %s\n' NAME BASE STOCK TIME WHAT
	awk -F '\t' '
		FILENAME == ARGV[1] { wanted[$1]; next }
		FILENAME == ARGV[2] { split($0, word, " "); seconds[word[1]] = word[2]; next }
		FILENAME == ARGV[3] {
			if ($0 !~ /^#/) {
				group = $0
				sub(/ .*/, "", group)
				text = $0
				sub(/^[^ ]* */, "", text)
				about[group] = text
			}
			next
		}
		!($1 in wanted) { next }
		$2 != shown { shown = $2; printf "\n%s/ %s\n", $2, about[$2] }
		{
			time = $1 in seconds ? seconds[$1] " s" : "-"
			printf "%-24s%-5s%-6s%6s  %s\n", $1, $3, $4, time, $5
		}' <(echo "$names") <(last_times) "$ROOT/guest/scenarios/GROUPS" <(scenario_table)
}

main
