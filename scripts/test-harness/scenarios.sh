# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
# Rows about the list of scenarios, and new ones.

# listed WORD...: prints the names that make list shows.
listed() {
	project_make list "$@" | sed -nE 's/^([a-z0-9-]+) +(all|[0-9. ]+) +(pass|fail|skip) .*/\1/p'
}

# Each scenario of each base is there, with a description.
list_all() {
	local names
	new_project
	names=$(listed)
	[[ $names && $(sort <<<"$names") == "$(scenarios_of any | sort)" ]] ||
		fail "listed: $(diff <(sort <<<"$names") <(scenarios_of any | sort) | head -n 3)"
	if project_make list | grep -nE '^[a-z0-9-]+ .* (pass|fail|skip) +([0-9]+ s|-) *$'; then
		fail "no description"
	fi
}

list_patterns() {
	local names
	new_project
	names=$(listed SCENARIO='boot f2-*' | sort | paste -sd ' ')
	[[ $names == 'boot f2-ext4-dif f2-xfs-dif' ]] || fail "listed: $names"
	[[ $(listed SCENARIO='f1/' | sort) == "$(listed SCENARIO='f1/*' | sort)" ]] ||
		fail "f1/ is not the group f1"
	refuses "no scenario 'zz-\*'" project_make list SCENARIO='boot zz-*'
}

long_left_out() {
	local all
	[[ -r $ROOT/guest/soak/soak.sh ]]
	all=" $(scenarios | tr '\n' ' ') "
	[[ $all != *' soak '* ]] || fail "make test would run the soak"
	[[ $all == *' boot '* ]]
}

# A line LONG is of all variants of a scenario, or of some.
long_scenarios() {
	local name
	for name in read-locked-many rdma-xfs freeze-btrfs; do
		is_long "$name" || fail "$name is not long"
	done
	for name in boot rdma-btrfs freeze-ext4; do
		! is_long "$name" || fail "$name is long"
	done
}

# make scenario makes a file that make list shows and shellcheck accepts.
new_scenario() {
	local before file
	new_project
	project_make scenario NAME=net-new >"$tmp/out"
	file=$project/guest/scenarios/net/net-new.sh
	[[ -r $file ]] || fail "no $file"
	[[ $(listed SCENARIO=net-new) == net-new ]] || fail "make list does not show it"
	(cd "$project" && shellcheck -x "$file")
	project_make scenario NAME=misc/new-FS >"$tmp/out"
	[[ $(listed SCENARIO='new-*' | sort | paste -sd ' ') == 'new-ext4 new-xfs' ]] ||
		fail "variants: $(listed SCENARIO='new-*')"
	(cd "$project" && shellcheck -x "$project/guest/scenarios/misc/new-FS.sh")

	before=$(state)
	touch "$tmp/mark"
	refuses 'net-new is there already' project_make scenario NAME=net-new
	refuses 'boot is there already' project_make scenario NAME=f1/boot
	refuses 'rdma-ext4 is there already' project_make scenario NAME=rdma-ext4
	refuses "no group 'nosuch'" project_make scenario NAME=nosuch/x
	refuses "is not a name" project_make scenario NAME='a b'
	refuses "is not a name" project_make scenario NAME='misc/../x'
	refuses 'NAME=' project_make scenario
	untouched "$before"
}

scenarios_rows() {
	check list-all list_all
	check list-patterns list_patterns
	check long-left-out long_left_out
	check long-scenarios long_scenarios
	check new-scenario new_scenario
}
