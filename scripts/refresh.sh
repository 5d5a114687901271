#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/refresh.sh
# Writes the commits of build/BASE/tree (base..series) to patches/BASE, a directory for
# each topic. A topic begins with an empty commit, whose message becomes cover.txt. Files
# that did not change keep their bytes; files of commits that are gone are removed.
# Environment: BASE
. "$(dirname "$0")/lib.sh"
parse_args 0 0 "$@"
load_base
lock
tree=$BUILD/tree patches=$ROOT/patches/$BASE short=build/$BASE/tree
[[ -d $tree/.git ]] || die "no $short: run make tree"
if [[ -d $tree/.git/rebase-apply || -d $tree/.git/rebase-merge ]]; then
	die "$short has a rebase or git am in progress: finish or abort it there"
fi
if ! git -C "$tree" diff --quiet HEAD; then
	note "changes that are not committed in $short are left out"
fi
rm -rf "$patches.tmp"
(export_series "$tree" base "$BASE_BRANCH" "$patches.tmp") || { rm -rf "$patches.tmp"; exit 2; }
mkdir -p "$patches"
changed=$(diff -rqN "$patches.tmp" "$patches" | wc -l) || true
rm -rf "$patches"
mv "$patches.tmp" "$patches"
git -C "$tree" rev-parse "$BASE_BRANCH" >"$BUILD/tree.head"
echo "patches/$BASE: $(count_patches "$patches") patches in $(topics | wc -l) topics," \
	"$changed files changed"
