# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The series as a whole, with all patches applied to the worktree; sourced by check.sh.

# kernel_doc COMMIT FILE...: the warnings of kernel-doc about the files of that commit.
kernel_doc() {
	local commit=$1 file tmp
	local -a options=()
	shift
	if grep -q -- '-Wall' "$WORKTREE/scripts/kernel-doc"; then
		options=(-Wall)
	fi
	tmp=$(mktemp -d)
	for file; do
		mkdir -p "$tmp/${file%/*}"
		if git -C "$WORKTREE" show "$commit:$file" >"$tmp/$file" 2>/dev/null; then
			(cd "$tmp" && perl "$WORKTREE/scripts/kernel-doc" -none -v \
				"${options[@]+"${options[@]}"}" "$file" 2>&1) || true
		fi
	done | grep -v ': info: ' | warnings
	rm -rf "$tmp"
}

check_kernel_doc() {
	local text
	local -a touched
	mapfile -t touched < <(git -C "$WORKTREE" diff --diff-filter=d --name-only base HEAD -- \
		'*.[ch]' | grep -vE "$NOT_KERNEL")
	text=$(LC_ALL=C comm -13 <(kernel_doc base "${touched[@]}") \
		<(kernel_doc HEAD "${touched[@]}"))
	if [[ $text ]]; then
		record_failure kernel-doc "says this only of the series" "$text"
	else
		record passed kernel-doc "${#touched[@]} files"
	fi
}

# symbols_of FILE...: of the objects that were built for x86, lines "used SYMBOL" for a module,
# and "exported SYMBOL" and "defined SYMBOL" for the kernel proper.
symbols_of() {
	local directory file object
	directory=$(objects_of x86)
	for file; do
		object=$directory/${file%.c}.o
		if [[ ! -e $object ]]; then
			continue
		fi
		if grep -qw -- -DMODULE "${object%/*}/.${object##*/}.cmd"; then
			nm -u "$object" | awk '{ print "used", $NF }'
		else
			nm "$object" | awk '$3 ~ /^__ksymtab_/ { print "exported", substr($3, 11) }
				$2 ~ /^[TDBR]$/ { print "defined", $3 }'
		fi
	done
}

# check_exports FILE...: modules and the kernel proper are built apart from each other, so an
# EXPORT_SYMBOL that is missing shows only here.
check_exports() {
	local text
	text=$(symbols_of "$@" | awk '{ have[$1, $2] = 1 }
		$1 == "used" { used[$2] = 1 }
		END {
			for (s in used)
				if ((("defined", s) in have) && !(("exported", s) in have))
					print s
		}')
	if [[ $text ]]; then
		record_failure exports "missing for modules" "$text"
	else
		record passed exports "for the modules of the series"
	fi
}

# link_without_block: a kernel without the block layer, whose functions the series uses.
link_without_block() {
	local output
	note "all of the series, noblock: a whole kernel" >&2
	configure noblock
	if output=$(kmake noblock vmlinux 2>&1); then
		record passed link "a kernel without the block layer"
	else
		record_failure link "a kernel without the block layer" \
			"$(grep -E 'undefined reference|error:' <<<"$output")"
	fi
}

# series_records FILE...: the builds of the whole series, and its exports and kernel-doc.
series_records() {
	local machine
	local -a old
	note "all of the series: $# files" >&2
	build C=2 "$@"
	for machine in i386 tiny; do
		mapfile -t old < <(files_of "$machine")
		if ((${#old[@]})); then
			note "all of the series, $machine: ${#old[@]} files" >&2
			build_on "$machine" '' "${old[@]}"
		fi
	done
	link_without_block
	check_exports "$@"
	check_kernel_doc
}

# check_round_trip: the commits in the worktree are written out as the files that they were.
check_round_trip() {
	rm -rf "$BUILD/check.export"
	export_series "$WORKTREE" base HEAD "$BUILD/check.export"
	verdict 'round trip' "patches/$BASE" \
		"$(diff -rq "$BUILD/check.export" "$ROOT/patches/$BASE" 2>&1)"
	rm -rf "$BUILD/check.export"
}

# check_callers: all callers that take user pages are in the table.
check_callers() {
	local text table=docs/callers-$BASE.md
	if [[ ! -r $ROOT/$table ]]; then
		return
	fi
	if text=$("$ROOT/scripts/callers.pl" "$WORKTREE" "$ROOT/$table" 2>&1); then
		ok "callers    $text"
	else
		bad "callers    $table" "$text"
	fi
}

# show_drift: prints the selftests that differ between the bases, which is no failure.
show_drift() {
	local name file other tmp
	tmp=$(mktemp)
	for name in "$ROOT"/bases/*; do
		name=${name##*/} other=$ROOT/build/${name##*/}/tree
		if [[ $name == "$BASE" || -z $(git -C "$other" tag -l base 2>/dev/null) ]]; then
			continue
		fi
		while read -r file; do
			if ! git -C "$other" show "series:$file" >"$tmp" 2>/dev/null; then
				echo "drift $file: not in base $name"
			elif ! cmp -s "$tmp" "$WORKTREE/$file"; then
				echo "drift $file: not as in base $name"
			fi
		done < <(git -C "$WORKTREE" ls-files tools/testing/selftests/gup)
	done
	rm -f "$tmp"
}

check_series() {
	local file
	local -a present
	mapfile -t present < <(present_files)
	file=$RESULTS/$(build_key series "$(code_of series)" "$(tree_of HEAD)" "${present[@]}")
	keep "$file" series_records "${present[@]}"
	show "$file" "all of the series"
	check_round_trip
	check_callers
	show_drift
}
