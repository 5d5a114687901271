# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the commit in HEAD of the worktree (a patch or a topic) has to build; sourced by
# check.sh.

NOT_KERNEL='^(tools|Documentation|samples)/'

# read_series: sets the lists of files that the series touches.
read_series() {
	mapfile -t SERIES_C < <(find "$ROOT/patches/$BASE" -name '*.patch' -exec \
		sed -n 's,^+++ b/\(.*\.c\)$,\1,p' {} + | grep -vE "$NOT_KERNEL" | LC_ALL=C sort -u)
	by_machine MACHINE_FILES "${SERIES_C[@]}"
}

# present_files: the .c files of the series that are in the worktree.
present_files() {
	(cd "$WORKTREE" && ls -- "${SERIES_C[@]}" 2>/dev/null) || true
}

# touched_files PATTERN...: the files that HEAD touches and that are there.
touched_files() { git -C "$WORKTREE" diff --name-only --diff-filter=d HEAD^ HEAD -- "$@"; }

# changed_names HEADER SIGN: the declarations that HEAD adds to (+) or takes from (-) it.
changed_names() {
	git -C "$WORKTREE" diff -U0 HEAD^ HEAD -- "$1" |
		sed -nE -e "s/^\\$2#[[:space:]]*define[[:space:]]+(\w+).*/\1/p" \
			-e "s/^\\$2[A-Za-z_][^(]*\b(\w+)[[:space:]]*\(.*/\1/p" | sort -u
}

# sources_of_change: the .c files that HEAD touches. For a header: in the whole tree the files
# that name a declaration that is removed or changed, at most 24; and of the series up to three
# files that name something new in it, or one that includes it. All files that include mm.h
# would be the whole kernel at each change. All files of the series are built at its end, and
# make test builds a kernel.
sources_of_change() {
	local header name some pattern
	local -a present
	mapfile -t present < <(present_files)
	touched_files '*.c'
	while read -r header; do
		while read -r name; do
			git -C "$WORKTREE" grep -lw -e "$name" -- '*.c' | head -n 24 || true
		done < <(changed_names "$header" -)
		some=$(cd "$WORKTREE" && changed_names "$header" + |
			grep -lwFf - -- "${present[@]}" | head -n 3) || true
		if [[ ! $some ]]; then
			pattern="^#include [<\"](.*/)?${header##*/}[>\"]"
			some=$(cd "$WORKTREE" && grep -lE "$pattern" -- "${present[@]}" |
				head -n 1) || true
		fi
		echo "${some:-mm/gup.c}"
	done < <(touched_files '*.h' ':!tools')
}

# build_change: builds them. Prints records.
build_change() {
	local -a sources
	mapfile -t sources < <(sources_of_change | grep -vE "$NOT_KERNEL" | LC_ALL=C sort -u)
	if ((${#sources[@]})); then
		build '' "${sources[@]}"
	fi
}

# change_result BEFORE AFTER: the file for the result of a change from one source tree to the
# other. It does not depend on messages and names.
change_result() { echo "$RESULTS/$(build_key change "$1" "$2")"; }

# check_change NAME: builds the change in HEAD.
check_change() {
	local file
	file=$(change_result "$(tree_of HEAD^)" "$(tree_of HEAD)")
	keep "$file" build_change
	show "$file" "$1"
}
