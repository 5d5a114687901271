# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The text of patches and cover letters; sourced by check.sh.

# Words that readers have to read twice, and one spelling.
WORDS='meanwhile|whoever|somebody|nobody|by itself|heeds|has got|file systems?'

# check_message PATCH NAME: checkpatch, and no sign-off.
check_message() {
	local file
	file=$RESULTS/$(key "$(code_of messages)" "$(tree_of base)" "$(sha256sum <"$1")")
	keep "$file" message_records "$1"
	show "$file" "$2"
}

message_records() { # PATCH
	local text
	text=$(checkpatch "$1" 2>&1) || text=${text:-checkpatch.pl failed}
	if [[ $text ]]; then
		record_failure checkpatch '{}' "$text"
	else
		record passed checkpatch '{}'
	fi
	if grep -q '^Signed-off-by:' "$1"; then
		record_failure sign-off '{}' 'has a Signed-off-by, which the submitter adds'
	fi
}

# checkpatch PATCH: its complaints. The base is one commit, so that checkpatch cannot know those
# of Fixes: lines.
checkpatch() {
	local ignored=MISSING_SIGN_OFF,NO_AUTHOR_SIGN_OFF,FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID
	cd "$WORKTREE" && PATH=/usr/bin:/bin perl scripts/checkpatch.pl --strict --quiet \
		--no-summary --ignore "$ignored" "$1"
}

# words_in: those words in the text on stdin, also across the end of a line, each once.
words_in() {
	tr -s ' \t\n' ' ' | grep -oiwE "$WORDS" | tr '[:upper:]' '[:lower:]' | LC_ALL=C sort -u
}

# check_words: English of messages and cover letters. Subjects of other commits are not ours.
check_words() {
	local topic file word count=0 found=0
	for topic in "${TOPICS[@]}"; do
		while read -r file; do
			count=$((count + 1))
			while read -r word; do
				bad "words      $(name_of "$file"): $word"
				found=$((found + 1))
			done < <(sed -e '/^---$/,$d' -e '/^Fixes:/d' "$file" | words_in)
		done < <(echo "$ROOT/patches/$BASE/$topic/cover.txt" && topic_patches "$topic")
	done
	if ((found == 0)); then
		ok "words      $count messages and cover letters"
	fi
}

# check_fixes TOPIC: each patch of a topic of fixes says which commit it fixes.
check_fixes() {
	local patch found=0 message count=0
	while read -r patch; do
		count=$((count + 1))
		message=$(sed '/^---$/,$d' "$patch")
		if ! grep -qE '^Fixes: [0-9a-f]{12,40} \("' <<<"$message"; then
			bad "fixes      $(name_of "$patch"): no Fixes: line with 12 digits"
			found=$((found + 1))
		fi
		if ! grep -qE '^Cc: (<)?stable@vger\.kernel\.org' <<<"$message"; then
			bad "fixes      $(name_of "$patch"): no Cc: stable@vger.kernel.org"
			found=$((found + 1))
		fi
	done < <(topic_patches "$1")
	if ((found == 0)); then
		ok "fixes      $1: $count patches with Fixes: and Cc: stable"
	fi
}
