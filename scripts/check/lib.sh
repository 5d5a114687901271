# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # variables for the other parts of the check
# The lines that make check prints and the results that it keeps; sourced by check.sh.
#
# Variables of one run, set once and used by all parts:
WORKTREE='' # a checkout of the base, on which the series is applied
LOG=''      # the output of all builds
RESULTS=''  # the directory of the results that are kept
TOPICS=()   # the topics of the series, in order
SERIES_C=() # the .c files of the kernel that the series touches
declare -A COUNT=([ok]=0 [failed]=0 [unbuilt]=0)

# The lines. A multi-line text of a failure is cut.
ok() { COUNT[ok]=$((COUNT[ok] + 1)) && echo "ok    $*"; }
not_built() { COUNT[unbuilt]=$((COUNT[unbuilt] + 1)) && echo "not built  $1: $2"; } # WHAT WHY
bad() { # WHAT [TEXT]
	COUNT[failed]=$((COUNT[failed] + 1))
	echo "FAIL  $1"
	if [[ ${2:-} ]]; then
		head -n 30 <<<"$2" | sed 's/^/      /'
	fi
}

# verdict KIND TEXT OUTPUT: ok if OUTPUT is empty.
verdict() {
	if [[ $3 ]]; then
		bad "$1 $2" "$3"
	else
		ok "$1 $2"
	fi
}

# amount N WORD: "1 file", "2 files".
amount() {
	if (($1 == 1)); then
		echo "1 $2"
	else
		echo "$1 $2s"
	fi
}

# Records. A check whose result is kept does not print lines but records, since the name of a
# patch can change when its result does not. A record is a line with tabs between fields:
#   made     MACHINE COUNT OBJECTS   objects that were built, without a new warning
#   unbuilt  FILE WHY                a file that cannot be built here
#   passed   KIND TEXT
#   failed   KIND TEXT OUTPUT        OUTPUT has vertical tabs for newlines
# "{}" in a TEXT stands for the name of the patch or the topic.
record() { local IFS=$'\t' && echo "$*"; }
record_failure() { # KIND TEXT OUTPUT
	local output
	output=$(head -n 30 <<<"$3")
	record failed "$1" "$2" "${output//$'\n'/$'\v'}"
}

# keep FILE COMMAND...: runs COMMAND, which prints records, and keeps them in FILE. If they are
# there already, and none of them is a failure, COMMAND does not run.
keep() {
	local file=$1
	shift
	if [[ -e $file && ! ${CHECK_ALL:-} ]] && ! grep -q '^failed' "$file"; then
		touch "$file"
		return
	fi
	"$@" >"$file.tmp"
	mv "$file.tmp" "$file"
}

# show FILE NAME: prints the records as lines about NAME.
show() {
	local type first second third
	while IFS=$'\t' read -r type first second third; do
		second=${second//'{}'/$2}
		case $type in
		made) ok "build      $2$(on_machine "$first"): $third" ;;
		unbuilt) not_built "$2: $first" "$second" ;;
		passed) ok "$(printf '%-10s' "$first") $second" ;;
		failed) bad "$(printf '%-10s' "$first") $second" "${third//$'\v'/$'\n'}" ;;
		esac
	done <"$1"
}

# key WORD...: a name for the file of a result that depends on these words.
key() { printf '%s\n' "$@" | sha256sum | cut -c 1-40; }

# code_of PART...: parts of the check without their comments. A result depends on the code.
code_of() {
	local part
	for part; do
		sed '/^[[:space:]]*#/d' "$ROOT/scripts/check/$part.sh"
	done
}

# build_key WORD...: the same for results of builds, which also depend on the compilers.
BUILD_TOOLS=''
build_key() { key "$BUILD_TOOLS" "$@"; }

# tree_of COMMIT: the id of its source tree.
tree_of() { git -C "$WORKTREE" rev-parse "$1^{tree}"; }

# name_of PATCH: TOPIC/NNNN-subject.
name_of() {
	local file=${1##*/} topic=${1%/*}
	echo "${topic##*/}/${file%.patch}"
}

# start_results: where everything is; results that were not used for a month go.
start_results() {
	local tool
	WORKTREE=$BUILD/check LOG=$BUILD/check.log RESULTS=$BUILD/check-done
	mkdir -p "$RESULTS"
	: >"$LOG"
	find "$RESULTS" -type f -mtime +30 -delete
	BUILD_TOOLS=$(
		code_of lib machines build change
		cat "$ROOT/config/check.config"
		gcc --version | head -n 1
		sparse --version
		for tool in "${PREFIX[@]}"; do command -v "$tool-gcc" || true; done
	)
}
