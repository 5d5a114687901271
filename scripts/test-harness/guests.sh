# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154,SC2016
# Rows about guests, their results, and how far a build is.

guest_ends() {
	local out code=0
	out=$(GUEST_CMDLINE="pw.scenario=none" "$ROOT/scripts/guest.sh" -q -k patched -s boot) ||
		code=$?
	((code == 1)) || fail "exit code $code"
	[[ $out == *"last 60 lines of build/$BASE/results/patched/boot.log"* &&
		$out == *'ended early'* ]] || fail "$out"
}

guest_hangs() {
	local out code=0
	out=$(DURATION_FACTOR=0.01 "$ROOT/scripts/guest.sh" -q -k patched -s boot) || code=$?
	((code == 1)) || fail "exit code $code"
	[[ $out == *"last 60 lines of build/$BASE/results/patched/boot.log"* &&
		$out == *'hang'* ]] || fail "$out"
}

# fake_kernel: a build directory of a kernel, $tmp/kernel, that the fake QEMU of a row "boots".
fake_kernel() {
	mkdir -p "$tmp/kernel/arch/x86/boot" "$tmp/kernel/mods/lib/modules/6.1" "$project/build/6.1"
	: >"$tmp/kernel/arch/x86/boot/bzImage"
	: >"$project/build/6.1/initramfs-kernel.cpio.gz"
}

# run_guest_faked: the scenario boot on the fake kernel; exit code and output of guest.sh.
run_guest_faked() {
	BASE=6.1 faked "$project/scripts/guest.sh" -k "$tmp/kernel" -s boot 2>&1 </dev/null
}

# A QEMU that crashes is started once more; the second crash is a failure, and a guest that
# has told its verdict is not started again.
qemu_crash() {
	local out code=0 console
	new_project
	fake_kernel
	export GUEST_ACCEL=tcg
	console='for w; do case $w in file:*vd?*) ;; file:*) c=${w#file:} ;; esac; done'
	fake qemu-system-x86_64 "$console" "echo x >>'$tmp/called'" \
		"[ \"\$(wc -l <'$tmp/called')\" = 1 ] && kill -SEGV \$\$" \
		'echo "@@VERDICT boot pass" >"$c"'
	out=$(run_guest_faked) || code=$?
	((code == 0)) || fail "exit code $code: $out"
	[[ $out == *'QEMU crashed or hangs (exit 139, the peer'* ]] || fail "$out"
	(($(wc -l <"$tmp/called") == 2)) || fail "started $(wc -l <"$tmp/called") times"

	: >"$tmp/called"
	fake qemu-system-x86_64 "echo x >>'$tmp/called'" 'kill -SEGV $$'
	out=$(run_guest_faked) && fail "a QEMU that always crashes passes: $out"
	[[ $out == *'QEMU with exit code 139'* ]] || fail "$out"
	(($(wc -l <"$tmp/called") == 2)) || fail "started $(wc -l <"$tmp/called") times"

	: >"$tmp/called"
	fake qemu-system-x86_64 "$console" "echo x >>'$tmp/called'" \
		'echo "@@VERDICT boot fail by itself" >"$c"' 'kill -SEGV $$'
	out=$(run_guest_faked) && fail "a failure is lost: $out"
	[[ $out == *'by itself'* ]] || fail "$out"
	(($(wc -l <"$tmp/called") == 1)) || fail "started $(wc -l <"$tmp/called") times"
}

# A guest over its limit is started once more if QEMU does not answer or all its CPUs are halted;
# not if a CPU runs, nor if the guest has listed its blocked tasks.
qemu_hang() {
	local out console answer
	new_project
	fake_kernel
	export GUEST_ACCEL=tcg DURATION_FACTOR=0.04 LIMIT_FACTOR=1 GUEST_TIMEOUT=1
	console='for w; do case $w in file:*vd?*) ;; file:*) c=${w#file:} ;; esac; done'
	answer='while read -r line; do case $line in print*) echo 31337 ;;
		*) echo "RIP=00000000000000ab RFL=00000246 HLT=$1" ;;
		esac; done <>monitor-run.in >>monitor-run.out'
	fake_hang() { # LINES FIRST: what QEMU prints, what it does the first time
		: >"$tmp/called"
		fake qemu-system-x86_64 "$console" "echo x >>'$tmp/called'" \
			"answer() { $answer; }" \
			"if [ \"\$(wc -l <'$tmp/called')\" = 1 ]; then" \
			"echo '$1' >\"\$c\"; $2; fi" \
			'echo "@@VERDICT boot pass" >"$c"'
	}
	expect_starts() { # NUMBER
		(($(wc -l <"$tmp/called") == $1)) ||
			fail "started $(wc -l <"$tmp/called") times: $out"
	}

	mkfifo "$project/nothing"
	fake_hang '@@INFO' "read -r line <>'$project/nothing'"
	out=$(run_guest_faked) || fail "QEMU does not answer: $out"
	[[ $out == *'QEMU does not answer its monitor'* ]] || fail "$out"
	expect_starts 2

	fake_hang '@@INFO' 'answer 1'
	out=$(run_guest_faked) || fail "all CPUs are halted: $out"
	[[ $out == *'CPUs in 20 looks: 20 times halted 00000000000000ab'* ]] || fail "$out"
	expect_starts 2

	fake_hang '@@INFO' 'answer 0'
	out=$(run_guest_faked) && fail "a CPU runs: $out"
	[[ $out == *'CPUs in 20 looks: 20 times runs 00000000000000ab'* ]] || fail "$out"
	expect_starts 1

	fake_hang '@@INFO, sysrq: Show Blocked State' 'answer 1'
	out=$(run_guest_faked) && fail "the kernel hangs: $out"
	[[ $out == *'no verdict within 4 s: hang'* ]] || fail "$out"
	expect_starts 1
}

# QEMU is aborted in the trial boot with KVM, and in each guest after it. That gives a verdict,
# and not a word from bash.
kvm_trial() {
	local out code=0 library=$project/scripts/lib-guest.sh
	new_project
	: >"$tmp/kvm"
	sed -i "s,/dev/kvm,$tmp/kvm,g" "$library"
	grep -q "$tmp/kvm" "$library" || fail "lib-guest.sh does not look at /dev/kvm"
	fake_kernel
	# With core files, timeout says more of a program that was aborted.
	cd "$tmp" || exit
	ulimit -c unlimited 2>/dev/null || true
	fake qemu-system-x86_64 "echo \"\$*\" >>'$tmp/called'" 'kill -ABRT $$'
	unset GUEST_ACCEL
	out=$(run_guest_faked) || code=$?
	grep -q -- '-accel kvm' "$tmp/called" || fail "no trial boot: $out"
	grep -q -- '-accel tcg' "$tmp/called" || fail "no guest after the trial: $out"
	if grep -E 'Abort|Killed|core dumped|line [0-9]+:' <<<"$out"; then
		fail "bash speaks: $(grep -E 'Abort|Killed|core dumped|line [0-9]+:' <<<"$out")"
	fi
	((code == 1)) || fail "exit code $code: $out"
	[[ $out == *'the guest ended early'* ]] || fail "$out"
}

# The table of make demo has at most 100 columns, and nothing is lost in it.
demo_table() {
	local text word
	text="fail: $(printf 'word%s ' {1..40})$(printf 'x%.0s' {1..150})"
	printf 'scenario\tstock\tpatched\nf1-btrfs-powercut\t%s\tpass: %s\n' "$text" "$text" |
		wrapped_table >"$tmp/table"
	(($(wc -L <"$tmp/table") <= 100)) || fail "$(wc -L <"$tmp/table") columns"
	for word in {1..40}; do
		(($(grep -ow "word$word" "$tmp/table" | wc -l) == 2)) || fail "word$word is lost"
	done
	(($(tr -cd x <"$tmp/table" | wc -c) == 300)) || fail "a long word is cut"
}

verdicts() {
	local BUILD=$tmp/verdicts
	mkdir -p "$BUILD/results/patched"
	expect() { # LINE SCENARIO
		[[ $(verdict_of patched "$2") == "$1" ]] || fail "$2: $(verdict_of patched "$2")"
	}
	write() { echo "$2" >"$BUILD/results/patched/$1.verdict"; }
	write a 'pass '
	write b 'fail 3 of 4 pages are torn'
	write c 'fail timed out after 9 s'
	write d 'fail no verdict: hang'
	write e ''
	expect 'pass ' a
	expect 'fail 3 of 4 pages are torn' b
	expect 'error timed out after 9 s' c
	expect 'error no verdict: hang' d
	expect 'error ' e
	expect 'error not run' f
}

# A scenario that says nothing of the kernel is run once more; a failure of the kernel is not, nor
# one with a complaint in its log.
second_run() {
	local results
	new_project
	results=$project/build/6.1/results
	mkdir -p "$results/patched"
	cat >"$project/scripts/guest.sh" <<-'END'
		#!/bin/bash
		mapfile -t lines <"$RUNS"
		echo "${lines[0]#*|}" >"$RESULTS/patched/boot.log"
		echo "${lines[0]%%|*}" >"$RESULTS/patched/boot.verdict"
		printf '%s\n' "${lines[@]:1}" >"$RUNS"
	END
	expect_runs() { # SUMMARY LEFT RUN...: a run is VERDICT|LOG, and LEFT of them are not done
		local wanted=$1 left=$2
		shift 2
		printf '%s\n' "$@" >"$tmp/runs"
		: >"$tmp/summary"
		BASE=6.1 RUNS=$tmp/runs RESULTS=$results TEST_SUMMARY=$tmp/summary \
			faked "$project/scripts/test.sh" --one patched boot
		[[ $(<"$tmp/summary") == "$wanted" ]] || fail "$*: $(<"$tmp/summary")"
		(($(grep -c . "$tmp/runs") == left)) || fail "$*: not $left left: $(<"$tmp/runs")"
	}
	expect_runs 'pass patched/boot' 1 'pass|' 'fail|'
	expect_runs 'pass patched/boot:  [the first run: error: x]' 1 \
		'fail error: x|' 'pass|' 'fail|'
	expect_runs 'pass patched/boot:  [the first run: timed out]' 0 'fail timed out|' 'pass|'
	expect_runs 'fail patched/boot: error: y (expected: pass) [the first run: error: x]' 1 \
		'fail error: x|' 'fail error: y|' 'pass|'
	expect_runs 'fail patched/boot: 3 pages lost (expected: pass)' 1 \
		'fail 3 pages lost|' 'pass|'
	expect_runs 'fail patched/boot: no verdict: hang (expected: pass)' 1 \
		'fail no verdict: hang|' 'pass|'
	expect_runs 'fail patched/boot: timed out (expected: pass)' 1 \
		'fail timed out|INFO: task pinrace:1 blocked for more than 241 seconds.' 'pass|'
}

build_progress() {
	local out
	out=$(printf '%s\n' 'CC a.o' 'GEN x' 'AR b.a' 'LD c.o' | progress 0 'kernel x' 5 7)
	[[ $out == *'kernel x: 6 of about 7 files, 0 s'*'kernel x: 8 of about 8 files, 0 s' ]] ||
		fail "$out"
}

guests_rows() {
	check guest-ends guest_ends
	check guest-hangs guest_hangs
	check qemu-crash qemu_crash
	check qemu-hang qemu_hang
	check kvm-trial kvm_trial
	check second-run second_run
	check demo-table demo_table
	check verdicts verdicts
	check build-progress build_progress
}
