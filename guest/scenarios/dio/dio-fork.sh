# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Direct reads into private memory are under way when the program forks. Parent and child share the
# pages then, and the parent writes to another part of each page, as a program with buffers of less
# than a page does.
# Stock: the parent gets a copy of the page, and the device writes to the page of the child: the
# parent has lost what was read. Patched: fork() copies the pinned pages for the child, so the
# parent keeps the pages that the device writes to. Small pages, and a huge page.
DESC="direct reads and fork: the parent gets the data"
TIMEOUT=60
STOCK=fail
ONLY="6.1"

requires() { need_cmd dmsetup; }

# fork_case WHAT PAGES FORKREAD_ARGUMENT...: adds a line to /run/cases.
fork_case() {
	local what=$1 pages=$2 line
	shift 2
	dm_hold source
	line=$(forkread "$@" "$SOURCE" "$RELEASE source")
	info "$what: $line"
	if [[ $line == "pages $pages lost 0 overwritten 0, memory of the child kept" ]]; then
		return
	fi
	echo "$what: $line" >>/run/bad
}

run() {
	source_new 2
	: >/run/bad
	fork_case "small pages" 64 -l 256k
	fork_case "a huge page" 512 -H -l 2m
	[[ ! -s /run/bad ]] || fail "$(paste -sd '|' /run/bad | sed 's/|/; /g')"
}
