# shellcheck shell=bash
# Common to the scripts of the harness; sourced by each of them.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BASE=${BASE:-6.1}

die() { echo "${0##*/}: $*" >&2; exit 2; }
note() { echo "== $*"; }

# usage [CODE]: the comment block on top of the script is its help.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; exit "${1:-0}"; }

# load_base: the variables of bases/$BASE, and where its build directory is.
load_base() {
	local have
	have=$(cd "$ROOT/bases" && echo *)
	[[ $BASE =~ ^[0-9.]+$ && -r $ROOT/bases/$BASE ]] ||
		die "no base '$BASE': use BASE=x with one of: $have"
	# shellcheck source=bases/6.1
	. "$ROOT/bases/$BASE"
	# shellcheck disable=SC2034 # used by the scripts that source this
	BUILD=$ROOT/build/$BASE
}

# need_tools COMMAND...: for a script run by hand before make setup.
need_tools() {
	local c
	for c; do
		command -v "$c" >/dev/null || PATH=$PATH:/usr/sbin:/sbin
		command -v "$c" >/dev/null || die "no $c: run make setup"
	done
}

# need_space GIB WHAT: refuses before a long step instead of in the middle of it.
need_space() {
	local free
	mkdir -p "$ROOT/build"
	free=$(df -Pk "$ROOT/build" | awk 'NR == 2 { print int($4 / 1048576) }')
	((free >= $1)) || die "$2 needs $1 GiB, $ROOT/build has $free GiB free: make room, or make build/ a link to a larger disk"
}

# lock [NAME]: one script at a time changes trees and kernels (or what NAME is for).
lock() {
	local fd
	mkdir -p "$ROOT/build"
	exec {fd}>"$ROOT/build/${1:-make}.lock"
	flock -n "$fd" && return
	note "another make is at work in build/, waiting for it"
	flock "$fd"
}

# progress SECONDS WHAT: reads a build's output, and says now and then how far it is.
progress() {
	local start=$SECONDS last=$SECONDS n=0 line
	while read -r line; do
		[[ $line =~ ^(CC|LD|AR|AS|HOSTCC)\  ]] && n=$((n + 1))
		if ((SECONDS - last >= $1)); then
			last=$SECONDS
			echo "   $2: $n files, $((SECONDS - start)) s"
		fi
	done
}

# busy WHAT COMMAND...: runs a silent command and says every 10 s that it is at work.
busy() {
	local what=$1 start=$SECONDS pid rc=0
	shift
	"$@" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		if (((SECONDS - start) % 10 == 9)); then
			echo "   $what: $((SECONDS - start)) s"
			sleep 1
		fi
	done
	wait "$pid" || rc=$?
	return $rc
}

# git as if nobody had configured anything: the same output on every machine.
plain_git() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -c core.abbrev=12 \
		-c user.name='Pinned Writeback' -c user.email=pinned-writeback@example.org \
		-c commit.gpgsign=false -c gc.auto=0 "$@"
}

# export_series TREE FROM TO DIR: the commits as patch files.
export_series() {
	mkdir -p "$4"
	plain_git -C "$1" format-patch -q --zero-commit --no-signature --no-numbered -o "$4" "$2..$3" >/dev/null
}

# apply_series TREE DIR: git am, or nothing at all. Fails with the reason in $am_error.
# shellcheck disable=SC2034
apply_series() {
	local head out
	am_error=
	compgen -G "$2/*.patch" >/dev/null || return 0
	head=$(git -C "$1" rev-parse HEAD)
	if ! out=$("${AM_GIT:-plain_git}" -C "$1" am -q "$2"/*.patch 2>&1); then
		am_error=$(grep -m 1 -E '^(error|fatal): |^Patch failed' <<<"$out") || am_error=${out%%$'\n'*}
		git -C "$1" am --abort >/dev/null 2>&1 || true
		[[ $(git -C "$1" rev-parse HEAD) == "$head" ]] || git -C "$1" reset -q --hard "$head"
		return 1
	fi
}

# verdict_of KERNEL SCENARIO: pass, fail, skip, or error: the scenario did not get as
# far as to look at the kernel, which proves nothing. The reason is in $verdict_text.
# shellcheck disable=SC2034
verdict_of() {
	local v=error
	verdict=error verdict_text='not run'
	[[ -r $BUILD/results/$1/$2.verdict ]] || return 0
	read -r v verdict_text <"$BUILD/results/$1/$2.verdict" || true
	verdict=$v
	if [[ $v == fail && $verdict_text =~ ^(error|no\ verdict|timed\ out) ]]; then
		verdict=error
	fi
}

# base_worktree NAME: build/BASE/NAME, a clean checkout of the base.
base_worktree() {
	local wt=$BUILD/$1
	lock "$1"
	[[ -d $BUILD/tree ]] || die "no build/$BASE/tree: run make tree"
	if [[ -e $wt/.git ]] && git -C "$wt" rev-parse -q --verify HEAD >/dev/null 2>&1; then
		git -C "$wt" am --abort >/dev/null 2>&1 || true
		plain_git -C "$wt" checkout -q -f --detach base
		git -C "$wt" clean -fdq
	else
		rm -rf "$wt"
		git -C "$BUILD/tree" worktree prune
		busy "checking out the base" plain_git -C "$BUILD/tree" worktree add -q --detach "$wt" base
	fi
}

# shellcheck source=scripts/lib-scenarios.sh
. "$ROOT/scripts/lib-scenarios.sh"
