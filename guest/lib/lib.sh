# shellcheck shell=bash
# What every scenario can use. Helpers for devices are in dev.sh.

TIME_SCALE=${TIME_SCALE:-1}     # 1 on a plain kernel, more on a slow (debug) one
PATIENCE=${PATIENCE:-$TIME_SCALE} # the same for limits, which cost nothing when all works
PHASE=${PHASE:-run}             # run, or verify after a power cut
SCENARIO=${SCENARIO:-none}
VERDICT_FILE=/run/verdict

# say LINE: one line on the console, in order with the kernel's own messages
# (printk writes it out before it returns, so a power cut does not lose it).
say() {
	local line="$*"
	printf '<5>%s\n' "${line:0:900}" >/dev/kmsg
}

info() { say "@@INFO $*"; }

# fail WHY, skip WHY: end the scenario. The first reason given is the one reported.
fail() { [[ -s $VERDICT_FILE ]] || printf 'fail %s\n' "$*" >"$VERDICT_FILE"; exit 1; }
skip() { [[ -s $VERDICT_FILE ]] || printf 'skip %s\n' "$*" >"$VERDICT_FILE"; exit 1; }

# need_cmd COMMAND...: for requires(); skips and names what is missing.
need_cmd() {
	local c missing=()
	for c; do command -v "$c" >/dev/null || missing+=("$c"); done
	((${#missing[@]} == 0)) || skip "missing command: ${missing[*]}"
}

# need_mod MODULE...: the kernel has it, built in or as a module (not loaded here).
need_mod() {
	local m missing=()
	for m; do modprobe -n -q "$m" 2>/dev/null || missing+=("$m"); done
	((${#missing[@]} == 0)) || skip "missing in this kernel: ${missing[*]}"
}

# need_file PATH...: files of the guest, for example below /sys.
need_file() {
	local f missing=()
	for f; do [[ -e $f ]] || missing+=("$f"); done
	((${#missing[@]} == 0)) || skip "missing: ${missing[*]}"
}

# need_fs TYPE...: file systems this kernel can mount.
need_fs() {
	local f missing=()
	for f; do
		modprobe -q "$f" 2>/dev/null || true
		grep -qw "$f" /proc/filesystems || missing+=("$f")
	done
	((${#missing[@]} == 0)) || skip "missing file system: ${missing[*]}"
}

# save KEY VALUE, load KEY: survive the power cut between run() and verify().
save() { mkdir -p /out/state && printf '%s\n' "$2" >"/out/state/$1"; }
load() { cat "/out/state/$1"; }

# vmstat NAME: a counter of /proc/vmstat, empty if this kernel has none of that name.
vmstat() { awk -v n="$1" '$1 == n { print $2 }' /proc/vmstat; }

# is_patched: the series is in this kernel.
is_patched() { grep -q '^writeback_bounced ' /proc/vmstat; }

# bounced: pages bounced since boot (0 on a stock kernel).
bounced() { local n; n=$(vmstat writeback_bounced); echo "${n:-0}"; }

# pins_outstanding: pages pinned now (0 on a kernel that knows of no pins).
pins_outstanding() {
	local acquired released
	acquired=$(vmstat nr_foll_pin_acquired)
	released=$(vmstat nr_foll_pin_released)
	echo $((${acquired:-0} - ${released:-0}))
}

# pins_balanced [SECONDS]: waits until every page pinned has been unpinned.
# The per-CPU counters may be folded a second or two late.
pins_balanced() {
	local i
	for ((i = 0; i < ${1:-10} * 5; i++)); do
		[[ $(pins_outstanding) == 0 ]] && return 0
		sleep 0.2
	done
	return 1
}

# scaled N, patient N: N seconds on a plain kernel, more on a slow one: of something to do,
# as a limit.
scaled() { awk -v a="$1" -v b="$TIME_SCALE" 'BEGIN { print a * b }'; }
patient() { awk -v a="$1" -v b="$PATIENCE" 'BEGIN { print int(a * b + 1) }'; }

# etc_names NAME...: names of this machine, for daemons; nothing is looked up elsewhere.
etc_names() {
	printf '127.0.0.1 %s\n' "$*" >/etc/hosts
	printf 'hosts: files\npasswd: files\ngroup: files\n' >/etc/nsswitch.conf
}

# wait_for SECONDS COMMAND...: polls until the command succeeds; 20 times at least.
wait_for() {
	local n end
	end=$((SECONDS + $(patient "$1")))
	shift
	for ((n = 0; n < 20 || SECONDS < end; n++)); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}
