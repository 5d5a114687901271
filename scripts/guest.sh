#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/guest.sh [-q] -k KERNEL -s SCENARIO
# Boots KERNEL in QEMU with one scenario (twice if it has a verify phase, with a power cut
# between) and prints its verdict.
#   -k KERNEL    stock (Debian's image; = debian), lean (stock with the lean config),
#                patched, debug, or the path of a build directory (make O=)
#   -s SCENARIO  name of a scenario (make list shows them), or soak
#   -q           no progress lines, only the verdict
# Exit code: 0 pass, 1 fail, 3 skip, 2 could not be run.
# Results: build/BASE/results/KERNEL/SCENARIO.{log,verdict,seconds,out/}
# Environment: BASE; KEEP=1 keeps the disks in build/run;
#   DURATION_FACTOR  multiplies durations: sleeps, load that runs (default 1, debug 6)
#   LIMIT_FACTOR     multiplies limits, after which something counts as a hang (default 4, or
#                    DURATION_FACTOR if that is more)
#   GUEST_TIMEOUT    a limit in seconds for each phase instead of the scenario's TIMEOUT
#   GUEST_ACCEL, GUEST_SMP, GUEST_MEM, GUEST_ARGS, GUEST_CMDLINE: for QEMU and the kernel
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/lib-guest.sh
. "$ROOT/scripts/lib-guest.sh"
# shellcheck source=scripts/lib-monitor.sh
. "$ROOT/scripts/lib-monitor.sh"

# The subject of this run, set by main.
quiet=''          # no progress lines
scenario=''       # its name
file=''           # its file
kernel=''         # name of the kernel
results=''        # directory for the results of this kernel
log=''            # the consoles of all guests
out=''            # /out of the guest
run_directory=''  # disks, sockets
accelerator=''
boot_limit=''     # seconds of silence in which a guest that boots is given up
phase_limit=''    # seconds for a phase, on the host's clock
guest_pid='' peer_pid=''  # QEMU, while it runs
peer_exit=0       # exit code of the peer's QEMU

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	local code=$? pid
	# Not on stderr, which is closed to bash while a guest runs.
	if [[ ! -e $results/$scenario.verdict && $code != 2 ]]; then
		echo "$kernel/$scenario: no verdict: interrupted (exit code $code)"
	fi
	for pid in $guest_pid $peer_pid; do
		kill -9 "$pid" 2>/dev/null || true
	done
	if [[ ${KEEP:-} ]]; then
		echo "disks kept in $run_directory"
	else
		rm -rf "$run_directory"
	fi
}

progress_line() {
	if [[ ! $quiet ]]; then
		echo "   $kernel/$scenario: $*"
	fi
}

# multiply NUMBER FACTOR: prints the product as a whole number.
multiply() { awk -v n="$1" -v factor="$2" 'BEGIN { print int(n * factor) }'; }

# set_limits: sets boot_limit and phase_limit.
set_limits() {
	local timeout
	set_factors
	timeout=${GUEST_TIMEOUT:-$(scenario_field "$scenario" TIMEOUT 180)}
	boot_limit=$(multiply 90 "$duration_factor")
	# The guest's own limit comes first; with it goes a list of blocked tasks.
	phase_limit=$(($(multiply "$timeout" "$limit_factor") + boot_limit))
}

# start_guest PHASE CONSOLE: QEMU in the background; sets guest_pid. For the phase peer it is
# the second guest, which has no disks; a wire between the two is a socket in run_directory,
# whose path may be too long for a socket, so QEMU is started there.
start_guest() {
	local phase=$1 console=$2 memory=${GUEST_MEM:-2048} arguments disks
	local wire="stream,id=wire,addr.type=unix,addr.path=wire"
	local card="virtio-net-pci,netdev=wire,mac=52:54:00:00:00" extra=() monitor words=()
	read -ra words <<<"$(scenario_field "$scenario" CMDLINE) ${GUEST_CMDLINE:-}"
	words+=("pw.scenario=$scenario" "pw.phase=$phase" "pw.base=$BASE"
		"pw.kernel=${guest_kernel[want]}" "pw.durations=$duration_factor"
		"pw.limits=$limit_factor" "pw.timeout=${GUEST_TIMEOUT:-}")
	if [[ $phase == peer ]]; then
		memory=768
		extra=(-netdev "$wire,server=on" -device "$card:02")
	else
		disk_arguments disks "$run_directory"
		read -ra extra <<<"$(scenario_field "$scenario" QEMUARGS) ${GUEST_ARGS:-}"
		extra+=("${disks[@]}")
		if [[ $peer_pid ]]; then
			extra+=(-netdev "$wire,server=off" -device "$card:01")
		fi
	fi
	qemu_arguments arguments "$accelerator" "$memory" "$out" "${words[@]}"
	monitor_arguments monitor "$run_directory" "monitor-$phase"
	(cd "$run_directory" && exec qemu-system-x86_64 "${arguments[@]}" -serial "file:$console" \
		"${monitor[@]}" "${extra[@]}" </dev/null >"$run_directory/qemu.txt" 2>&1 9>&-) &
	guest_pid=$!
}

# start_peer, end_peer: the second guest of a scenario that has one. Its console comes first in
# the log, and has to be as clean as the console of the other guest.
start_peer() {
	local i
	start_guest peer "$log.peer"
	peer_pid=$guest_pid guest_pid=''
	# When the peer has printed something, its end of the wire has long been there.
	for ((i = 0; i < 300; i++)); do
		if [[ -s $log.peer ]]; then
			return
		fi
		kill -0 "$peer_pid" 2>/dev/null ||
			die "QEMU of the peer did not start: $(tail -n 1 "$run_directory/qemu.txt")"
		sleep 0.1
	done
}
end_peer() {
	if [[ $peer_pid ]]; then
		kill -9 "$peer_pid" 2>/dev/null || true
		peer_exit=0
		wait "$peer_pid" 2>/dev/null || peer_exit=$?
		peer_pid=''
		cat "$log.peer" >>"$log" 2>/dev/null || true
		rm -f "$log.peer"
	fi
}

# in_user_space CONSOLE: the guest has come there, and the peer if there is one.
in_user_space() {
	grep -qs '@@' "$1" && { [[ ! $peer_pid ]] || grep -qs '@@' "$log.peer"; }
}

# wait_guest PHASE CONSOLE RESULT: waits until the guest of guest_pid ends, and shows progress.
# Sets RESULT to "exit CODE" of QEMU, to "late SECONDS" if it was over its limit and is killed,
# to "stopped SECONDS" if then QEMU has stopped and not the kernel (see lib-monitor.sh), or to
# "not-booted SECONDS". The limit counts from user space on. Before, a guest is given up when its
# console has been silent for boot_limit seconds, as if it has lost its timer, or after 4 times
# as much.
# Call it with 2>/dev/null: bash reports a QEMU that was aborted on stderr.
wait_guest() {
	local phase=$1 console=$2 code=0
	local -n _outcome=$3
	local start=$SECONDS grown=$SECONDS size=0 shown=0 lines=0 booted='' over now
	while kill -0 "$guest_pid" 2>/dev/null; do
		if [[ ! $booted ]]; then
			now=$(cat "$console" "$log.peer" 2>/dev/null | wc -c) || true
			if ((now != size)); then
				size=$now grown=$SECONDS
			fi
			if in_user_space "$console"; then
				booted=1 start=$SECONDS shown=0
			fi
		fi
		if [[ $booted ]]; then
			over=$((SECONDS - start > phase_limit))
		else
			over=$((SECONDS - grown > boot_limit || SECONDS - start > 4 * boot_limit))
		fi
		if ((over)); then
			_outcome="not-booted $((SECONDS - start))"
			if [[ $booted ]]; then
				_outcome="$(late_or_stopped "$phase" "$console") $phase_limit"
			fi
			kill -9 "$guest_pid" || true
			wait "$guest_pid" || true
			guest_pid=''
			return
		fi
		sleep 0.5
		now=$(grep -c '@@INFO' "$console" 2>/dev/null) || now=${now:-0}
		if ((now > lines)); then
			grep -o '@@INFO.*' "$console" | tail -n "+$((lines + 1))" | tr -d '\r' |
				while read -r _ text; do progress_line "$text"; done
			lines=$now shown=$((SECONDS - start))
		elif ((SECONDS - start - shown >= 10)); then
			shown=$((SECONDS - start))
			progress_line "$phase, $shown s (at most $phase_limit s)"
		fi
	done
	wait "$guest_pid" || code=$?
	guest_pid=''
	_outcome="exit $code"
}

# late_or_stopped PHASE CONSOLE: prints "late" or "stopped" for a guest over its limit, and writes
# to its console what its CPUs do. If the kernel has listed its blocked tasks, it was not stopped.
late_or_stopped() {
	local phase=$1 console=$2 outcome=late seen
	if seen=$(emulator_stopped "$run_directory" "monitor-$phase" "${guest_kernel[map]}") &&
		! grep -qE 'sysrq: Show Blocked State|blocked for more than' "$console"; then
		outcome=stopped
	fi
	echo "guest.sh: $phase: no verdict: $seen" >>"$console"
	echo "$outcome"
}

# run_phase PHASE RESULT: one guest up to its end, with its console in the log. QEMU under load
# may lose the timer of a guest that boots (2 of some 500 did): such a guest is booted once more.
run_phase() {
	local -n _outcome=$2
	local phase=$1 try
	for try in 1 2; do
		if [[ $phase == run && $(scenario_field "$scenario" PEER) ]]; then
			start_peer
		fi
		start_guest "$phase" "$log.$phase"
		wait_guest "$phase" "$log.$phase" "$2" 2>/dev/null
		end_peer
		if [[ $_outcome != not-booted* || $try == 2 ]]; then
			break
		fi
		progress_line "not booted after ${_outcome#* } s: once more"
		if [[ $phase == run ]]; then
			: >"$log" # only what the peer printed
		fi
	done
	cat "$log.$phase" >>"$log" 2>/dev/null || true
	rm -f "$log.$phase"
}

# run_phases RESULT: all guests of the scenario; RESULT as in wait_guest.
run_phases() {
	local phase
	for phase in run verify; do
		run_phase "$phase" "$1"
		if [[ ${!1} != exit* ]] || ! grep -q "@@CUT $scenario" "$log"; then
			break
		fi
		if [[ $phase == run ]]; then
			progress_line "power cut, booting again"
		fi
	done
}

# new_run: new disks, and nothing in the log and in the directories that were there before.
new_run() {
	rm -rf "$out" "$results/$scenario.verdict" "$log".{run,verify,peer} "$run_directory"/vd?
	mkdir -p "$out"
	: >"$log"
	new_disks "$run_directory"
}

# qemu_crashed OUTCOME: QEMU was ended by SIGILL, SIGABRT, SIGBUS, SIGFPE or SIGSEGV before there
# was a verdict, or the QEMU of the peer was. That is a fault of the emulator, whatever the guest
# does (1 of some 2000 guests, by SIGSEGV), and says nothing of the kernel.
qemu_crashed() {
	local crash='^exit (132|134|135|136|139)$'
	if [[ "exit $peer_exit" =~ $crash ]]; then
		return 0
	fi
	[[ $1 =~ $crash ]] && ! grep -q "@@VERDICT $scenario " "$log"
}

# first_complaint EXPECTED: prints the first line of the log with which the kernel complains and
# which does not match EXPECTED.
first_complaint() {
	complaints_in "$log" | grep -m 1 -vE "$1" |
		sed 's/^\[ *[0-9.]*\] *//' | tr -d '\r' || true
}

# why_no_verdict OUTCOME COMPLAINT: prints the reason.
why_no_verdict() {
	local reason
	case $1 in
	late*) reason="no verdict within ${1#* } s: hang" ;;
	stopped*) reason="no verdict within ${1#* } s: hang of QEMU" ;;
	not-booted*) reason="no verdict: not booted within ${1#* } s: hang" ;;
	*)
		reason="no verdict: the guest ended early"
		case ${1#exit } in
		0) ;;
		137) reason+=", QEMU was killed" ;;
		*) reason+=", QEMU with exit code ${1#exit }" ;;
		esac
		if [[ -s $run_directory/qemu.txt ]]; then
			reason+=", QEMU: $(tail -n 1 "$run_directory/qemu.txt")"
		fi
		;;
	esac
	echo "$reason${2:+ ($2)}"
}

show_log() { # REASON
	echo "-- $kernel/$scenario: $1; last 60 lines of ${log#"$ROOT/"}:"
	tail -n 60 "$log" | tr -d '\r'
	echo "-- end of ${log#"$ROOT/"}"
}

finish() { # VERDICT TEXT
	echo "$1 $2" >"$results/$scenario.verdict"
	echo "$SECONDS" >"$results/$scenario.seconds"
	printf '%-5s %-8s %s%s (%d s)\n' "$1" "$kernel" "$scenario" "${2:+: $2}" "$SECONDS"
	if [[ $1 == fail && ! ${EXPECT_FAIL:-} ]]; then
		echo "   log: ${log#"$ROOT/"}, output of the scenario: ${out#"$ROOT/"}/"
	fi
	case $1 in pass) exit 0 ;; fail) exit 1 ;; skip) exit 3 ;; esac
}

# judge OUTCOME: looks at the log, prints the verdict and ends the script.
judge() {
	local verdict text line complaint reason count splats=0 expected='^$'
	# SPLAT: the complaints that the kernel has to print, and how many.
	line=$(scenario_field "$scenario" SPLAT)
	if [[ $line ]]; then
		[[ $line =~ ^([1-9][0-9]*)\ (.+)$ ]] || die "$file: want SPLAT=\"NUMBER REGEX\""
		splats=${BASH_REMATCH[1]} expected=${BASH_REMATCH[2]}
	fi
	complaint=$(first_complaint "$expected")

	line=$(grep -o "@@VERDICT $scenario .*" "$log" | head -n 1 | tr -d '\r') || true
	read -r _ _ verdict text <<<"$line" || true
	if [[ ! $verdict ]]; then
		if [[ -s $run_directory/qemu.txt && ! -s $log && $1 == exit* ]]; then
			die "QEMU did not start: $(tail -n 1 "$run_directory/qemu.txt")"
		fi
		reason=$(why_no_verdict "$1" "$complaint")
		show_log "$reason"
		finish fail "$reason"
	fi

	line=$(grep -o '@@PEER fail .*' "$log" | head -n 1 | tr -d '\r') || true
	line=${line#@@PEER fail }
	case ${line:+$verdict} in
	pass) verdict=fail text="error in the second guest: $line" ;;
	fail) text+="; second guest: $line" ;;
	esac
	if [[ $verdict == pass ]] && ((splats > 0)); then
		count=$(grep -cE "$expected" "$log") || count=0
		((count == splats)) ||
			finish fail "the kernel said '$expected' $count times, not $splats"
	fi
	if [[ $complaint && $verdict == pass ]]; then
		show_log "the kernel complained"
		finish fail "kernel: $complaint"
	fi
	if [[ $text == timed\ out* && ! ${EXPECT_FAIL:-} ]]; then
		show_log "$text"
	fi
	finish "$verdict" "$text"
}

main() {
	local option wanted_kernel='' phase outcome
	answer_help "$@"
	while getopts :qk:s: option; do
		case $option in
		q) quiet=1 ;;
		k) wanted_kernel=$OPTARG ;;
		s) scenario=$OPTARG ;;
		:) die "-$OPTARG needs a name: $0 --help shows the usage" ;;
		*) die "no option '-$OPTARG': $0 --help shows the usage" ;;
		esac
	done
	shift $((OPTIND - 1))
	parse_args 0 0 "$@"
	[[ $wanted_kernel && $scenario ]] ||
		die "name a kernel and a scenario, -k and -s: $0 --help shows the usage"
	load_base
	file=$(scenario_file "$scenario") || die "no scenario '$scenario': make list shows them"
	need_tools qemu-system-x86_64
	find_kernel "$wanted_kernel"
	kernel=${guest_kernel[name]}
	set_limits

	results=$BUILD/results/$kernel
	log=$results/$scenario.log out=$results/$scenario.out
	run_directory=$ROOT/build/run/$BASE-$kernel-$scenario
	mkdir -p "$results" "$run_directory"
	# One run at a time of the same kernel and scenario.
	exec 9>"$run_directory/lock"
	flock -n 9 || die "$kernel/$scenario is running already (lock $run_directory/lock)"
	rm -f "$log.crash"
	new_run
	make_initramfs
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM

	if [[ $quiet ]]; then
		accelerator=$(find_accelerator "$run_directory" 2>/dev/null)
	else
		accelerator=$(find_accelerator "$run_directory")
	fi
	run_phases outcome
	if [[ $outcome == stopped* ]] || qemu_crashed "$outcome"; then
		echo "   $kernel/$scenario: QEMU crashed or hangs ($outcome, the peer's" \
			"$peer_exit), once more with new disks; the consoles:" \
			"${log#"$ROOT/"}.crash"
		grep '^guest.sh: ' "$log" || true
		mv "$log" "$log.crash"
		new_run
		run_phases outcome
	fi
	judge "$outcome"
}

main "$@"
