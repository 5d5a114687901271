# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the CPUs of a guest do that has given no verdict in time: sourced by guest.sh.
#
# Under load, QEMU's software emulation may lose the timer of a guest (2 of some 500 guests lost it
# while they booted). Then all CPUs of the guest are halted for ever, and none of the guest's own
# limits runs out. A kernel that hangs looks different: either a CPU runs, or the kernel's timers
# still work, and the guest lists its blocked tasks at its own limit, which comes first.

# monitor_arguments RESULT DIRECTORY NAME: sets the array RESULT to QEMU's arguments for a monitor
# on two named pipes, NAME.in and NAME.out. QEMU has to be started in DIRECTORY.
monitor_arguments() {
	local -n _monitor=$1
	rm -f "$2/$3".{in,out}
	mkfifo "$2/$3".{in,out}
	# shellcheck disable=SC2034 # the caller's
	_monitor=(-chardev "pipe,id=monitor,path=$3" -mon monitor)
}

# ask_monitor DIRECTORY NAME COMMAND: prints what QEMU answers. Fails if QEMU has printed nothing
# for 10 s.
ask_monitor() {
	local line='' text='' from to
	# Open for both, so that neither end waits for the other.
	exec {to}<>"$1/$2.in" {from}<>"$1/$2.out"
	printf '%s\n' "$3" >&"$to"
	# The answer to this marks the end.
	printf 'print /d 31337\n' >&"$to"
	while [[ $line != 31337* ]]; do
		if ! IFS= read -r -t 10 line <&"$from"; then
			exec {to}>&- {from}>&-
			return 1
		fi
		text+=${line%$'\r'}$'\n'
	done
	exec {to}>&- {from}>&-
	printf '%s' "$text"
}

# name_address ADDRESS MAP: prints the symbol of a System.map that an address (16 hexadecimal
# digits) is in, or the address.
name_address() {
	awk -v address="$1" 'BEGIN { name = address }
		$1 "" > address "" { exit }
		length($1) == length(address) && $2 ~ /[tTwW]/ { name = $3 }
		END { print name }' "$2" 2>/dev/null || echo "$1"
}

# cpus_at DIRECTORY NAME MAP: prints a line for each CPU of the guest, "halted SYMBOL" or
# "runs SYMBOL". Fails if QEMU does not answer.
cpus_at() {
	local answer address state
	answer=$(ask_monitor "$1" "$2" 'info registers -a') || return 1
	while read -r address state; do
		case $state in
		1) echo "halted $(name_address "$address" "$3")" ;;
		*) echo "runs $(name_address "$address" "$3")" ;;
		esac
	done < <(sed -n 's/^[RE]IP=\([0-9a-f]*\).* HLT=\([01]\).*/\1 \2/p' <<<"$answer")
}

# emulator_stopped DIRECTORY NAME MAP: it is QEMU that hangs, not the kernel of the guest: QEMU
# does not answer, or all CPUs are halted whenever one looks, 20 times in 10 s. Prints what was
# seen.
emulator_stopped() {
	local i now seen='' running=''
	for ((i = 0; i < 20; i++)); do
		now=$(cpus_at "$@") || now=''
		if [[ ! $now ]]; then
			echo "QEMU does not answer its monitor"
			return 0
		fi
		if grep -q '^runs' <<<"$now"; then
			running=1
		fi
		seen+=$now$'\n'
		sleep 0.5
	done
	echo "CPUs in 20 looks: $(printf '%s' "$seen" | sort | uniq -c | sort -rn |
		awk '{ $1 = $1 " times"; printf "%s%s", sep, $0; sep = ", " }')"
	[[ ! $running ]]
}
