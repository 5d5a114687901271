#!/bin/bash
# Usage: scripts/clean.sh
# Removes what can be built again: everything in build/ but for the downloads and
# the trees, in which there may be commits of yours.
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
[[ -d $ROOT/build ]] || exit 0
lock
find "$ROOT/build" -mindepth 1 -maxdepth 1 ! -name '[0-9]*' ! -name debs ! -name '*.lock' -exec rm -rf {} +
for dir in "$ROOT"/build/[0-9]*; do
	[[ -d $dir ]] || continue
	find "$dir" -mindepth 1 -maxdepth 1 ! -name 'tree*' ! -name usr -exec rm -rf {} +
	[[ ! -d $dir/tree/.git ]] || git -C "$dir/tree" worktree prune
done
