#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/shell.sh
# A prompt in a guest, with new scratch disks and the helpers of guest/lib. Commands may come from
# a pipe, too: echo 'vmstat nr_foll_pin_acquired' | make shell. The console is also written to
# build/BASE/results/KERNEL/shell.log, and /out of the guest is shell.out beside it.
# Environment: BASE, KERNEL (patched, debug, stock or lean; default patched), SCENARIO (a name:
#   load its functions, with the devices that it needs), KEEP=1 (keep the disks in build/run),
#   GUEST_ACCEL, GUEST_SMP, GUEST_MEM, GUEST_ARGS, GUEST_CMDLINE (for QEMU and the kernel)
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/lib-guest.sh
. "$ROOT/scripts/lib-guest.sh"
parse_args 0 0 "$@"

kernel=${KERNEL:-patched}
scenario=${SCENARIO:-shell}
run_directory='' log='' out=''

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	if [[ -t 0 ]]; then
		stty sane
	fi
	if [[ ${KEEP:-} ]]; then
		echo "disks kept in $run_directory"
	else
		rm -rf "$run_directory"
	fi
}

# check_scenario: before anything takes minutes.
check_scenario() {
	scenario_file "$scenario" >/dev/null ||
		die "'$scenario' is not one scenario: use a name that make list shows"
	[[ ! $(scenario_field "$scenario" PEER) ]] ||
		die "$scenario has a second guest, and make shell starts only one"
}

# feed: prints the commands of a pipe, from the prompt of the guest on: the guest would lose
# earlier ones.
feed() {
	until tail -c 20 "$log" | grep -qs '# $'; do
		if [[ ! -d $run_directory ]]; then
			return
		fi
		sleep 0.5
	done
	cat
	printf '\nexit\n'
}

main() {
	local arguments disks words=() extra=() rows='' columns='' terminal=dumb
	load_base
	if [[ $scenario != shell ]]; then
		check_scenario
	fi
	need_tools qemu-system-x86_64 stty
	build_kernels full "$kernel" </dev/null
	find_kernel "$kernel"
	set_factors

	log=$BUILD/results/$kernel/shell.log out=$BUILD/results/$kernel/shell.out
	run_directory=$ROOT/build/run/$BASE-$kernel-shell
	mkdir -p "$out" "$run_directory"
	exec 9>"$run_directory/lock"
	flock -n 9 || die "a shell of $kernel is running already (lock $run_directory/lock)"
	trap cleanup EXIT
	: >"$log"
	make_initramfs
	new_disks "$run_directory"

	if [[ -t 0 ]]; then
		read -r rows columns < <(stty size)
		terminal=${TERM:-dumb}
	fi
	read -ra words <<<"${GUEST_CMDLINE:-}"
	read -ra extra <<<"${GUEST_ARGS:-}"
	if [[ $scenario != shell ]]; then
		read -ra words <<<"$(scenario_field "$scenario" CMDLINE) ${GUEST_CMDLINE:-}"
		read -ra extra <<<"$(scenario_field "$scenario" QEMUARGS) ${GUEST_ARGS:-}"
	fi
	words+=("pw.scenario=$scenario" pw.phase=shell "pw.base=$BASE" "pw.term=$terminal"
		"pw.rows=$rows" "pw.columns=$columns"
		"pw.durations=$duration_factor" "pw.limits=$limit_factor")
	disk_arguments disks "$run_directory"
	qemu_arguments arguments "$(find_accelerator "$run_directory")" "${GUEST_MEM:-2048}" \
		"$out" "${words[@]}"
	arguments+=("${disks[@]}" "${extra[@]}"
		-chardev "stdio,id=console,mux=on,signal=off,logfile=$log"
		-serial chardev:console -mon chardev=console)
	note "booting $kernel in a guest"
	if [[ -t 0 ]]; then
		qemu-system-x86_64 "${arguments[@]}" 9>&-
	else
		qemu-system-x86_64 "${arguments[@]}" < <(feed <&3) 9>&- 3<&-
	fi 3<&0
}

main
