# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The commands of docs/by-hand.md, line by line, so that the page stays true. It has three blocks
# of commands: the race, which has to succeed; the command that reads the file; cleaning up.
# Stock: the file cannot be read (EIO). Patched: it can.
DESC="F1: the commands of docs/by-hand.md, as a user types them"
TIMEOUT=120
STOCK=fail

DOCUMENT=/proj/docs/by-hand.md

requires() {
	need_cmd gcc losetup dmsetup btrfs
	need_mod loop dm-mod
	requires_fs btrfs
	need_file $DOCUMENT
}

# commands BLOCK: prints the commands of the first, second or third block, one a line.
commands() {
	awk -v wanted="$1" '
		/^```sh$/ { block++; on = 1; next }
		/^```$/ { on = 0 }
		on && block == wanted { if (sub(/\\$/, "")) printf "%s", $0; else print }' $DOCUMENT
}

# type_commands BLOCK: runs them in this shell.
type_commands() {
	local line
	local -a lines
	mapfile -t lines < <(commands "$1")
	((${#lines[@]} > 0)) || fail "error: $DOCUMENT has no block $1 of commands"
	for line in "${lines[@]}"; do
		echo "# $line"
		eval "$line"
	done
}

run() {
	local read_error=''
	# There is no udev here: dmsetup makes the nodes in /dev/mapper, and nothing loads modules.
	export DM_DISABLE_UDEV=1
	modprobe -a loop dm-mod
	# The guest may be so slow that the flusher would write the pages before fsync() does.
	no_flusher
	mark_bounced
	cd /proj || return
	type_commands 1 >/run/race
	cat /run/race
	grep -qx 'fsync ok' /run/race || fail "error: fsync() failed"
	type_commands 2 2>/run/read || read_error="data after the power cut: $(tail -n 1 /run/read)"
	type_commands 3
	[[ ! $read_error ]] || fail "$read_error"
	expect_bounced 64
}
