#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/clean.sh
# Removes everything in build/ that can be built again: not the downloads, and not the trees,
# in which there may be commits of yours.
. "$(dirname "$0")/lib.sh"
parse_args 0 0 "$@"
load_base
if [[ ! -d $ROOT/build ]]; then
	exit 0
fi
lock
find "$ROOT/build" -mindepth 1 -maxdepth 1 ! -name '[0-9]*' ! -name debs ! -name '*.lock' \
	-exec rm -rf {} +
for dir in "$ROOT"/build/[0-9]*; do
	if [[ -d $dir ]]; then
		find "$dir" -mindepth 1 -maxdepth 1 ! -name 'tree*' ! -name usr -exec rm -rf {} +
	fi
	if [[ -d $dir/tree/.git ]]; then
		git -C "$dir/tree" worktree prune
	fi
done
