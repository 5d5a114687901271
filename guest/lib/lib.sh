# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Helpers for every scenario: verdicts, requirements, counters, waiting. guest/run sources
# this file and dev.sh. A scenario sources the other files of guest/lib that it needs.

# Times in scenarios are for a machine and a kernel of ordinary speed. Durations (a sleep, a
# load that runs for some time) are multiplied by DURATION_FACTOR: 6 on the debug kernel,
# else 1. Limits, after which something counts as a hang, are multiplied by LIMIT_FACTOR: at
# least 4, because machines differ and a limit costs no time as long as nothing hangs.
DURATION_FACTOR=${DURATION_FACTOR:-1}
LIMIT_FACTOR=${LIMIT_FACTOR:-$DURATION_FACTOR}
PHASE=${PHASE:-run}             # run, or verify after a power cut, or peer, or shell
SCENARIO=${SCENARIO:-none}
VERDICT_FILE=/run/verdict

# param NAME: prints the value of pw.NAME= on the kernel's command line.
COMMAND_LINE=" $(</proc/cmdline)"
param() {
	if [[ $COMMAND_LINE =~ \ pw\.$1=([^ ]*) ]]; then
		echo "${BASH_REMATCH[1]}"
	fi
}

# choose_variant FILE: after FILE was sourced, sets FS to the filesystem of this variant of it
# (empty if it has none). There NAME_xfs=value counts instead of NAME=value on xfs.
choose_variant() {
	local field
	FS=$(scenario_fs "$SCENARIO" "$1")
	if [[ $FS ]]; then
		for field in $(compgen -A variable | grep "_$FS\$"); do
			printf -v "${field%"_$FS"}" %s "${!field}"
		done
	fi
}

# say LINE: one line on the console, in order with the kernel's own messages. (printk writes
# the line out before it returns, so a power cut does not lose it.)
say() {
	local line="$*"
	printf '<5>%s\n' "${line:0:900}" >/dev/kmsg
}

info() { say "@@INFO $*"; }

# fail REASON, skip REASON: end the scenario. Only the first reason is reported.
fail() { set_verdict fail "$*"; exit 1; }
skip() { set_verdict skip "$*"; exit 1; }
set_verdict() {
	if [[ ! -s $VERDICT_FILE ]]; then
		printf '%s %s\n' "$1" "$2" >"$VERDICT_FILE"
	fi
}

# need_cmd COMMAND...: for requires(); skips the scenario if a command is missing.
need_cmd() {
	local command missing=()
	for command; do
		if ! command -v "$command" >/dev/null; then
			missing+=("$command")
		fi
	done
	((${#missing[@]} == 0)) || skip "missing command: ${missing[*]}"
}

# need_mod MODULE...: the kernel has it, built in or as a module. (Does not load it.)
need_mod() {
	local module missing=()
	for module; do
		if ! modprobe -n -q "$module" 2>/dev/null; then
			missing+=("$module")
		fi
	done
	((${#missing[@]} == 0)) || skip "missing in this kernel: ${missing[*]}"
}

# need_file PATH...: files of the guest, for example below /sys.
need_file() {
	local file missing=()
	for file; do
		if [[ ! -e $file ]]; then
			missing+=("$file")
		fi
	done
	((${#missing[@]} == 0)) || skip "missing: ${missing[*]}"
}

# need_fs TYPE...: filesystems that this kernel can mount.
need_fs() {
	local type missing=()
	for type; do
		modprobe -q "$type" 2>/dev/null || true
		if ! grep -qw "$type" /proc/filesystems; then
			missing+=("$type")
		fi
	done
	((${#missing[@]} == 0)) || skip "missing filesystem: ${missing[*]}"
}

# save_state KEY VALUE, load_state KEY: from run() to verify(), across the power cut.
save_state() { mkdir -p /out/state && printf '%s\n' "$2" >"/out/state/$1"; }
load_state() { cat "/out/state/$1"; }

# vmstat NAME: prints a counter of /proc/vmstat, nothing if this kernel does not have it.
vmstat() { awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat; }

# is_patched: this kernel has the series.
is_patched() { grep -q '^writeback_bounced ' /proc/vmstat; }

# bounced: prints how many pages were bounced since boot (0 on a stock kernel).
bounced() {
	local count
	count=$(vmstat writeback_bounced)
	echo "${count:-0}"
}

# pins_outstanding: prints how many pages are pinned now (0 on a kernel without counters).
pins_outstanding() {
	local acquired released
	acquired=$(vmstat nr_foll_pin_acquired)
	released=$(vmstat nr_foll_pin_released)
	echo $((${acquired:-0} - ${released:-0}))
}

# pins_balanced [SECONDS]: waits until every page that was pinned is unpinned. (The kernel
# may fold its counters of each CPU a second or two late.)
pins_balanced() {
	local i
	for ((i = 0; i < ${1:-10} * 5; i++)); do
		if [[ $(pins_outstanding) == 0 ]]; then
			return 0
		fi
		sleep 0.2
	done
	return 1
}

# duration SECONDS, limit SECONDS: print the time multiplied by its factor. A limit is a
# whole number of seconds, a duration is one only if its factor is.
duration() { awk -v n="$1" -v factor="$DURATION_FACTOR" 'BEGIN { print n * factor }'; }
limit() { awk -v n="$1" -v factor="$LIMIT_FACTOR" 'BEGIN { print int(n * factor + 1) }'; }

# whole_duration SECONDS: as duration, without a fraction.
whole_duration() { duration "$1" | sed 's/\..*//'; }

# etc_names NAME...: this machine has these names, for daemons; nothing is looked up elsewhere.
etc_names() {
	printf '127.0.0.1 %s\n' "$*" >/etc/hosts
	printf 'hosts: files\npasswd: files\ngroup: files\n' >/etc/nsswitch.conf
}

# wait_for SECONDS COMMAND...: polls until the command succeeds, at least 20 times. Fails
# after this limit.
wait_for() {
	local i end
	end=$((SECONDS + $(limit "$1")))
	shift
	for ((i = 0; i < 20 || SECONDS < end; i++)); do
		if "$@"; then
			return 0
		fi
		sleep 0.1
	done
	return 1
}
