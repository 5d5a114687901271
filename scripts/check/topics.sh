# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The topics: their cover letters, and each of them on exactly the topics that it needs;
# sourced by check.sh.

MOST_PATCHES=15 # in a topic

# stands_alone TOPIC: whether each of its patches is for the bare base.
stands_alone() {
	[[ $1 == *-fixes || $(topic_field "$1" Each) == 'stands alone' ]]
}

# cover_problems TOPIC EARLIER...: the defects of its cover letter, a line each.
cover_problems() {
	local topic=$1 cover=$ROOT/patches/$BASE/$1/cover.txt label need count
	shift
	if ! head -n 1 "$cover" | grep -q "^$topic: ."; then
		echo "its first line is not \"$topic: title\""
	fi
	for label in Depends Tree Test Changes; do
		if ! grep -q "^$label: *[^ ]" "$cover"; then
			echo "it has no line \"$label: ...\""
		fi
	done
	for need in $(topic_depends "$topic"); do
		if [[ " $* " != *" $need "* ]]; then
			echo "Depends names $need, which is no topic before this one"
		fi
	done
	count=$(topic_patches "$topic" | wc -l)
	if ((count == 0 || count > MOST_PATCHES)); then
		echo "the topic has $count patches: it has to have 1 to $MOST_PATCHES"
	fi
}

# check_covers: all cover letters, and in topics of fixes the commits that are fixed.
check_covers() {
	local topic problems
	local -a earlier=()
	for topic in "${TOPICS[@]}"; do
		problems=$(cover_problems "$topic" "${earlier[@]+"${earlier[@]}"}")
		verdict 'cover     ' "$topic" "$problems"
		if stands_alone "$topic"; then
			check_fixes "$topic"
		fi
		earlier+=("$topic")
	done
}

# apply_to_index INDEX PATCH...: applies the patches to the git index in the file INDEX.
apply_to_index() {
	GIT_INDEX_FILE=$1 plain_git -C "$WORKTREE" apply --cached "${@:2}" 2>&1
}

# apply_to_tree TREE PATCH...: prints the id of the source tree TREE with the patches applied.
# The worktree does not change. Fails with the reason on stdout. git apply writes the large
# index once for all patches; when one of them fails, a second index tells which.
apply_to_tree() {
	local tree=$1 directory patch why=''
	shift
	if (($# == 0)); then
		echo "$tree"
		return
	fi
	directory=$(mktemp -d)
	GIT_INDEX_FILE=$directory/all git -C "$WORKTREE" read-tree "$tree"
	cp "$directory/all" "$directory/one"
	if why=$(apply_to_index "$directory/all" "$@"); then
		GIT_INDEX_FILE=$directory/all git -C "$WORKTREE" write-tree
		rm -rf "$directory"
		return
	fi
	for patch; do
		if ! why=$(apply_to_index "$directory/one" "$patch"); then
			why="$(name_of "$patch"): $why"
			break
		fi
	done
	rm -rf "$directory"
	echo "$why"
	return 1
}

# checkout_change BEFORE AFTER: a commit with the tree AFTER on one with the tree BEFORE.
checkout_change() {
	local commit
	commit=$(plain_git -C "$WORKTREE" commit-tree -m before -p base "$1")
	commit=$(plain_git -C "$WORKTREE" commit-tree -m after -p "$commit" "$2")
	plain_git -C "$WORKTREE" checkout -q -f --detach "$commit"
}

# alone_records BEFORE AFTER: builds the change. Prints records.
alone_records() {
	checkout_change "$1" "$2"
	build_change
}

# show_alone FILE WHAT: prints one line for all objects; failures and files that cannot be
# built here have lines of their own.
show_alone() {
	local type second third made=0 failed=0
	local -A missing=()
	while IFS=$'\t' read -r type _ second third; do
		case $type in
		made) made=$((made + second)) ;;
		unbuilt) missing[$second]=$((${missing[$second]:-0} + 1)) ;;
		failed)
			bad "topic      ${second//'{}'/$2}" "${third//$'\v'/$'\n'}"
			failed=1
			;;
		esac
	done <"$1"
	for second in "${!missing[@]}"; do
		not_built "$2: $(amount "${missing[$second]}" file)" "$second"
	done
	if ((failed == 0 && (made || ${#missing[@]} == 0))); then
		ok "topic      $2: $(amount "$made" object)"
	fi
}

# check_alone WHAT BEFORE PATCH...: they apply to the source tree BEFORE, and build there.
check_alone() {
	local what=$1 before=$2 after file
	shift 2
	if ! after=$(apply_to_tree "$before" "$@"); then
		bad "topic      $what: does not apply" "$after"
		return
	fi
	file=$(change_result "$before" "$after")
	keep "$file" alone_records "$before" "$after"
	show_alone "$file" "$what"
}

# check_topic TOPIC: on the base with the topics that its cover letter names.
check_topic() {
	local topic=$1 need before what
	local -a needs patches=()
	mapfile -t needs < <(topic_depends "$topic" | LC_ALL=C sort -u)
	what="$topic alone on: ${needs[*]:-the base}"
	for need in "${needs[@]+"${needs[@]}"}"; do
		if [[ " ${TOPICS[*]} " != *" $need "* ]]; then
			return # check_covers has said so
		fi
		mapfile -t -O "${#patches[@]}" patches < <(topic_patches "$need")
	done
	if ! before=$(apply_to_tree "$(tree_of base)" "${patches[@]+"${patches[@]}"}"); then
		bad "topic      $what: these do not apply" "$before"
		return
	fi
	mapfile -t patches < <(topic_patches "$topic")
	check_alone "$what" "$before" "${patches[@]}"
}

# check_each_patch TOPIC: each patch on the bare base.
check_each_patch() {
	local patch bare
	local -a patches
	bare=$(tree_of base)
	mapfile -t patches < <(topic_patches "$1")
	for patch in "${patches[@]}"; do
		check_alone "$(name_of "$patch") alone on: the base" "$bare" "$patch"
	done
}

check_topics() {
	local topic
	for topic in "${TOPICS[@]}"; do
		check_topic "$topic"
		if stands_alone "$topic"; then
			check_each_patch "$topic"
		fi
	done
}
