# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Building single objects, and judging the output of make; sourced by check.sh.

declare -A BASE_RESULT=() # of a machine: the file with the warnings of the base itself

# warnings: the lines of a build's output that are warnings or errors, without the numbers that
# a change elsewhere moves (lines, offsets) and without our directories. Those of a header are
# printed once.
warnings() {
	grep -E '(warning|WARNING|error): ' |
		sed -E -e "s,$WORKTREE/,,g" -e 's,^(\.\.?/)*,,' -e 's/:[0-9]+:([0-9]+:)?/:/g' \
			-e 's/\+?0x[0-9a-f]+//g' -e 's/ on line [0-9]+//' |
		LC_ALL=C sort | awk -F: '$1 ~ /\.[co]$/ || !seen[$0]++' || true
}

# compile RESULT MACHINE FLAGS FILE...: makes the objects of .c files. Sets in the associative
# array RESULT:
#   text      the output of make
#   warnings  its warnings
#   norule    the objects that make has no rule for
#   broken    the objects that were not made for another reason
# The objects are removed first, so that warnings are seen again, and so that make does not
# search for rules (it finds a rule for i915/gem/ in i915/ and misses one in gem/). make says
# that it has no rule for a file only if all went well in the directories below. So make runs
# again for the objects that it did not mention.
compile() {
	local -n compile_result=$1
	local machine=$2 flags=$3 directory object said
	local -a todo again
	shift 3
	configure "$machine"
	directory=$(objects_of "$machine")
	todo=("${@/%.c/.o}")
	(cd "$directory" && rm -f "${todo[@]}")
	compile_result=([text]='' [norule]='' [broken]='')
	while ((${#todo[@]})); do
		# shellcheck disable=SC2086 # no flags, no word
		said=$(kmake "$machine" -k $flags "${todo[@]}" 2>&1) || true
		printf '%s\n' "== $machine: ${todo[*]}" "$said" >>"$LOG"
		compile_result[text]+=$said$'\n'
		again=()
		for object in "${todo[@]}"; do
			if [[ -e $directory/$object ]]; then
				continue
			elif has_no_rule "$object" <<<"$said"; then
				compile_result[norule]+=" $object"
			elif grep -qF ": $object] Error" <<<"$said"; then
				compile_result[broken]+=" $object"
			else
				again+=("$object")
			fi
		done
		if ((${#again[@]} == ${#todo[@]})); then
			compile_result[broken]+=" ${again[*]}"
			break
		fi
		todo=("${again[@]}")
	done
	compile_result["warnings"]=$(warnings <<<"${compile_result[text]}")
}

# has_no_rule OBJECT: whether make says so, in the output on stdin.
has_no_rule() {
	grep -qE "(No rule to make target|Nothing to be done for) ['\`]$1'"
}

# without_followers: the output of make on stdin without the lines that other errors cause.
without_followers() { grep -vE 'No rule to make target|not remade because of errors' || true; }

# base_warnings: sets BASE_RESULT, with the worktree at the base. The file has the warnings of
# the base in the files of the series, and the file with "-broken" behind its name lists the
# objects that do not build there. Linux 5.4 has some warnings with a newer compiler, and sparse
# finds more. A warning is new if its line comes more often than in the base.
base_warnings() {
	local machine file sparse
	local -a old
	local -A built=()
	for machine in "${!MACHINE_FILES[@]}" i386 tiny; do
		if [[ $(why_not_on "$machine") ]]; then
			continue
		fi
		mapfile -t old < <(files_of "$machine")
		if ((${#old[@]} == 0)); then
			continue
		fi
		file=$RESULTS/$(build_key "$machine" "$(tree_of HEAD)" "${old[@]}").base
		if [[ ! -e $file || ${CHECK_ALL:-} ]]; then
			note "the warnings of the base, $machine: ${#old[@]} files"
			sparse=C=2
			if is_partial "$machine"; then
				sparse=''
			fi
			compile built "$machine" "$sparse" "${old[@]}"
			echo "${built[broken]}" >"$file-broken"
			echo "${built[warnings]}" >"$file.tmp"
			mv "$file.tmp" "$file"
		fi
		touch "$file" "$file-broken"
		BASE_RESULT[$machine]=$file
	done
}

# new_warnings MACHINE: those on stdin that the base does not have. In a file that the series
# does not touch only an error counts, not a warning.
new_warnings() {
	LC_ALL=C comm -13 "${BASE_RESULT[$1]:-/dev/null}" - | awk -F: -v list="${SERIES_C[*]}" '
		BEGIN { split(list, files, " "); for (i in files) series[files[i]] }
		{ file = $1; sub(/\.o$/, ".c", file) }
		$0 != "" && (file !~ /\.c$/ || file in series)'
}

# breaks_in_base MACHINE OBJECT: make also builds files that are configured out, if it can.
# Those that do not build in the base either are no failure.
breaks_in_base() {
	[[ "$(cat "${BASE_RESULT[$1]:-/dev/null}-broken" 2>/dev/null) " == *" $2 "* ]]
}

# build FLAGS FILE...: the objects of .c files, each on its machine. Prints records.
build() {
	local flags=$1 machine file why
	local -A files=()
	shift
	by_machine files "$@"
	for machine in "${!files[@]}"; do
		why=$(why_not_on "$machine")
		if [[ $why ]]; then
			for file in ${files[$machine]}; do
				record unbuilt "$file" "$why"
			done
		else
			# shellcheck disable=SC2086 # a list of files
			build_on "$machine" "$flags" ${files[$machine]}
		fi
	done
}

# build_on MACHINE FLAGS FILE...: the same on this machine.
build_on() {
	local machine=$1 flags=$2 count object where new
	local -a broken=() norule=()
	local -A built=()
	shift 2
	compile built "$machine" "$flags" "$@"
	count=$#
	where="{}$(on_machine "$machine")"
	new=$(new_warnings "$machine" <<<"${built[warnings]}")
	for object in ${built[broken]}; do
		if is_partial "$machine" && breaks_in_base "$machine" "$object"; then
			count=$((count - 1))
		else
			broken+=("$object")
		fi
	done
	for object in ${built[norule]}; do
		if is_partial "$machine"; then
			count=$((count - 1))
		elif [[ " ${SERIES_C[*]} " != *" ${object%.o}.c "* ]]; then
			record unbuilt "${object%.o}.c" \
				"not of the series, and no rule for it in this configuration"
			count=$((count - 1))
		else
			norule+=("$object")
		fi
	done
	if ((${#broken[@]})); then
		record_failure build "$where: ${broken[*]}" \
			"$(without_followers <<<"${built[text]}")"
	fi
	if [[ $new ]]; then
		record_failure build "$where: warnings that the base does not have" "$new"
	fi
	if ((${#norule[@]})); then
		record_failure build "$where: no rule for ${norule[*]}" \
			"machine_of() in scripts/check/machines.sh names the machine for a file"
	fi
	if ((${#broken[@]} || ${#norule[@]})) || [[ $new ]]; then
		return
	fi
	if ((count > 8 || count < $#)); then
		record made "$machine" "$count" "$count objects"
	else
		record made "$machine" "$count" "${*/%.c/.o}"
	fi
}
