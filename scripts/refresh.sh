#!/bin/bash
# Usage: scripts/refresh.sh
# Writes the commits of build/BASE/tree (base..series) to patches/BASE. Patches
# that did not change keep their bytes; files of commits that are gone are removed.
# Environment: BASE
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
load_base
lock
tree=$BUILD/tree patches=$ROOT/patches/$BASE short=build/$BASE/tree
[[ -d $tree/.git ]] || die "no $short: run make tree"
[[ ! -d $tree/.git/rebase-apply && ! -d $tree/.git/rebase-merge ]] ||
	die "$short has a rebase or git am in progress: finish or abort it there"
git -C "$tree" diff --quiet HEAD || note "changes that are not committed in $short are left out"
rm -rf "$patches.tmp"
export_series "$tree" base "$BASE_BRANCH" "$patches.tmp"
mkdir -p "$patches.tmp" "$patches"
changed=$(diff -rq "$patches.tmp" "$patches" | wc -l) || true
rm -rf "$patches"
mv "$patches.tmp" "$patches"
git -C "$tree" rev-parse "$BASE_BRANCH" >"$BUILD/tree.head"
echo "patches/$BASE: $(find "$patches" -name '*.patch' | wc -l) patches, $changed changed"
