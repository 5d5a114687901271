# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the files in guest/scenarios say of themselves; sourced by lib.sh.

# scenario_field SCENARIO NAME DEFAULT: STOCK or TIMEOUT of a scenario, without running it.
scenario_field() {
	local v
	v=$(sed -n "s/^$2=\([a-z0-9]*\).*/\1/p" "$ROOT/guest/scenarios/$1.sh" | head -n 1)
	echo "${v:-$3}"
}

# scenarios: the names of those for this base; a scenario that is not for all bases has
# a line ONLY="5.4 6.1". What has LONG=1 is a target of its own.
scenarios() {
	local f bases
	for f in "$ROOT"/guest/scenarios/*.sh; do
		! grep -q '^LONG=1$' "$f" || continue
		bases=$(sed -n 's/^ONLY="\(.*\)"$/\1/p' "$f")
		if [[ ! $bases || " $bases " == *" $BASE "* ]]; then basename "$f" .sh; fi
	done
}
