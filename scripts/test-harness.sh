#!/bin/bash
# Usage: scripts/test-harness.sh
# Tests of the harness itself: bad input gives one clear line and changes nothing,
# patches survive a round trip, a guest that ends or hangs is reported.
# Results are added to $TEST_SUMMARY when that is set. Environment: BASE
# shellcheck disable=SC2317 # functions are called through check
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
load_base
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

check() { # NAME COMMAND...
	local name=$1 rc=0 why
	shift
	# not after || or if: errexit has to work in there
	set +e
	(
		set -e
		"$@"
	) >"$tmp/output" 2>&1
	rc=$?
	set -e
	if ((rc == 0)); then
		echo "pass  harness  $name"
		echo "pass harness/$name" >>"${TEST_SUMMARY:-/dev/null}"
	else
		why=$(tail -n 1 "$tmp/output")
		bad=1
		echo "fail  harness  $name: $why"
		sed 's/^/   /' "$tmp/output"
		echo "fail harness/$name: $why" >>"${TEST_SUMMARY:-/dev/null}"
	fi
}

# refuses PATTERN COMMAND...: it fails, and stderr is one line that matches.
refuses() {
	local pattern=$1 rc=0
	shift
	"$@" >"$tmp/out" 2>"$tmp/err" || rc=$?
	grep -vE '^make(\[[0-9]+\])?: ' "$tmp/err" >"$tmp/line" || true
	((rc != 0)) || { echo "no failure: $*"; return 1; }
	(($(wc -l <"$tmp/line") == 1)) || { echo "not one line:"; cat "$tmp/line"; return 1; }
	grep -qE "$pattern" "$tmp/line" || { echo "unexpected: $(cat "$tmp/line")"; return 1; }
}

submake() { MAKEFLAGS='' make -s --no-print-directory -C "$ROOT" "$@"; }

# A tree that looks like Linux $1.
fake_tree() {
	mkdir -p "$tmp/$2/mm"
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = 1\n' "${1%%.*}" "${1#*.}" >"$tmp/$2/Makefile"
	echo "int x;" >"$tmp/$2/mm/gup.c"
	plain_git init -q "$tmp/$2"
	plain_git -C "$tmp/$2" config user.name Test
	plain_git -C "$tmp/$2" config user.email test@example.org
	plain_git -C "$tmp/$2" add -A
	plain_git -C "$tmp/$2" commit -q -m import
}

am_unchanged() { # TREE
	local head
	head=$(git -C "$1" rev-parse HEAD)
	refuses 'does not apply' "$ROOT/scripts/am.sh" "$1"
	[[ $(git -C "$1" rev-parse HEAD) == "$head" ]] || { echo "HEAD moved"; return 1; }
	[[ -z $(git -C "$1" status --porcelain) ]] || { echo "tree is dirty"; return 1; }
	[[ ! -d $1/.git/rebase-apply ]] || { echo "git am left in progress"; return 1; }
}

am_dirty() {
	echo "int y;" >>"$tmp/six/mm/gup.c"
	refuses 'not committed' "$ROOT/scripts/am.sh" "$tmp/six"
	grep -q 'int y' "$tmp/six/mm/gup.c"
	git -C "$tmp/six" checkout -q .
}

am_busy() {
	mkdir "$tmp/six/.git/rebase-apply"
	refuses 'in progress' "$ROOT/scripts/am.sh" "$tmp/six"
	rmdir "$tmp/six/.git/rebase-apply"
}

# The series on the base, and back to files: nothing differs.
round_trip() {
	local wt=$BUILD/check
	base_worktree check
	plain_git -C "$wt" config user.name >/dev/null
	"$ROOT/scripts/am.sh" "$wt"
	refuses 'already' "$ROOT/scripts/am.sh" "$wt"
	export_series "$wt" base HEAD "$tmp/export"
	diff -r "$tmp/export" "$ROOT/patches/$BASE"
}

# make tree and make refresh, in a copy of this project with a tree of two files.
tree_and_refresh() {
	local p=$tmp/project t=$tmp/project/build/6.1/tree
	mkdir -p "$p/patches" "$p/build/6.1"
	cp -r "$ROOT/scripts" "$ROOT/bases" "$p/"
	export BASE=6.1
	fake_tree 6.1 tree
	mv "$tmp/tree" "$t"
	plain_git -C "$t" branch -q -M series
	plain_git -C "$t" tag base
	commit() {
		echo "$1" >>"$t/mm/gup.c"
		plain_git -C "$t" commit -q -a -m "mm: $1"
	}
	commit one
	refuses 'make refresh' "$p/scripts/tree.sh"
	"$p/scripts/refresh.sh"
	[[ -f $p/patches/6.1/0001-mm-one.patch ]] || { echo "no patch written"; return 1; }
	"$p/scripts/tree.sh"
	cp -r "$p/patches/6.1" "$tmp/before"
	"$p/scripts/refresh.sh"
	diff -r "$tmp/before" "$p/patches/6.1"
	commit two
	refuses 'make refresh' "$p/scripts/tree.sh"
	[[ $(git -C "$t" log -n 1 --format=%s) == "mm: two" ]] || { echo "a commit was lost"; return 1; }
	"$p/scripts/refresh.sh"
	# patches changed from outside (a pull): the tree follows
	rm "$p/patches/6.1/0002-mm-two.patch"
	"$p/scripts/tree.sh"
	[[ $(git -C "$t" log -n 1 --format=%s) == "mm: one" ]] || { echo "the tree did not follow"; return 1; }
	git -C "$t" checkout -q -b other
	refuses 'is on branch other' "$p/scripts/tree.sh"
	git -C "$t" checkout -q series
	# a patch that does not apply leaves the tree alone
	sed 's/^ int x;/ int z;/' -i "$p/patches/6.1/0001-mm-one.patch"
	refuses 'does not apply' "$p/scripts/tree.sh"
	[[ $(git -C "$t" log -n 1 --format=%s) == "mm: one" ]] || { echo "a failed apply changed the tree"; return 1; }
}

# fake COMMAND LINE...: a command of that name, first in the PATH of the next refuses.
fake() {
	local name=$1
	shift
	mkdir -p "$tmp/bin"
	printf '%s\n' '#!/bin/sh' "$@" >"$tmp/bin/$name"
	chmod +x "$tmp/bin/$name"
}

# A copy of the project that has nothing yet, on a machine without the base source.
bare_copy() {
	mkdir -p "$tmp/bare"
	cp -r "$ROOT/scripts" "$ROOT/bases" "$ROOT/patches" "$tmp/bare/"
	sed -i 's,/usr/src/,/nonexistent/,' "$tmp/bare/scripts/source.sh"
}

no_network() {
	bare_copy
	fake apt-get 'echo "E: Failed to fetch it" >&2' 'exit 100'
	refuses 'Failed to fetch it.*check the network' env PATH="$tmp/bin:$PATH" BASE=6.1 "$tmp/bare/scripts/tree.sh"
	fake dpkg-query 'exit 1'
	((EUID != 0)) || refuses 'Failed to fetch it.*check the network' env PATH="$tmp/bin:$PATH" "$tmp/bare/scripts/setup.sh"
	fake git 'exit 128'
	refuses 'LINUX_5_4=/path.*network' env -u LINUX_5_4 PATH="$tmp/bin:$PATH" BASE=5.4 "$tmp/bare/scripts/tree.sh"
	rm "$tmp/bin"/*
	[[ ! -d $tmp/bare/build/6.1/tree && ! -d $tmp/bare/build/5.4/tree ]] || { echo "half a tree"; return 1; }
}

no_space() {
	bare_copy
	fake df 'echo Filesystem' 'echo "/dev/x 9999999 99999 1048576 9% /"'
	refuses 'needs 6 GiB.* has 1 GiB' env PATH="$tmp/bin:$PATH" BASE=6.1 "$tmp/bare/scripts/tree.sh"
	rm "$tmp/bin/df"
}

wrong_source() { # a tree named by the user that is not the base
	bare_copy
	refuses 'no such directory' env LINUX_5_4="$tmp/nosuch" BASE=5.4 "$tmp/bare/scripts/tree.sh"
	refuses 'Linux 5.4' env LINUX_5_4="$tmp/six" BASE=5.4 "$tmp/bare/scripts/tree.sh"
	refuses 'not a tree of Linux 5.4' env LINUX_5_4="$tmp/plain" BASE=5.4 "$tmp/bare/scripts/tree.sh"
}

long_left_out() {
	[[ -r $ROOT/guest/soak/soak.sh ]]
	local all
	all=" $(scenarios | tr '\n' ' ') "
	[[ $all != *' soak '* ]] || { echo "make test would run the soak"; return 1; }
	[[ $all == *' boot '* ]]
}

guest_ends() {
	local out rc=0
	out=$(GUEST_CMDLINE="pw.scenario=none" "$ROOT/scripts/guest.sh" -q -k patched -s boot) || rc=$?
	((rc == 1)) || { echo "exit code $rc"; return 1; }
	[[ $out == *"last 60 lines of build/$BASE/results/patched/boot.log"* && $out == *'ended early'* ]] ||
		{ echo "$out"; return 1; }
}

guest_hangs() {
	local out rc=0
	out=$(DURATION_FACTOR=0.01 "$ROOT/scripts/guest.sh" -q -k patched -s boot) || rc=$?
	((rc == 1)) || { echo "exit code $rc"; return 1; }
	[[ $out == *"last 60 lines of build/$BASE/results/patched/boot.log"* && $out == *'hang'* ]] ||
		{ echo "$out"; return 1; }
}

lint() {
	cd "$ROOT"
	local f files=(scripts/*.sh guest/*/*.sh guest/run guest/init guest/scenarios/*/*.sh .ci/run bases/*)
	shellcheck -x "${files[@]}"
	for f in scripts/*.sh; do
		[[ $f == scripts/lib.sh ]] || "$f" -h | grep -q '^Usage: ' || { echo "$f -h gives no usage"; return 1; }
	done
}

fake_tree 6.1 six
fake_tree 5.9 five
mkdir "$tmp/plain"
check wrong-base refuses "no base '9.9'" submake test BASE=9.9
check wrong-base-tree refuses "no base '9.9'" submake tree BASE=9.9
check wrong-scenario refuses "no scenario 'nosuch'" submake test SCENARIO=nosuch
check wrong-kernel refuses "no kernel 'nosuch'" submake test KERNEL=nosuch
check wrong-minutes refuses 'MINUTES=x is not a number' submake soak MINUTES=x
check long-left-out long_left_out
check wrong-target refuses "make help" submake nosuch
check no-network no_network
check no-space no_space
check wrong-source wrong_source
check am-no-tree refuses 'make am TREE=' submake am
check am-missing-tree refuses 'no such directory' submake am TREE="$tmp/nosuch"
check am-not-git refuses 'not a git tree' "$ROOT/scripts/am.sh" "$tmp/plain"
check am-subdirectory refuses 'top directory' "$ROOT/scripts/am.sh" "$tmp/six/mm"
check am-wrong-version refuses 'is Linux 5.9' "$ROOT/scripts/am.sh" "$tmp/five"
check am-dirty am_dirty
check am-in-progress am_busy
check am-conflict am_unchanged "$tmp/six"
check tree-and-refresh tree_and_refresh
check round-trip round_trip
check guest-ends guest_ends
check guest-hangs guest_hangs
check shellcheck lint
exit $bad
