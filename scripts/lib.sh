# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Common to the scripts of the harness; sourced by each of them.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BASE=${BASE:-6.1}
# A make that is run from here (a kernel, a selftest) is not told of the options and
# variables that the user gave to ours.
unset MAKEFLAGS MAKEOVERRIDES MFLAGS MAKELEVEL

die() { echo "${0##*/}: $*" >&2; exit 2; }
note() { echo "== $*"; }

# usage [CODE]: prints the comment block on top of the script, which is its help, and exits.
usage() {
	sed -n '2,/^[^#]/{/^# \(SPDX\|shellcheck\)/d; s/^# \{0,1\}//p}' "$0"
	exit "${1:-0}"
}

# answer_help WORD...: prints the usage and exits if a word is -h or --help.
answer_help() {
	local word
	for word; do
		if [[ $word == -h || $word == --help ]]; then
			usage 0
		fi
	done
}

# parse_args MIN MAX WORD...: the parser of all command lines. -h and --help print the usage.
# An option, and less than MIN or more than MAX words, are refused with one line. A script
# with options of its own calls answer_help, then getopts, then this for the words left.
parse_args() {
	local min=$1 max=$2 word help="$0 --help shows the usage"
	shift 2
	answer_help "$@"
	for word; do
		[[ $word != -* ]] || die "no option '$word': $help"
	done
	(($# <= max)) || die "unexpected argument '${*:max+1:1}': $help"
	(($# >= min)) || die "an argument is missing: $help"
}

# load_base: checks all variables, reads bases/$BASE and sets BUILD, the build directory of
# the base. Each script calls this before it changes anything.
load_base() {
	local have
	have=$(cd "$ROOT/bases" && echo *)
	[[ $BASE =~ ^[0-9.]+$ && -f $ROOT/bases/$BASE ]] ||
		die "no base '$BASE': use BASE=x with one of: $have"
	# shellcheck source=bases/6.1
	. "$ROOT/bases/$BASE"
	# shellcheck disable=SC2034 # used by the scripts that source this
	BUILD=$ROOT/build/$BASE
	check_variables
}

# need_number NAME VALUE [MIN [MAX]]: refuses a variable that is not a whole number in this
# range (default: 0 to 99999).
need_number() {
	local min=${3:-0} max=${4:-99999}
	[[ $2 =~ ^(0|[1-9][0-9]{0,17})$ ]] || die "$1=$2 is not a number: use $1=n"
	(($2 >= min && $2 <= max)) || die "$1=$2 is out of range: use $min to $max"
}

# check_variables: refuses a wrong value of any variable that a user can set.
check_variables() {
	local name patterns tree=LINUX_${BASE//./_}
	case ${KERNEL:-} in
	'' | stock | lean | patched | debug) ;;
	*) die "no kernel '$KERNEL': use KERNEL=x with one of: stock lean patched debug" ;;
	esac
	if [[ ${SCENARIO:-} ]]; then
		read -ra patterns <<<"$SCENARIO"
		# In a subshell, as it ends the script with a line of its own.
		(scenarios_of any "${patterns[@]}") >/dev/null || exit 2
	fi
	for name in JOBS JOBS_BUILD GUEST_SMP; do
		need_number "$name" "${!name:-1}" 1
	done
	for name in GUEST_MEM GUEST_TIMEOUT BENCH_TIMEOUT; do
		need_number "$name" "${!name:-1}" 1 99999999
	done
	for name in MINUTES FAULT_MINUTES; do
		need_number "$name" "${!name:-0}"
	done
	need_number SEED "${SEED:-0}" 0 999999999999999999
	for name in DURATION_FACTOR LIMIT_FACTOR; do
		[[ ${!name:-1} =~ ^[0-9]+(\.[0-9]+)?$ ]] ||
			die "$name=${!name} is not a number: use $name=n or $name=n.n"
	done
	[[ ! ${!tree:-} || -d ${!tree} ]] || die "$tree=${!tree}: no such directory"
}

# need_tools COMMAND...: for a script run by hand before make setup.
need_tools() {
	local name
	for name; do
		command -v "$name" >/dev/null || PATH=$PATH:/usr/sbin:/sbin
		command -v "$name" >/dev/null || die "no $name: run make setup"
	done
}

# need_space GIB WHAT: refuses before a long step instead of in the middle of it.
need_space() {
	local free
	mkdir -p "$ROOT/build"
	free=$(df -Pk "$ROOT/build" | awk 'NR == 2 { print int($4 / 1048576) }')
	((free >= $1)) || die "$2 needs $1 GiB, $ROOT/build has $free GiB free:" \
		"make room, or make build/ a link to a larger disk"
}

# lock [NAME]: one script at a time changes trees and kernels (or the thing that NAME is for).
lock() {
	local fd
	mkdir -p "$ROOT/build"
	exec {fd}>"$ROOT/build/${1:-make}.lock"
	if ! flock -n "$fd"; then
		note "another make is at work in build/, waiting for it"
		flock "$fd"
	fi
}

# shellcheck source=scripts/lib-output.sh
. "$ROOT/scripts/lib-output.sh"
# shellcheck source=scripts/lib-scenarios.sh
. "$ROOT/scripts/lib-scenarios.sh"
# shellcheck source=scripts/lib-series.sh
. "$ROOT/scripts/lib-series.sh"
