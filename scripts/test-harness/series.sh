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
	local wt=$BUILD/check head
	base_worktree check
	apply_series "$wt" "$ROOT/patches/$BASE"
	export_series "$wt" base HEAD "$tmp/export"
	diff -r "$tmp/export" "$ROOT/patches/$BASE"
	# make am gives the same tree, and refuses to do so twice.
	head=$(git -C "$wt" rev-parse 'HEAD^{tree}')
	plain_git -C "$wt" checkout -q -f --detach base
	"$ROOT/scripts/am.sh" "$wt"
	[[ $(git -C "$wt" rev-parse 'HEAD^{tree}') == "$head" ]] || fail "make am: another tree"
	refuses 'already, of version [0-9]' "$ROOT/scripts/am.sh" "$wt"
}

# A field of a cover letter may go on in lines that begin with a space.
cover_fields() {
	mkdir -p "$tmp/fields/20-two"
	printf '%s\n' '20-two: title' '' 'Text about' ' Tree: none' '' 'Depends: 10-one' '  15-x' \
		'Tree: mm' '' ' other' >"$tmp/fields/20-two/cover.txt"
	expect_field() {
		[[ $(topic_field 20-two "$1" "$tmp/fields") == "$2" ]] ||
			fail "$1: $(topic_field 20-two "$1" "$tmp/fields")"
	}
	expect_field Depends '10-one 15-x'
	expect_field Tree 'mm'
	expect_field Test ''
}

# The topics of a project of two: 10-one, and 20-two, which needs it.
two_topics() { # PROJECT TREE
	mkdir -p "$1/build/6.1"
	rm -rf "$1/patches"
	mkdir -p "$1/patches"
	fake_tree 6.1 tree
	mv "$tmp/tree" "$2"
	plain_git -C "$2" branch -q -M series
	plain_git -C "$2" tag base
	topic_commit "$2" '10-one: first topic' none
	change_commit "$2" one
	topic_commit "$2" '20-two: second topic' 10-one
	change_commit "$2" two
}

topic_commit() { # TREE SUBJECT DEPENDS
	printf '%s\n\nDepends: %s\nTree: mm\n' "$2" "$3" |
		plain_git -C "$1" commit -q --allow-empty -F -
}

change_commit() { # TREE WORD
	echo "$2" >>"$1/mm/gup.c"
	plain_git -C "$1" commit -q -a -m "mm: $2"
}

# make tree and make refresh, in a copy of this project with a tree of two files.
tree_and_refresh() {
	local p=$project t=$project/build/6.1/tree
	new_project
	export BASE=6.1
	two_topics "$p" "$t"
	refuses 'make refresh' "$p/scripts/tree.sh"
	"$p/scripts/refresh.sh"
	[[ -f $p/patches/6.1/10-one/0001-mm-one.patch ]] || fail "no patch written"
	[[ -f $p/patches/6.1/20-two/0001-mm-two.patch ]] || fail "the topics are not apart"
	grep -q '^Depends: 10-one$' "$p/patches/6.1/20-two/cover.txt"
	"$p/scripts/tree.sh"
	cp -r "$p/patches/6.1" "$tmp/before"
	"$p/scripts/refresh.sh"
	diff -r "$tmp/before" "$p/patches/6.1"
	# git rebase keeps the cover letters
	plain_git -C "$t" rebase -q --force-rebase base
	"$p/scripts/refresh.sh"
	diff -r "$tmp/before" "$p/patches/6.1"
	change_commit "$t" three
	refuses 'make refresh' "$p/scripts/tree.sh"
	[[ $(git -C "$t" log -n 1 --format=%s) == "mm: three" ]] || fail "a commit was lost"
	"$p/scripts/refresh.sh"
	# patches changed from outside (a pull): the tree follows
	rm "$p/patches/6.1/20-two/0002-mm-three.patch"
	"$p/scripts/tree.sh"
	[[ $(git -C "$t" log -n 1 --format=%s) == "mm: two" ]] || fail "the tree did not follow"
	git -C "$t" checkout -q -b other
	refuses 'is on branch other' "$p/scripts/tree.sh"
	git -C "$t" checkout -q series
	# a patch that does not apply leaves the tree alone
	sed 's/^ int x;/ int z;/' -i "$p/patches/6.1/10-one/0001-mm-one.patch"
	refuses 'does not apply' "$p/scripts/tree.sh"
	[[ $(git -C "$t" log -n 1 --format=%s) == "mm: two" ]] ||
		fail "a failed apply changed the tree"
}

# Commits that are no series are refused, and patches/ stays as it is.
refresh_topics() {
	local p=$project t=$project/build/6.1/tree
	new_project
	export BASE=6.1
	two_topics "$p" "$t"
	"$p/scripts/refresh.sh"
	cp -r "$p/patches/6.1" "$tmp/kept"
	topic_commit "$t" 'a word: no topic' none
	refuses 'is empty: it has to be a cover letter' "$p/scripts/refresh.sh"
	plain_git -C "$t" reset -q --hard HEAD~
	topic_commit "$t" '15-late: out of order' none
	refuses '15-late comes after topic 20-two' "$p/scripts/refresh.sh"
	plain_git -C "$t" reset -q --hard base
	change_commit "$t" alone
	refuses 'is in no topic' "$p/scripts/refresh.sh"
	diff -r "$tmp/kept" "$p/patches/6.1"
}

# make am with some of the topics, in any order and by number or name.
am_topics() {
	local p=$project t=$project/build/6.1/tree
	new_project
	two_topics "$p" "$t"
	BASE=6.1 "$p/scripts/refresh.sh"
	plain_git -C "$t" checkout -q --detach base
	git -C "$t" config user.name Test
	git -C "$t" config user.email test@example.org
	refuses '20-two needs 10-one' env TOPICS=20 "$p/scripts/am.sh" "$t"
	refuses "no topic '30'" env TOPICS='10 30' "$p/scripts/am.sh" "$t"
	TOPICS=10-one "$p/scripts/am.sh" "$t" >"$tmp/am"
	grep -q '10-one: 1 patches' "$tmp/am"
	refuses 'has the topic 10-one already' "$p/scripts/am.sh" "$t"
	TOPICS=20 "$p/scripts/am.sh" "$t"
	plain_git -C "$t" checkout -q --detach base
	TOPICS='20 10' "$p/scripts/am.sh" "$t"
	[[ $(git -C "$t" rev-list --count base..HEAD) == 2 ]] || fail "not two patches"
}

# A topic as mails: cover letter, patches, the base, and the people of MAINTAINERS.
mbox_topic() {
	local box=$BUILD/mbox/40-btrfs.mbox
	refuses "no topic 'nosuch'.*40-btrfs" "$ROOT/scripts/mbox.sh" nosuch
	refuses 'no topic named' "$ROOT/scripts/mbox.sh"
	if [[ $BASE != 6.1 ]]; then
		return
	fi
	"$ROOT/scripts/mbox.sh" 40
	[[ $(grep -c '^From [0-9a-f]\{40\} ' "$box") == \
		$(($(topic_patches 40-btrfs | wc -l) + 1)) ]] || fail "not all patches are in it"
	grep -q '^Subject: \[PATCH 0/5\] btrfs: ' "$box"
	grep -q 'linux-btrfs@vger.kernel.org' "$box"
	grep -q '^base-commit: [0-9a-f]\{40\}$' "$box"
	if grep -q 'HERE \*\*\*' "$box"; then
		fail "the cover letter is not filled in"
	fi
}

# Only the patches to some files, numbered again; a selection that does not apply is refused.
mbox_files() {
	local box=$BUILD/mbox/60-content.mbox
	if [[ $BASE != 6.1 ]]; then
		return
	fi
	refuses 'no patch of 40-btrfs changes fs/nosuch' env FILES=fs/nosuch \
		"$ROOT/scripts/mbox.sh" 40
	refuses 'do not apply without the others' env FILES=block/bio.c \
		"$ROOT/scripts/mbox.sh" 50
	FILES=fs/nfs "$ROOT/scripts/mbox.sh" 60
	[[ $(grep -c '^From [0-9a-f]\{40\} ' "$box") == 2 ]] || fail "not two mails"
	grep -q '^Subject: \[PATCH 1/1\] nfs: ' "$box"
	grep -q 'linux-nfs@vger.kernel.org' "$box"
	if grep -q 'fs/f2fs/' "$box"; then
		fail "the cover letter lists files of the other patches"
	fi
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
	check cover-fields cover_fields
	check tree-and-refresh tree_and_refresh
	check refresh-topics refresh_topics
	check am-topics am_topics
	check mbox mbox_topic
	check mbox-files mbox_files
	check round-trip round_trip
}
