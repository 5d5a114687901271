# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
# Rows about the series: make am, make mbox, make tree and make refresh.

am_unchanged() { # TREE
	local head
	head=$(git -C "$1" rev-parse HEAD)
	refuses 'does not apply' "$ROOT/scripts/am.sh" "$1"
	[[ $(git -C "$1" rev-parse HEAD) == "$head" ]] || fail "HEAD moved"
	[[ -z $(git -C "$1" status --porcelain) ]] || fail "tree is dirty"
	[[ ! -d $1/.git/rebase-apply ]] || fail "git am left in progress"
}

am_dirty() {
	echo "int y;" >>"$tmp/six/mm/gup.c"
	refuses 'not committed' "$ROOT/scripts/am.sh" "$tmp/six"
	grep -q 'int y' "$tmp/six/mm/gup.c"
	git -C "$tmp/six" checkout -q .
}

am_busy() {
	mkdir "$tmp/six/.git/rebase-apply"
	refuses 'in progress' "$ROOT/scripts/am.sh" "$tmp/six"
	rmdir "$tmp/six/.git/rebase-apply"
}

# The series on the base, and back to files: nothing differs.
round_trip() {
	local wt=$BUILD/check
	base_worktree check
	plain_git -C "$wt" config user.name >/dev/null
	"$ROOT/scripts/am.sh" "$wt"
	refuses 'already' "$ROOT/scripts/am.sh" "$wt"
	export_series "$wt" base HEAD "$tmp/export"
	diff -r "$tmp/export" "$ROOT/patches/$BASE"
}

# make tree and make refresh, in a copy of this project with a tree of two files.
tree_and_refresh() {
	local p=$project t=$project/build/6.1/tree
	new_project
	rm -rf "$p/patches"
	mkdir -p "$p/patches" "$p/build/6.1"
	export BASE=6.1
	fake_tree 6.1 tree
	mv "$tmp/tree" "$t"
	plain_git -C "$t" branch -q -M series
	plain_git -C "$t" tag base
	commit() {
		echo "$1" >>"$t/mm/gup.c"
		plain_git -C "$t" commit -q -a -m "mm: $1"
	}
	commit one
	refuses 'make refresh' "$p/scripts/tree.sh"
	"$p/scripts/refresh.sh"
	[[ -f $p/patches/6.1/0001-mm-one.patch ]] || fail "no patch written"
	"$p/scripts/tree.sh"
	cp -r "$p/patches/6.1" "$tmp/before"
	"$p/scripts/refresh.sh"
	diff -r "$tmp/before" "$p/patches/6.1"
	commit two
	refuses 'make refresh' "$p/scripts/tree.sh"
	[[ $(git -C "$t" log -n 1 --format=%s) == "mm: two" ]] || fail "a commit was lost"
	"$p/scripts/refresh.sh"
	# patches changed from outside (a pull): the tree follows
	rm "$p/patches/6.1/0002-mm-two.patch"
	"$p/scripts/tree.sh"
	[[ $(git -C "$t" log -n 1 --format=%s) == "mm: one" ]] || fail "the tree did not follow"
	git -C "$t" checkout -q -b other
	refuses 'is on branch other' "$p/scripts/tree.sh"
	git -C "$t" checkout -q series
	# a patch that does not apply leaves the tree alone
	sed 's/^ int x;/ int z;/' -i "$p/patches/6.1/0001-mm-one.patch"
	refuses 'does not apply' "$p/scripts/tree.sh"
	[[ $(git -C "$t" log -n 1 --format=%s) == "mm: one" ]] ||
		fail "a failed apply changed the tree"
}

series_rows() {
	fake_tree 6.1 six
	fake_tree 5.9 five
	mkdir -p "$tmp/no-git"
	check am-no-tree refuses 'make am TREE=' make -s --no-print-directory -C "$ROOT" am
	check am-missing-tree refuses 'no such directory' \
		make -s --no-print-directory -C "$ROOT" am TREE="$tmp/nosuch"
	check am-not-git refuses 'not a git tree' "$ROOT/scripts/am.sh" "$tmp/no-git"
	check am-subdirectory refuses 'top directory' "$ROOT/scripts/am.sh" "$tmp/six/mm"
	check am-wrong-version refuses 'is Linux 5.9' "$ROOT/scripts/am.sh" "$tmp/five"
	check am-dirty am_dirty
	check am-in-progress am_busy
	check am-conflict am_unchanged "$tmp/six"
	check tree-and-refresh tree_and_refresh
	check round-trip round_trip
	# Rows of make mbox, and of make am with TOPICS, go here.
}
