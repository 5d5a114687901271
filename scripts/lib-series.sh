# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The series as files and as commits; sourced by lib.sh.
#
# Files: patches/BASE/NN-topic/cover.txt and NNNN-*.patch beside it.
# Commits: a topic begins with an empty commit whose message is its cover letter, and
# whose subject begins with the name of the topic and a colon. git rebase keeps it.

# git as if nobody had configured anything: the same output on every machine.
plain_git() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -c core.abbrev=12 \
		-c user.name='Pinned Writeback' -c user.email=pinned-writeback@example.org \
		-c commit.gpgsign=false -c gc.auto=0 "$@"
}

# topics [DIR]: the names of the topics of a series (default: the one of BASE), in order.
topics() {
	local dir=${1:-$ROOT/patches/$BASE} cover
	for cover in "$dir"/[0-9][0-9]-*/cover.txt; do
		if [[ -e $cover ]]; then basename "${cover%/cover.txt}"; fi
	done
}

# topic_patches TOPIC [DIR]: the paths of its patches, in order.
topic_patches() {
	find "${2:-$ROOT/patches/$BASE}/$1" -name '[0-9]*.patch' | LC_ALL=C sort
}

# topic_field TOPIC LABEL [DIR]: the text of a line "Depends:", "Tree:", ... of its cover letter,
# with the lines after it that begin with a space, as one line.
topic_field() {
	awk -v label="$2:" 'field && !/^ / { exit }
		index($0, label) == 1 { field = 1; $0 = substr($0, length(label) + 1) }
		field { $1 = $1; text = text sep $0; sep = " " }
		END { if (field) print text }' "${3:-$ROOT/patches/$BASE}/$1/cover.txt"
}

# topic_depends TOPIC [DIR]: the topics that it needs, a line each.
topic_depends() {
	local name
	for name in $(topic_field "$1" Depends "${2:-}"); do
		if [[ $name != none ]]; then echo "$name"; fi
	done
}

# topic_of WORD [DIR]: the full name of a topic, from its number or its name.
topic_of() {
	local dir=${2:-$ROOT/patches/$BASE} topic
	for topic in $(topics "$dir"); do
		if [[ $topic == "$1" || ${topic%%-*} == "$1" ]]; then
			echo "$topic"
			return
		fi
	done
	die "no topic '$1' for ${dir##*/}: use one of: $(topics "$dir" | paste -sd ' ')"
}

# list_covers TREE FROM TO: the commit and the topic of each cover letter, a line each, and
# last a line "TO end". Dies with one line if the commits are not a series.
list_covers() {
	local tree=$1 commit id subject before topic='' last='' name
	before=$(git -C "$tree" rev-parse "$2^{tree}")
	while read -r commit id subject; do
		name="commit ${commit:0:12} (\"$subject\")"
		if [[ $id == "$before" ]]; then
			[[ $subject =~ ^[0-9][0-9]-[a-z0-9-]+:\ . ]] ||
				die "$name is empty: it has to be a cover letter" \
					"(subject \"NN-topic: title\") or to change something"
			topic=${subject%%:*}
			[[ $topic > $last ]] ||
				die "topic $topic comes after topic $last in $tree:" \
					"order them by their numbers"
			last=$topic
			echo "$commit $topic"
		elif [[ ! $topic ]]; then
			die "$name is in no topic: begin with an empty commit" \
				"whose subject is \"NN-topic: title\""
		fi
		before=$id
	done < <(git -C "$tree" log --reverse --format='%H %T %s' "$2..$3")
	echo "$(git -C "$tree" rev-parse "$3") end"
}

# export_series TREE FROM TO DIR: the commits FROM..TO as the files of a series in DIR,
# which is made.
export_series() {
	local tree=$1 dir commit topic start='' current='' list
	mkdir -p "$4"
	dir=$(cd "$4" && pwd)
	[[ -z $(git -C "$tree" rev-list --merges -n 1 "$2..$3") ]] ||
		die "$tree has a merge between $2 and $3: the series has to be a line of commits"
	list=$(list_covers "$tree" "$2" "$3") || exit 2 # its line says why
	while read -r commit topic; do
		if [[ $current ]]; then
			export_topic "$tree" "$start" \
				"$(before_cover "$tree" "$commit" "$topic")" "$dir/$current"
		fi
		start=$commit current=$topic
	done <<<"$list"
}

# export_topic TREE COVER LAST DIR: the cover letter and the patches behind it, up to LAST.
export_topic() {
	mkdir -p "$4"
	git -C "$1" log -1 --format=%B "$2" | sed '${/^$/d}' >"$4/cover.txt"
	plain_git -C "$1" format-patch -q --zero-commit --no-signature --no-numbered \
		-o "$4" "$2..$3" >/dev/null
}

# before_cover TREE COMMIT TOPIC: the last commit of the topic before this cover letter.
before_cover() {
	if [[ $3 == end ]]; then echo "$2"; else git -C "$1" rev-parse "$2~"; fi
}

# commit_cover TREE FILE: the cover letter as an empty commit.
commit_cover() {
	GIT_AUTHOR_DATE='2000-01-01T00:00:00Z' plain_git -C "$1" commit -q --allow-empty \
		--cleanup=verbatim -F "$2"
}

# apply_patches TREE PATCH...: git am of all, or of none. Fails with the reason on stdout.
apply_patches() {
	local tree=$1 head out
	shift
	(($#)) || return 0
	head=$(git -C "$tree" rev-parse HEAD)
	if ! out=$("${AM_GIT:-plain_git}" -C "$tree" am -q "$@" 2>&1); then
		git -C "$tree" am --abort >/dev/null 2>&1 || true
		if [[ $(git -C "$tree" rev-parse HEAD) != "$head" ]]; then
			git -C "$tree" reset -q --hard "$head"
		fi
		grep -m 1 -E '^(error|fatal): |^Patch failed' <<<"$out" || echo "${out%%$'\n'*}"
		return 1
	fi
}

# apply_series TREE DIR [TOPIC...]: the topics (default: all) on HEAD of TREE, each with its
# cover letter as an empty commit, or nothing at all. Fails with the reason on stdout.
apply_series() {
	local tree=$1 dir=$2 head topic why
	local -a files
	shift 2
	if (($# == 0)); then
		# shellcheck disable=SC2046 # names without blanks
		set -- $(topics "$dir")
	fi
	head=$(git -C "$tree" rev-parse HEAD)
	for topic; do
		commit_cover "$tree" "$dir/$topic/cover.txt"
		mapfile -t files < <(topic_patches "$topic" "$dir")
		if ! why=$(apply_patches "$tree" "${files[@]}"); then
			git -C "$tree" reset -q --hard "$head"
			echo "$topic: $why"
			return 1
		fi
	done
}

# base_worktree NAME: build/BASE/NAME, a clean checkout of the base.
base_worktree() {
	local wt=$BUILD/$1
	lock "$1"
	[[ -d $BUILD/tree ]] || die "no build/$BASE/tree: run make tree"
	if [[ -e $wt/.git ]] && git -C "$wt" rev-parse -q --verify HEAD >/dev/null 2>&1; then
		git -C "$wt" am --abort >/dev/null 2>&1 || true
		plain_git -C "$wt" checkout -q -f --detach base
		git -C "$wt" clean -fdq
	else
		rm -rf "$wt"
		git -C "$BUILD/tree" worktree prune
		busy "checking out the base" \
			plain_git -C "$BUILD/tree" worktree add -q --detach "$wt" base
	fi
}

# count_patches DIR: how many patches a series has.
count_patches() { find "$1" -name '[0-9]*.patch' | wc -l; }
