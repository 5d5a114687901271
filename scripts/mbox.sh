#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/mbox.sh TOPIC
# Writes one topic as a mailbox, build/BASE/mbox/TOPIC.mbox, for git send-email or b4: the
# cover letter, the patches as they apply to the base and the topics that the cover letter
# names as needed, the base commit, and on each mail as Cc the people and lists that
# get_maintainer.pl of that tree names. Nothing is sent.
# Environment: BASE; FILES='fs/nfs lib/iov_iter.c': only the patches that change these files or
# directories of the kernel
. "$(dirname "$0")/lib.sh"

# recipients FILE: who is to read it, an address a line.
recipients() {
	(cd "$tree" && perl scripts/get_maintainer.pl --no-rolestats --no-git --no-git-fallback \
		--no-fixes "$1") |
		grep -v '@example\.org' || true
}

# add_cc MAIL ADDRESSES: puts the addresses into the head of the mail.
add_cc() {
	awk -v list="$2" '
		function cc(   n, i, a) {
			n = split(list, a, "\n")
			for (i = 1; i <= n; i++)
				printf "%s%s%s\n", i == 1 ? "Cc: " : "    ", a[i], i < n ? "," : ""
		}
		!done && /^$/ { if (list != "") cc(); done = 1 }
		{ print }' "$1"
}

# fill_cover MAIL COVER: the text of the cover letter in the place that git left for it.
fill_cover() {
	awk -v cover="$2" '
		BEGIN {
			getline subject <cover
			sub(/^[0-9][0-9]-/, "", subject)
			while ((getline line <cover) > 0)
				text = text (text == "" && line == "" ? "" : line "\n")
		}
		{ sub(/\*\*\* SUBJECT HERE \*\*\*/, subject) }
		$0 == "*** BLURB HERE ***" { printf "%s", text; next }
		{ print }' "$1"
}

# chosen_patches TOPIC FILES: the patches of the topic that change any of FILES.
chosen_patches() {
	local patch file changed
	for patch in $(topic_patches "$1"); do
		changed=$(git apply --numstat "$patch" | cut -f 3)
		for file in $2; do
			if grep -q "^${file%/}\(/\|\$\)" <<<"$changed"; then
				echo "$patch"
				break
			fi
		done
	done
}

# apply_topic TREE TOPIC PATCH...: the topics that TOPIC needs, its cover letter and these of its
# patches.
apply_topic() {
	local tree=$1 topic=$2 why
	local -a needs
	shift 2
	mapfile -t needs < <(topic_depends "$topic")
	if ((${#needs[@]})); then
		why=$(apply_series "$tree" "$ROOT/patches/$BASE" "${needs[@]}") ||
			die "the topics that $topic needs do not apply: $why"
	fi
	commit_cover "$tree" "$ROOT/patches/$BASE/$topic/cover.txt"
	why=$(apply_patches "$tree" "$@") ||
		die "these patches of $topic do not apply without the others: $why"
}

main() {
	local topic tree dir=$BUILD/mbox first mail cc all='' kernel count needs
	local -a patches
	topic=$(topic_of "$1")
	needs=$(topic_depends "$topic" | paste -sd ' ')
	if [[ ${FILES:-} ]]; then
		mapfile -t patches < <(chosen_patches "$topic" "$FILES")
		((${#patches[@]})) ||
			die "no patch of $topic changes $FILES: ls patches/$BASE/$topic"
	else
		mapfile -t patches < <(topic_patches "$topic")
	fi
	"$ROOT/scripts/tree.sh"
	base_worktree mbox-tree
	tree=$BUILD/mbox-tree
	apply_topic "$tree" "$topic" "${patches[@]}"
	kernel=$(make -s -C "$tree" kernelversion)
	first=$(git -C "$tree" log --format=%H --grep="^$topic: " base..HEAD | tail -n 1)
	rm -rf "$dir/tmp"
	mkdir -p "$dir/tmp"
	plain_git -C "$tree" format-patch -q --cover-letter --numbered --thread=shallow \
		--base=base -o "$dir/tmp" "$first..HEAD" >/dev/null
	note "asking get_maintainer.pl about ${#patches[@]} patches"
	for mail in "$dir/tmp"/[0-9]*.patch; do
		if [[ $mail == */0000-* ]]; then continue; fi
		cc=$(recipients "$mail")
		all+=$cc$'\n'
		add_cc "$mail" "$cc" >"$mail.cc"
	done
	mail=$dir/tmp/0000-cover-letter.patch
	fill_cover "$mail" "$ROOT/patches/$BASE/$topic/cover.txt" >"$mail.filled"
	# Cover letters have no patch id.
	kernel+=${needs:+ with $needs}
	sed -i -e '/^prerequisite-patch-id: 0*$/d' \
		-e "s/^base-commit: .*/&\nbase-kernel: Linux $kernel/" "$mail.filled"
	add_cc "$mail.filled" "$(LC_ALL=C sort -u <<<"$all" | sed '/^$/d')" >"$mail.cc"
	cat "$dir/tmp"/[0-9]*.cc >"$dir/$topic.mbox"
	rm -rf "$dir/tmp"
	count=$(grep -c '^From [0-9a-f]\{40\} ' "$dir/$topic.mbox")
	echo "build/$BASE/mbox/$topic.mbox: $count mails;" \
		"look at it, then: git send-email build/$BASE/mbox/$topic.mbox"
}

parse_args 0 1 "$@"
load_base
[[ ${1:-} ]] || die "no topic named: make mbox TOPIC=x with one of: $(topics | paste -sd ' ')"
need_tools git perl make
main "$1"
