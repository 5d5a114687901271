#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/check.sh
# Checks patches/BASE and the files of this project.
# Each patch: git am on the base and the patches before it; the objects that it changes
# build, without a warning that the base does not have; checkpatch --strict; its message.
# The series as a whole: all objects that it changes build, on i386 and on a kernel without
# options, too; sparse and kernel-doc say nothing that they do not say of the base; symbols
# that modules use are exported; the table of callers is complete.
# Each topic: its cover letter, and it applies and builds on exactly the topics that the
# cover letter names.
# This project: shellcheck, and a license line in each file.
# Prints one line a check. Files that cannot be built here are listed as "not built" with
# the reason, and never counted as ok.
# The results of builds are kept in build/BASE/check-done until the source of the kernel, the
# code of the check or a compiler changes. An interrupted check goes on where it was.
# Environment: BASE, JOBS_BUILD (make -j, default: number of CPUs); CHECK_ALL=1 does all again
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/check/lib.sh
. "$ROOT/scripts/check/lib.sh"
# shellcheck source=scripts/check/machines.sh
. "$ROOT/scripts/check/machines.sh"
# shellcheck source=scripts/check/build.sh
. "$ROOT/scripts/check/build.sh"
# shellcheck source=scripts/check/change.sh
. "$ROOT/scripts/check/change.sh"
# shellcheck source=scripts/check/messages.sh
. "$ROOT/scripts/check/messages.sh"
# shellcheck source=scripts/check/series.sh
. "$ROOT/scripts/check/series.sh"
# shellcheck source=scripts/check/topics.sh
. "$ROOT/scripts/check/topics.sh"
# shellcheck source=scripts/check/files.sh
. "$ROOT/scripts/check/files.sh"

# finish: the last lines and the exit code.
finish() {
	if ((COUNT[unbuilt])); then
		echo "not built here: ${COUNT[unbuilt]} (see above)"
	fi
	echo "${COUNT[ok]} ok, ${COUNT[failed]} failed"
	if ((COUNT[failed])); then
		exit 1
	fi
	exit 0
}

# check_patch PATCH NAME: the patch is HEAD of the worktree.
check_patch() {
	check_change "$2"
	check_message "$1" "$2"
}

# walk: applies the series patch by patch to the worktree and checks each patch.
walk() {
	local topic patch name why
	local -a patches
	for topic in "${TOPICS[@]}"; do
		commit_cover "$WORKTREE" "$ROOT/patches/$BASE/$topic/cover.txt"
		mapfile -t patches < <(topic_patches "$topic")
		for patch in "${patches[@]}"; do
			name=$(name_of "$patch")
			if ! why=$(apply_patches "$WORKTREE" "$patch"); then
				bad "git am     $name" "$why"
				finish
			fi
			ok "git am     $name"
			check_patch "$patch" "$name"
		done
	done
}

main() {
	local count
	mapfile -t TOPICS < <(topics)
	count=$(count_patches "$ROOT/patches/$BASE")
	((count)) || die "patches/$BASE is empty: run make refresh"
	"$ROOT/scripts/setup.sh" full
	"$ROOT/scripts/tree.sh"
	note "checking $count patches in ${#TOPICS[@]} topics for $BASE" \
		"(up to half a minute each, a second each if nothing has changed)"
	base_worktree check
	start_results
	read_series
	check_covers
	check_words
	base_warnings
	walk
	check_series
	check_topics
	check_files
	finish
}

parse_args 0 0 "$@"
load_base
main
