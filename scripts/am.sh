#!/bin/bash
# Usage: scripts/am.sh TREE
# Applies the series to a git tree of yours with git am: the one for the version in
# its Makefile. The tree is left as it was when anything is wrong.
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
tree=${1:-}
[[ $tree ]] || die "no tree named: make am TREE=directory"
[[ -d $tree ]] || die "$tree: no such directory"
need_tools git
top=$(git -C "$tree" rev-parse --show-toplevel 2>/dev/null) || die "$tree is not a git tree"
[[ $top == "$(cd "$tree" && pwd -P)" ]] || die "$tree is inside the git tree $top: name its top directory"
gitdir=$(cd "$tree" && cd "$(git rev-parse --git-dir)" && pwd)

makefile=$tree/Makefile
field() { sed -n "s/^$1 *= *\([0-9]*\) *\$/\1/p" "$makefile" 2>/dev/null | head -n 1; }
version=$(field VERSION).$(field PATCHLEVEL)
[[ $version =~ ^[0-9]+\.[0-9]+$ ]] || die "$tree is not a kernel tree: no VERSION and PATCHLEVEL in its Makefile"
have=$(cd "$ROOT/patches" 2>/dev/null && echo *)
[[ -d $ROOT/patches/$version ]] || die "$tree is Linux $version: there are series for: $have"
count=$(find "$ROOT/patches/$version" -name '*.patch' | wc -l)
((count)) || die "patches/$version is empty: run make refresh"

[[ ! -d $gitdir/rebase-apply && ! -d $gitdir/rebase-merge ]] ||
	die "$tree has a git am or rebase in progress: finish or abort it first"
[[ ! -e $tree/include/linux/pinned_writeback.h ]] ||
	die "$tree has the series already (include/linux/pinned_writeback.h)"
subject=$(sed -n 's/^Subject: \(\[[^]]*\] \)\{0,1\}//p' "$(find "$ROOT/patches/$version" -name '*.patch' | sort | head -n 1)")
subjects=$(git -C "$tree" log -n 2000 --format=%s 2>/dev/null) || die "$tree has no commits"
! grep -qxF -- "$subject" <<<"$subjects" ||
	die "$tree has a part of the series already (\"$subject\")"
[[ -z $(git -C "$tree" status --porcelain --untracked-files=no) ]] ||
	die "$tree has changes that are not committed: commit or stash them first"
git -C "$tree" var GIT_COMMITTER_IDENT >/dev/null 2>&1 ||
	die "git does not know who you are: git config --global user.name and user.email"

AM_GIT=git
apply_series "$tree" "$ROOT/patches/$version" ||
	die "patches/$version does not apply to $tree, which is as before: $am_error"
echo "$tree: $count patches for Linux $version applied"
