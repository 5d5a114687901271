# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154,SC2016
# Rows about command lines and variables: bad ones are refused before anything is done.

# A target of make that does something for a base.
targets=(bench check clean debug-test demo kernel list mbox refresh setup shell soak test tree)

# programs: prints the paths of all programs that a user may start, from the top directory.
programs() {
	(cd "$project" && find scripts .ci -type f -perm -u+x | LC_ALL=C sort)
}

# guard: from here on, nothing may be changed, installed, downloaded or started.
guard() {
	new_project
	touch "$tmp/mark"
	forbid apt-get apt apt-cache dpkg dpkg-query sudo git tar wget curl gcc cc rm \
		qemu-system-x86_64
	state >"$tmp/state"
}

# still_untouched: nothing was.
still_untouched() { untouched "$(<"$tmp/state")"; }

# on_all COMMAND...: the command with each program as its last word, and which of them fail.
on_all() {
	local program
	guard
	for program in $(programs); do
		("$@" "$program") >>"$tmp/bad" || true
	done
	[[ ! -s $tmp/bad ]] || fail "$(cat "$tmp/bad")"
	still_untouched
}

prints_usage() { # PROGRAM
	local word
	for word in -h --help; do
		(cd "$project" && faked "./$1" "$word") >"$tmp/help" 2>&1 </dev/null ||
			fail "$1 $word: exit code $?"
		grep -qF "Usage: $1" <(head -n 1 "$tmp/help") ||
			fail "$1 $word: no usage: $(head -n 1 "$tmp/help")"
		if grep -q SPDX "$tmp/help"; then
			fail "$1 $word prints its SPDX line"
		fi
	done
}

# Each program takes fewer than nine words, except test-harness.sh: the names of rows.
refuses_surplus() { # PROGRAM
	if [[ $1 != */test-harness.sh ]]; then
		refuses '--help' "$project/$1" w1 w2 w3 w4 w5 w6 w7 w8 w9
	fi
}

refuses_option() { # PROGRAM
	refuses '--help' "$project/$1" --nosuch
}

wrong_value() { # PATTERN WORD...
	local pattern=$1
	shift
	guard
	refuses "$pattern" project_make "$@"
	still_untouched
}

wrong_base() {
	local target base
	guard
	for target in "${targets[@]}"; do
		for base in 9.9 ../6.1 x; do
			refuses "no base '$base'" project_make "$target" BASE="$base" TOPIC=10-fixes
		done
	done
	still_untouched
}

wrong_on_all_targets() { # PATTERN WORD
	local target
	guard
	for target in "${targets[@]}"; do
		if [[ $target != debug-test || $2 != KERNEL=* ]]; then
			refuses "$1" project_make "$target" "$2" TOPIC=10-fixes
		fi
	done
	still_untouched
}

unknown_variable() {
	guard
	refuses 'unknown variable: scenario .*SCENARIO' project_make test scenario=boot
	refuses 'unknown variable: base ' project_make tree base=5.4
	refuses 'unknown variable: TOPIX ' project_make am TREE=x TOPIX=10
	refuses 'unknown variable: V ' project_make help V=1
	still_untouched
}

# make help lists them, and what it lists is accepted.
known_variables() {
	local list name
	guard
	list=$(project_make help | sed -n 's/^  \([A-Z_0-9]*\)=.*/\1/p')
	(($(wc -w <<<"$list") > 10)) || fail "make help lists: $list"
	for name in $list; do
		project_make help "$name=1" >"$tmp/out" || fail "$name is refused"
	done
	for name in BASE SCENARIO KERNEL JOBS MINUTES FAULT_MINUTES SEED TREE TOPIC TOPICS NAME \
		KEEP LINUX_5_4; do
		grep -qxF "$name" <<<"$list" || fail "make help lacks $name"
	done
	still_untouched
}

# A make that is started from a script knows nothing of the make that started the script: it
# has neither the variables given to it nor its level, which makes it print directories.
no_inherited_flags() {
	local all=$tmp/all.mk said
	printf 'all:\n\t@echo "<$(MAKEOVERRIDES)$(MAKEFLAGS)>"\n' >"$all"
	printf '#!/bin/bash\n. "%s/scripts/lib.sh"\nmake -f "%s"\n' "$ROOT" "$all" >"$tmp/script"
	printf 'all:\n\t@bash %s\n' "$tmp/script" >"$tmp/top.mk"
	said=$(make --no-print-directory -f "$tmp/top.mk" KERNEL=stock)
	[[ $said == '<>' ]] || fail "inherited: $said"
}

input_rows() {
	check help-on-all on_all prints_usage
	check surplus-arguments on_all refuses_surplus
	check unknown-option on_all refuses_option
	check wrong-base wrong_base
	check wrong-scenario wrong_on_all_targets "no scenario 'nosuch'" SCENARIO=nosuch
	check wrong-scenario-glob wrong_on_all_targets "no scenario 'zz-\*'" SCENARIO='boot zz-*'
	check wrong-kernel wrong_on_all_targets "no kernel 'nosuch'" KERNEL=nosuch
	check wrong-jobs wrong_value 'JOBS=0 is out of range' test JOBS=0
	check wrong-minutes wrong_on_all_targets 'MINUTES=x is not a number' MINUTES=x
	check wrong-fault-minutes wrong_value 'FAULT_MINUTES=-1 is not a number' soak \
		FAULT_MINUTES=-1
	check wrong-seed wrong_value 'SEED=0x1 is not a number' soak SEED=0x1
	check wrong-factor wrong_value 'LIMIT_FACTOR=fast is not a number' test LIMIT_FACTOR=fast
	check wrong-tree wrong_value 'LINUX_5_4=/nosuch: no such directory' tree BASE=5.4 \
		LINUX_5_4=/nosuch
	check wrong-target wrong_value 'make help' nosuch
	check unknown-variable unknown_variable
	check known-variables known_variables
	check make-flags no_inherited_flags
}
