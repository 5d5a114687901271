# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# How a row of the harness tests is run, and copies and commands to run it with; sourced by
# test-harness.sh.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
project=$tmp/project # made by new_project
wanted_rows=()       # patterns; none: all
rows=0               # how many were run
failed=0             # 1 if one of them failed

# wanted ROW: it is one of those that the user named.
wanted() {
	local pattern
	for pattern in "${wanted_rows[@]}"; do
		# shellcheck disable=SC2053 # it is a pattern
		if [[ $1 == $pattern ]]; then
			return 0
		fi
	done
	((${#wanted_rows[@]} == 0))
}

# check ROW COMMAND...: a row of the tests. It passes if the command does.
check() {
	local name=$1 code why
	shift
	if ! wanted "$name"; then
		return 0
	fi
	rows=$((rows + 1))
	rm -rf "${tmp:?}/bin" "$tmp/called" "$tmp/bad"
	mkdir "$tmp/bin"
	# Not in a condition: errexit has to work in there.
	set +e
	(
		set -e
		"$@"
	) >"$tmp/output" 2>&1
	code=$?
	set -e
	if ((code == 0)); then
		echo "pass  harness  $name"
		echo "pass harness/$name" >>"${TEST_SUMMARY:-/dev/null}"
	else
		why=$(tail -n 1 "$tmp/output")
		# shellcheck disable=SC2034 # read by test-harness.sh
		failed=1
		echo "fail  harness  $name: $why"
		sed 's/^/   /' "$tmp/output"
		echo "fail harness/$name: $why" >>"${TEST_SUMMARY:-/dev/null}"
	fi
}

# fail TEXT: ends a row, which has failed.
fail() {
	echo "$*"
	exit 1
}

# refuses PATTERN COMMAND...: it ends with exit code 2 and one line on stderr, which matches.
refuses() {
	local pattern=$1 code=0
	shift
	faked "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || code=$?
	grep -vE '^make(\[[0-9]+\])?: ' "$tmp/err" >"$tmp/line" || true
	((code != 0)) || fail "no failure: $*"
	((code == 2)) || fail "exit code $code: $*: $(head -n 1 "$tmp/line")"
	(($(wc -l <"$tmp/line") == 1)) ||
		fail "$(wc -l <"$tmp/line") lines instead of one: $*: $(head -n 1 "$tmp/line")"
	grep -qE -- "$pattern" "$tmp/line" || fail "unexpected: $*: $(<"$tmp/line")"
}

# fake COMMAND LINE...: a program of that name for commands that are run by faked and refuses.
fake() {
	local name=$1
	shift
	printf '%s\n' '#!/bin/sh' "$@" >"$tmp/bin/$name"
	chmod +x "$tmp/bin/$name"
}

# forbid COMMAND...: programs that must not be called in this row.
forbid() {
	local name
	for name; do
		fake "$name" "echo \"$name \$*\" >>'$tmp/called'" "echo '$name was called' >&2" \
			'exit 99'
	done
}

# faked COMMAND...: runs it with the programs of fake and forbid.
faked() {
	(
		PATH=$tmp/bin:$PATH
		"$@"
	)
}

# new_project: a fresh copy of this project in $project, without anything that was built.
new_project() {
	rm -rf "$project"
	mkdir -p "$project"
	(cd "$ROOT" && tar -cf - --exclude=./build --exclude=./.git .) | tar -C "$project" -xf -
}

# project_make WORD...: runs make there.
project_make() { faked make -s --no-print-directory -C "$project" "$@"; }

# state: prints a checksum of all files and directories of the copy.
state() {
	(
		cd "$project"
		find . | LC_ALL=C sort
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
	) | sha256sum
}

# untouched STATE: nothing was changed in the copy since, and no forbidden command was called.
untouched() {
	[[ ! -e $tmp/called ]] || fail "called: $(head -n 1 "$tmp/called")"
	[[ $(state) == "$1" ]] ||
		fail "files changed: $(find "$project" -newer "$tmp/mark" | paste -sd ' ')"
}

# fake_tree VERSION NAME: a git tree in $tmp/NAME that looks like this version of Linux.
fake_tree() {
	mkdir -p "$tmp/$2/mm"
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = 1\n' "${1%%.*}" "${1#*.}" \
		>"$tmp/$2/Makefile"
	echo "int x;" >"$tmp/$2/mm/gup.c"
	plain_git init -q "$tmp/$2"
	plain_git -C "$tmp/$2" config user.name Test
	plain_git -C "$tmp/$2" config user.email test@example.org
	plain_git -C "$tmp/$2" add -A
	plain_git -C "$tmp/$2" commit -q -m import
}
