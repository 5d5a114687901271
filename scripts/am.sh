#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/am.sh TREE
# Applies the series to a git tree of yours with git am: the one for the version in
# its Makefile. The tree is left as it was when anything is wrong.
# Environment: TOPICS (default: all; numbers or names of topics, for example "10 20 30")
. "$(dirname "$0")/lib.sh"

# makefile_field NAME: VERSION or PATCHLEVEL of the tree.
makefile_field() {
	sed -n "s/^$1 *= *\([0-9]*\) *\$/\1/p" "$tree/Makefile" 2>/dev/null | head -n 1
}

# check_tree: it is the top of a git tree of a kernel; sets $gitdir and $version.
check_tree() {
	local top have
	[[ $tree ]] || die "no tree named: make am TREE=directory"
	[[ -d $tree ]] || die "$tree: no such directory"
	top=$(git -C "$tree" rev-parse --show-toplevel 2>/dev/null) || die "$tree is not a git tree"
	[[ $top == "$(cd "$tree" && pwd -P)" ]] ||
		die "$tree is inside the git tree $top: name its top directory"
	gitdir=$(cd "$tree" && cd "$(git rev-parse --git-dir)" && pwd)
	version=$(makefile_field VERSION).$(makefile_field PATCHLEVEL)
	[[ $version =~ ^[0-9]+\.[0-9]+$ ]] ||
		die "$tree is not a kernel tree: no VERSION and PATCHLEVEL in its Makefile"
	have=$(cd "$ROOT/patches" 2>/dev/null && echo *)
	[[ -d $ROOT/patches/$version ]] ||
		die "$tree is Linux $version: there are series for: $have"
}

# series_version: the version of the series that the tree has, or nothing.
series_version() {
	sed -n 's/^:Version: *//p' "$tree"/Documentation/{mm,vm}/pinned_writeback.rst 2>/dev/null |
		head -n 1 || true
}

# patch_subject FILE: the subject of a patch file, unfolded, without [PATCH].
patch_subject() {
	awk '/^Subject: / { on = 1; line = $0; next }
		on && /^ / { line = line $0; next }
		on { sub(/^Subject: (\[[^]]*\] )?/, "", line); print line; exit }' "$1"
}

# has_topic TOPIC: whether the log of the tree, in $subjects, has its first patch.
has_topic() {
	grep -qxF -- "$(patch_subject "$(topic_patches "$1" "$dir" | head -n 1)")" <<<"$subjects"
}

# check_topics: none of them is in the tree, and all that they need is there or comes before.
check_topics() {
	local topic need chosen=" ${topics[*]} " have
	have=$(series_version)
	for topic in "${topics[@]}"; do
		if has_topic "$topic"; then
			die "$tree has the topic $topic already${have:+,\
 of version $have of the series}"
		fi
		for need in $(topic_depends "$topic" "$dir"); do
			if [[ $chosen != *" $need "* ]] && ! has_topic "$need"; then
				die "$topic needs $need, which $tree does not have:" \
					"add ${need%%-*} to TOPICS"
			fi
		done
	done
	if [[ $have && ${#topics[@]} == "$(topics "$dir" | wc -l)" ]]; then
		die "$tree has version $have of the series already" \
			"(Documentation/*/pinned_writeback.rst)"
	fi
}

# check_state: nothing in the tree would be lost, and git am can commit.
check_state() {
	if [[ -d $gitdir/rebase-apply || -d $gitdir/rebase-merge ]]; then
		die "$tree has a git am or rebase in progress: finish or abort it first"
	fi
	[[ -z $(git -C "$tree" status --porcelain --untracked-files=no) ]] ||
		die "$tree has changes that are not committed: commit or stash them first"
	git -C "$tree" var GIT_COMMITTER_IDENT >/dev/null 2>&1 ||
		die "git does not know who you are: git config --global user.name and user.email"
}

# undo HEAD: the tree as it was before.
undo() {
	git -C "$tree" am --abort >/dev/null 2>&1 || true
	git -C "$tree" reset -q --hard "$1"
}

apply() {
	local topic head why count=0
	local -a patches
	head=$(git -C "$tree" rev-parse HEAD)
	AM_GIT=git
	trap 'undo "$head"; exit 130' INT TERM
	for topic in "${topics[@]}"; do
		mapfile -t patches < <(topic_patches "$topic" "$dir")
		echo "   $topic: ${#patches[@]} patches"
		if ! why=$(apply_patches "$tree" "${patches[@]}"); then
			undo "$head"
			die "$topic of patches/$version does not apply to $tree," \
				"which is as before: $why"
		fi
		count=$((count + ${#patches[@]}))
	done
	echo "$tree: $count patches for Linux $version applied," \
		"version $(<"$ROOT/VERSION") of the series"
}

main() {
	local tree=${1:-} gitdir version dir subjects word
	local -a topics=()
	need_tools git
	check_tree
	dir=$ROOT/patches/$version
	[[ $(topics "$dir") ]] || die "patches/$version is empty: run make refresh"
	for word in ${TOPICS:-$(topics "$dir")}; do
		topics+=("$(topic_of "$word" "$dir")")
	done
	mapfile -t topics < <(printf '%s\n' "${topics[@]}" | sort -u)
	subjects=$(git -C "$tree" log -n 2000 --format=%s 2>/dev/null) || die "$tree has no commits"
	check_state
	check_topics
	apply
}

parse_args 0 1 "$@"
main "$@"
