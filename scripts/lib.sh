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

# shellcheck source=scripts/lib-scenarios.sh
. "$ROOT/scripts/lib-scenarios.sh"
# shellcheck source=scripts/lib-series.sh
. "$ROOT/scripts/lib-series.sh"
