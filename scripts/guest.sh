#!/bin/bash
# Usage: scripts/guest.sh [-q] -k KERNEL -s SCENARIO
# Boots KERNEL in QEMU with one scenario (twice if it has a verify phase, with a
# power cut between) and prints its verdict.
#   -k KERNEL    stock (Debian's image; = debian), lean (stock with the lean config),
#                patched, debug, or the path of a build directory (make O=)
#   -s SCENARIO  name of a file in guest/scenarios, without .sh
#   -q           no progress lines, only the verdict
# Exit code: 0 pass, 1 fail, 3 skip, 2 could not be run.
# Results: build/BASE/results/KERNEL/SCENARIO.{log,verdict,out/}
# Environment: BASE, TIME_SCALE (factor on all times; on limits it is 4 if this is from 1 to 4),
#   KEEP=1 (keep the disks), GUEST_ACCEL, GUEST_SMP, GUEST_MEM, GUEST_ARGS, GUEST_CMDLINE
#   (more of QEMU and kernel), GUEST_TIMEOUT (instead of the scenario's TIMEOUT, exactly)
. "$(dirname "$0")/lib.sh"

kernel='' scenario='' quiet=
while getopts hqk:s: o; do
	case $o in
	h) usage 0 ;;
	q) quiet=1 ;;
	k) kernel=$OPTARG ;;
	s) scenario=$OPTARG ;;
	*) usage 2 >&2 ;;
	esac
done
[[ $kernel && $scenario ]] || usage 2 >&2
load_base
file=$(scenario_file "$scenario") || die "no scenario '$scenario': make list shows them"
command -v qemu-system-x86_64 >/dev/null || die "no qemu-system-x86_64: run make setup"

# Where the kernel, its modules and its initramfs are.
want=any scale=1
case $kernel in
debian | stock) kernel=stock want=stock ;;
lean) want=stock ;;
patched) want=patched ;;
debug) want=patched scale=6 ;;
esac
case $kernel in
stock)
	mods=$BUILD/debimg
	image=$(compgen -G "$mods/boot/vmlinuz-*" | head -n 1) || { mods='' image=''; }
	if [[ ! $image ]]; then # no Debian image to be had: stock with the lean config
		dir=$BUILD/stock-lean
		mods=$dir/mods image=$dir/arch/x86/boot/bzImage
	fi
	;;
lean | patched | debug)
	dir=$BUILD/$kernel
	[[ $kernel != lean ]] || dir=$BUILD/stock-lean
	mods=$dir/mods image=$dir/arch/x86/boot/bzImage
	;;
*)
	[[ -d $kernel ]] || die "no kernel '$kernel': use stock, lean, patched, debug or a build directory"
	dir=$(cd "$kernel" && pwd)
	mods=$dir/mods image=$dir/arch/x86/boot/bzImage
	kernel=$(basename "$dir")
	;;
esac
[[ -r $image ]] || die "kernel $kernel is not built ($image): run make test or make demo"
rel=$(find "$mods/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | head -n 1) || true
[[ $rel ]] || die "no modules in $mods/lib/modules: build this kernel again"
scale=${TIME_SCALE:-$scale}
# Limits cost nothing when all works, and machines differ: they are larger than what is slept.
patience=$(awk -v s="$scale" -v t="${GUEST_TIMEOUT:-}" 'BEGIN { print (t || s < 1 || s > 4 ? s : 4) }')

res=$BUILD/results/$kernel
log=$res/$scenario.log out=$res/$scenario.out run=$ROOT/build/run/$BASE-$kernel-$scenario
mkdir -p "$res" "$run"
rm -rf "$out" "$res/$scenario.verdict" "$log".{run,verify,peer}
mkdir -p "$out"
: >"$log"

# One run at a time of the same kernel and scenario.
exec 9>"$run/lock"
flock -n 9 || die "$kernel/$scenario is running already (lock $run/lock)"

initrd=$BUILD/initramfs-$kernel.cpio.gz
(
	flock 8
	if [[ ! -e $initrd || $initrd -ot $image || $initrd -ot $ROOT/guest/init || $initrd -ot $mods/lib/modules/$rel ]]; then
		"$ROOT/scripts/initramfs.sh" "$mods" "$rel" "$initrd"
	fi
) 8>"$ROOT/build/initramfs.lock"

qpid='' peerpid=''
cleanup() {
	[[ ! $qpid ]] || kill -9 "$qpid" 2>/dev/null || true
	[[ ! $peerpid ]] || kill -9 "$peerpid" 2>/dev/null || true
	if [[ ${KEEP:-} ]]; then
		echo "disks kept in $run"
	else
		rm -rf "$run"
	fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# qemu ACCEL LOG CMDLINE...: starts a guest in the background, pid in $qpid.
qemu() {
	local accel=$1 console=$2 cpu=max
	shift 2
	[[ $accel != tcg* ]] || cpu=max,la57=off
	local share=security_model=none,multidevs=remap args mem=${GUEST_MEM:-2048}
	read -ra args <<<"$qemuargs ${GUEST_ARGS:-}"
	args+=(-drive "file=$run/vda,format=raw,if=virtio,cache=unsafe,discard=unmap"
		-drive "file=$run/vdb,format=raw,if=virtio,cache=unsafe,discard=unmap")
	# Between two guests a wire: a socket in $run, whose path may be too long for one.
	local wire="stream,id=wire,addr.type=unix,addr.path=wire" nic="virtio-net-pci,netdev=wire,mac=52:54:00:00:00"
	case $peer$phase in
	1peer) mem=768 args=(-netdev "$wire,server=on" -device "$nic:02") ;;
	1run) args+=(-netdev "$wire,server=off" -device "$nic:01") ;;
	esac
	(cd "$run" && exec qemu-system-x86_64 -accel "$accel" -cpu "$cpu" -smp "${GUEST_SMP:-2}" -m "$mem" \
		-nodefaults -no-user-config -display none -no-reboot -monitor none \
		-serial "file:$console" -device virtio-rng-pci \
		-kernel "$image" -initrd "$initrd" \
		-append "console=ttyS0 panic=-1 loglevel=6 printk.devkmsg=on nokaslr no_timer_check rootfstype=ramfs $cmdline ${GUEST_CMDLINE:-} $*" \
		-virtfs "local,path=/,mount_tag=host,readonly=on,$share" \
		-virtfs "local,path=$ROOT,mount_tag=proj,readonly=on,$share" \
		-virtfs "local,path=$mods/lib/modules/$rel,mount_tag=mods,readonly=on,$share" \
		-virtfs "local,path=$out,mount_tag=out,$share" \
		"${args[@]}" </dev/null >"$run/qemu.txt" 2>&1 9>&-) &
	qpid=$!
}

# user_space LOG: the guest has come there, and the second one if there is one.
user_space() { grep -qs '@@' "$1" && { [[ ! $peerpid ]] || grep -qs '@@' "$log.peer"; }; }

# wait_qemu SECONDS LOG: until QEMU ends, whose exit code is in $qrc, or the limit is
# reached; progress meanwhile. The limit counts from user space on, which is in $alive.
# Before, a guest is given up when its console has been silent for $boot s, as one that
# has lost its timer, or after 4 times as much. A trial boot has the limit for all of it.
wait_qemu() {
	local limit=$1 console=$2 start=$SECONDS grown=$SECONDS size=0 shown=0 seen=0 over n
	alive='' qrc=0
	while kill -0 "$qpid" 2>/dev/null; do
		if [[ ! $alive && $phase != trial ]]; then
			n=$(cat "$console" "$log.peer" 2>/dev/null | wc -c) || true
			((n == size)) || size=$n grown=$SECONDS
			! user_space "$console" || alive=1 start=$SECONDS shown=0
		fi
		over=$((SECONDS - start > limit))
		[[ $alive || $phase == trial ]] ||
			over=$((SECONDS - grown > boot || SECONDS - start > 4 * boot))
		if ((over)); then
			kill -9 "$qpid"
			wait "$qpid" 2>/dev/null || true
			qpid=''
			return 1
		fi
		sleep 0.5
		[[ ! $quiet ]] || continue
		n=$(grep -c '@@INFO' "$console" 2>/dev/null) || n=${n:-0}
		if ((n > seen)); then
			grep -o '@@INFO.*' "$console" | tail -n "+$((seen + 1))" | tr -d '\r' | sed "s|^@@INFO|   $kernel/$scenario:|"
			seen=$n shown=$((SECONDS - start))
		elif ((SECONDS - start - shown >= 10)); then
			shown=$((SECONDS - start))
			echo "   $kernel/$scenario: $phase, $shown s (at most $limit s)"
		fi
	done
	wait "$qpid" 2>/dev/null || qrc=$?
	qpid=''
}

# KVM may exist and never run a guest: use it only after a trial boot has come
# as far as user space. The answer is kept in build/accel.
accel() {
	if [[ ${GUEST_ACCEL:-} ]]; then
		accel=$GUEST_ACCEL
		return
	fi
	exec 8>"$ROOT/build/accel.lock"
	flock 8
	if [[ ! -s $ROOT/build/accel ]]; then
		accel=tcg,thread=multi
		if [[ -r /dev/kvm && -w /dev/kvm ]]; then
			[[ $quiet ]] || echo "   trial boot with KVM (at most 15 s)"
			phase=trial
			local q=$quiet
			quiet=1
			qemu kvm "$run/trial.log" pw.scenario=none
			wait_qemu 15 "$run/trial.log" || true
			quiet=$q
			! grep -qs '@@ALIVE' "$run/trial.log" || accel=kvm
		fi
		echo "$accel" >"$ROOT/build/accel"
	fi
	accel=$(<"$ROOT/build/accel")
	exec 8>&-
}

# peer_start, peer_end: the second guest of a scenario that has one. Its console comes
# first in the log, and has to be as clean as that of the other.
peer_start() {
	local i
	phase=peer
	qemu "$accel" "$log.peer" "$(parameters)"
	peerpid=$qpid qpid=''
	# Once it has printed something, it has long been listening.
	for ((i = 0; i < 300; i++)); do
		[[ ! -s $log.peer ]] || break
		kill -0 "$peerpid" 2>/dev/null || die "QEMU of the peer did not start: $(tail -n 1 "$run/qemu.txt")"
		sleep 0.1
	done
	phase=run
}
peer_end() {
	[[ $peerpid ]] || return 0
	kill -9 "$peerpid" 2>/dev/null || true
	wait "$peerpid" 2>/dev/null || true
	peerpid=''
	cat "$log.peer" >>"$log" 2>/dev/null || true
	rm -f "$log.peer"
}
parameters() { echo "pw.scenario=$scenario pw.phase=$phase pw.timescale=$scale pw.patience=$patience pw.kernel=$want pw.base=$BASE pw.timeout=${GUEST_TIMEOUT:-}"; }

# The scenario's time budget, read without running it.
timeout=${GUEST_TIMEOUT:-$(sed -n 's/^TIMEOUT=\([0-9]*\).*/\1/p' "$file" | head -n 1)}
read -r boot limit < <(awk -v t="${timeout:-180}" -v s="$scale" -v p="$patience" 'BEGIN { print int(90 * s), int(t * p + 90 * s) }')

# What it wants of QEMU, and on the kernel's command line.
qemuargs=$(sed -n 's/^QEMUARGS="\(.*\)"$/\1/p' "$file" | head -n 1)
cmdline=$(sed -n 's/^CMDLINE=\([a-z0-9=.,_-]*\).*/\1/p' "$file" | head -n 1)
peer=$(scenario_field "$scenario" PEER '')

# What the kernel has to complain of, and how often: SPLAT="NUMBER REGEX".
splats=0 expected='^$'
if line=$(grep -m 1 '^SPLAT=' "$file"); then
	[[ $line =~ ^SPLAT=\"([1-9][0-9]*)\ (.+)\"$ ]] || die "$file: $line: want SPLAT=\"NUMBER REGEX\""
	splats=${BASH_REMATCH[1]} expected=${BASH_REMATCH[2]}
fi

finish() { # VERDICT TEXT
	echo "$1 $2" >"$res/$scenario.verdict"
	printf '%-5s %-8s %s%s (%d s)\n' "$1" "$kernel" "$scenario" "${2:+: $2}" "$SECONDS"
	if [[ $1 == fail && ! ${EXPECT_FAIL:-} ]]; then
		echo "   log: ${log#"$ROOT/"}, output of the scenario: ${out#"$ROOT/"}/"
	fi
	case $1 in pass) exit 0 ;; fail) exit 1 ;; skip) exit 3 ;; esac
}

tail_log() { # WHY
	echo "-- $kernel/$scenario: $1; last 60 lines of ${log#"$ROOT/"}:"
	tail -n 60 "$log" | tr -d '\r'
	echo "-- end of ${log#"$ROOT/"}"
}

truncate -s 4G "$run/vda"
truncate -s 1G "$run/vdb"
accel
for phase in run verify; do
	# QEMU under load may lose the timer of a guest that boots (2 of some 500 did): once more.
	for try in 1 2; do
		[[ ! $peer || $phase != run ]] || peer_start
		qemu "$accel" "$log.$phase" "$(parameters)"
		late='' began=$SECONDS
		wait_qemu "$limit" "$log.$phase" || late=1
		peer_end
		[[ $late && ! $alive && $try == 1 ]] || break
		[[ $quiet ]] || echo "   $kernel/$scenario: not booted after $((SECONDS - began)) s: once more"
		[[ $phase != run ]] || : >"$log" # nothing but what the peer had to say
	done
	cat "$log.$phase" >>"$log" 2>/dev/null || true
	rm -f "$log.$phase"
	[[ ! $late ]] || break
	grep -q "@@CUT $scenario" "$log" || break
	[[ $phase == verify ]] || [[ $quiet ]] || echo "   $kernel/$scenario: power cut, booting again"
done

line=$(grep -o "@@VERDICT $scenario .*" "$log" | head -n 1 | tr -d '\r') || true
read -r _ _ verdict text <<<"$line" || true
line=$(grep -o '@@PEER fail .*' "$log" | head -n 1 | tr -d '\r') || true
line=${line#@@PEER fail }
case ${line:+$verdict} in
pass) verdict=fail text="error in the second guest: $line" ;;
fail) text+="; second guest: $line" ;;
esac
complaints='BUG:|kernel BUG at|WARNING: |KASAN:|Oops:|general protection fault|INFO: task .* blocked for|possible (circular|recursive) locking|possible irq lock inversion|inconsistent lock state|suspicious RCU|Bad page state|soft lockup|Kernel panic'
splat=$(grep -E "$complaints" "$log" | grep -m 1 -vE "$expected" | sed 's/^\[ *[0-9.]*\] *//' | tr -d '\r') || true
if [[ $verdict == pass ]] && ((splats > 0)); then
	came=$(grep -cE "$expected" "$log") || came=0
	((came == splats)) || finish fail "the kernel said '$expected' $came times, not $splats"
fi

if [[ ! $verdict ]]; then
	if [[ -s $run/qemu.txt && ! -s $log && ! $late ]]; then
		die "QEMU did not start: $(tail -n 1 "$run/qemu.txt")"
	fi
	why="no verdict: the guest ended early"
	case $qrc in
	0) ;;
	137) why+=", QEMU was killed" ;;
	*) why+=", QEMU with exit code $qrc" ;;
	esac
	[[ ! -s $run/qemu.txt ]] || why+=", QEMU: $(tail -n 1 "$run/qemu.txt")"
	[[ ! $late ]] || why="no verdict within $limit s: hang"
	[[ ! $late || $alive ]] || why="no verdict: not booted within $((SECONDS - began)) s: hang"
	[[ ! $splat ]] || why+=" ($splat)"
	tail_log "$why"
	finish fail "$why"
fi
if [[ $splat && $verdict == pass ]]; then
	tail_log "the kernel complained"
	finish fail "kernel: $splat"
fi
if [[ $text == timed\ out* && ! ${EXPECT_FAIL:-} ]]; then
	tail_log "$text"
fi
finish "$verdict" "$text"
