#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/tree.sh
# Makes build/BASE/tree: a git tree with the base source as one commit (tag base)
# and the patches of patches/BASE on branch series. When the patches changed since
# and the tree has nothing of its own, the branch is made anew from them; commits
# or changes that are in the tree only are never touched.
# Environment: BASE
. "$(dirname "$0")/lib.sh"
parse_args 0 0 "$@"
load_base
need_tools git tar xz
lock
tree=$BUILD/tree patches=$ROOT/patches/$BASE short=build/$BASE/tree

make_tree() {
	local tmp=$tree.tmp v why
	need_space 6 "the base source and a kernel build"
	rm -rf "$tmp"
	mkdir -p "$tmp"
	note "$short: getting and committing the base source (2 minutes)"
	"$ROOT/scripts/source.sh" unpack "$tmp" || { rm -rf "$tmp"; exit 2; }
	v=$(make -s -C "$tmp" kernelversion)
	[[ $v == "$BASE_SERIES".* ]] || die "the source is Linux $v, not $BASE_SERIES"
	plain_git -c init.defaultBranch="$BASE_BRANCH" init -q "$tmp"
	plain_git -C "$tmp" config user.name 'Pinned Writeback'
	plain_git -C "$tmp" config user.email pinned-writeback@example.org
	plain_git -C "$tmp" config gc.auto 0
	busy 'git add' plain_git -C "$tmp" add -A -f
	GIT_AUTHOR_DATE='2000-01-01T00:00:00Z' GIT_COMMITTER_DATE='2000-01-01T00:00:00Z' \
		busy 'git commit' plain_git -C "$tmp" commit -q -m "${BASE_PACKAGE:-Linux} $v"
	plain_git -C "$tmp" tag base
	if ! why=$(apply_series "$tmp" "$patches"); then
		rm -rf "$tmp"
		die "patches/$BASE does not apply to Linux $v: $why"
	fi
	git -C "$tmp" rev-parse HEAD >"$BUILD/tree.head"
	mv "$tmp" "$tree"
	note "$short: Linux $v and $(count_patches "$patches") patches in $(topics | wc -l) topics"
}

update_tree() {
	local branch head why
	[[ -d $tree/.git && -n $(git -C "$tree" tag -l base) ]] ||
		die "$short is not a tree that make tree made: move it away"
	[[ ! -d $tree/.git/rebase-apply && ! -d $tree/.git/rebase-merge ]] ||
		die "$short has a rebase or git am in progress: finish or abort it there"
	branch=$(git -C "$tree" symbolic-ref -q --short HEAD) || branch=none
	[[ $branch == "$BASE_BRANCH" ]] ||
		die "$short is on branch $branch: git -C $short checkout $BASE_BRANCH"
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	export_series "$tree" base HEAD "$tmp/p"
	mkdir -p "$patches"
	head=$(git -C "$tree" rev-parse HEAD)
	if diff -rq "$tmp/p" "$patches" >/dev/null; then
		echo "$head" >"$BUILD/tree.head"
		if ! git -C "$tree" diff --quiet HEAD; then
			note "$short has changes that are not committed; they are built too"
		fi
		return
	fi
	[[ $head == "$(cat "$BUILD/tree.head" 2>/dev/null)" ]] ||
		die "$short has commits that are not in patches/$BASE:" \
			"make refresh writes them there (or move the tree away)"
	git -C "$tree" diff --quiet HEAD ||
		die "patches/$BASE changed and $short has changes that are not committed:" \
			"commit and make refresh, or git -C $short checkout ."
	note "$short: patches/$BASE changed, applying them anew"
	git -C "$tree" reset -q --hard base
	if ! why=$(apply_series "$tree" "$patches"); then
		git -C "$tree" reset -q --hard "$head"
		die "patches/$BASE does not apply: $why"
	fi
	git -C "$tree" rev-parse HEAD >"$BUILD/tree.head"
}

if [[ -d $tree ]]; then update_tree; else make_tree; fi
