# shellcheck shell=bash disable=SC2034
# Not part of make test: make soak runs it, for half an hour (pw.soak=SECONDS,
# pw.faults=SECONDS, pw.seed=N, pw.fs=ext4,xfs on the kernel's command line). With pw.only=kernel a
# stock kernel does not fail for what it is known to do to data: for the question whether a
# complaint of the kernel, or of fsck, is one of the series. pw.only=paths: of what comes without
# memory only what makes each allocation fail once.
#
# Three file systems, on devices that notice when data changes under way: btrfs; ext4 on
# dm-integrity; XFS on a disk with protection information. On each of them soakfs
# (guest/src/soakfs.c) writes files whose every word can be judged, in all ways in which
# devices and the kernel write to mapped files, while they are synced, truncated,
# punched, moved, forked; stress-ng works beside it in a small memory cgroup; memory is
# reclaimed, options are changed by remount. After some time either all is unmounted, or
# the power is cut for the disks (dm-flakey drops writes from one moment on), and
# each page is looked at. At the end: scrub, fsck, all blocks can be read, no pin is
# left. Then the same with allocations that fail.
DESC="half an hour of everything at once on ext4, XFS and btrfs; then without memory"
TIMEOUT=600
STOCK=fail
QEMUARGS="-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0"
RDMA=rxe

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

read -ra FSES <<<"$(param fs | tr , ' ')"
((${#FSES[@]})) || FSES=(ext4 xfs btrfs)
COMPLAINTS='BUG:|kernel BUG at|WARNING: |KASAN:|Oops:|general protection fault|blocked for more than|possible (circular|recursive) locking|inconsistent lock state|suspicious RCU|Bad page state|soft lockup'

requires() {
	need_cmd dmsetup soakfs stress-ng mkfs.ext4 mkfs.xfs mkfs.btrfs
	need_mod dm-delay dm-flakey dm-integrity scsi_debug
	requires_fs "${FSES[@]}"
}

# ---- the machine -----------------------------------------------------------

soak_param() { local n; n=$(param "$1"); echo "${n:-$2}"; }

soak_devices() {
	modprobe -a dm-delay dm-flakey
	# Reads that last: 25 ms. FILES MiB for each file system.
	dm_new source "0 $((64 * 2048)) delay /dev/vdb 0 25 /dev/vdb 0 0"
	checker_new 128
	dmsetup suspend --noflush --nolockfs slow
	dmsetup reload slow --table "0 $((128 * 2048)) delay /dev/vda 0 0 /dev/vda 0 20"
	dmsetup resume slow
	# Two commands at a time, 4 ms each: the others wait with their guard tags made.
	dif_new 320 delay=1 max_queue=2
	dm_new delayed "0 $((512 * 2048)) delay /dev/vda $((256 * 2048)) 0 /dev/vda $((256 * 2048)) 20"
	declare -gA BELOW=([ext4]=$CHECKER [xfs]=$DIF [btrfs]=/dev/mapper/delayed)
	local fs
	for fs in "${FSES[@]}"; do
		dm_new "cut-$fs" "$(soak_table "$fs" linear)"
		want_stable "/dev/mapper/cut-$fs"
		fs_new "$fs" "/dev/mapper/cut-$fs" "/mnt/$fs"
		soakfs "/run/log-$fs" new "$seed"
		soakfs "/run/log-$fs" check "/mnt/$fs" || fail "new files: soakfs"
		umount "/mnt/$fs"
	done
	echo 500 >/proc/sys/vm/dirty_writeback_centisecs
	echo 1000 >/proc/sys/vm/dirty_expire_centisecs
}

# soak_table FS linear|flakey: flakey takes writes and forgets them.
soak_table() {
	local size
	size=$(blockdev --getsz "${BELOW[$1]}")
	case $2 in
	linear) echo "0 $size linear ${BELOW[$1]} 0" ;;
	flakey) echo "0 $size flakey ${BELOW[$1]} 0 0 1800 1 drop_writes" ;;
	esac
}

# soak_switch FS linear|flakey: what is under way ends, what comes after meets the other.
soak_switch() {
	dmsetup suspend --nolockfs "cut-$1"
	dmsetup reload "cut-$1" --table "$(soak_table "$1" "$2")"
	dmsetup resume "cut-$1"
}

soak_cgroups() {
	mkdir -p /run/cg
	mount -t cgroup2 none /run/cg
	echo +memory >/run/cg/cgroup.subtree_control
	mkdir /run/cg/{soak,load}
	echo "$((64 << 20))" >/run/cg/load/memory.max
}

# soak_complaint: the first thing that the kernel complains of.
soak_complaint() { dmesg | grep -m 1 -E "$COMPLAINTS" || true; }

# soak_look: fails as soon as the kernel complains or a page is wrong.
soak_look() {
	local line fs
	line=$(soak_complaint)
	[[ ! $line ]] || fail "seed $seed: kernel: $line"
	[[ $only != kernel ]] || return 0
	for fs in "${FSES[@]}"; do
		line=$(grep -m 1 -v '^no io_uring' "/run/soak-$fs" 2>/dev/null) || true
		[[ ! $line ]] || fail "seed $seed: $line"
	done
}

# soak_progress: one line, at least each 30 s.
soak_progress() {
	local fs sum=0 line
	((SECONDS - shown >= 25)) || return 0
	shown=$SECONDS
	line="$1, $SECONDS s, round $round:"
	for fs in "${FSES[@]}"; do
		line+=" $fs $(soakfs "/run/log-$fs" stats | sed 's/ steps, /+/; s/ syncs.*//')"
	done
	info "$line (steps+syncs); pins $(vmstat nr_foll_pin_acquired)-$(vmstat nr_foll_pin_released), bounced $(bounced)"
}

# ---- load ------------------------------------------------------------------

STRESSORS=(aio aiol copy-file dentry fallocate fiemap fork hdd io-uring iomix mmap mremap msync
	readahead rename seek splice sync-file vm vm-rw vm-splice madvise mlock pipe)

# Some stressors of stress-ng, for the files of one file system, in the small cgroup.
soak_stress() {
	local s chosen=' ' opts=() fs=$1
	while ((${#chosen} < 25)); do
		s=${STRESSORS[RANDOM % ${#STRESSORS[@]}]}
		[[ $chosen != *" $s "* ]] || continue
		chosen+="$s "
		opts+=("--$s" 1)
		case $s in
		mmap) opts+=(--mmap-file --mmap-bytes 8m) ;;
		vm) opts+=(--vm-bytes 24m) ;;
		hdd | fallocate | iomix | copy-file | readahead | sync-file) opts+=("--$s-bytes" 4m) ;;
		seek) opts+=(--seek-size 4m) ;;
		esac
	done
	mkdir -p "/mnt/$fs/load"
	(
		echo "$BASHPID" >/run/cg/load/cgroup.procs
		exec stress-ng --temp-path "/mnt/$fs/load" --timeout 3600 --oomable --no-rand-seed \
			--quiet "${opts[@]}" >"/run/stress-$fs" 2>&1
	) &
	loads+=($!)
	echo "${opts[*]}" >>/out/stress.txt
}

soak_end_load() {
	local p i
	((${#loads[@]})) || return 0
	# all of the cgroup, as stress-ng has children
	for ((i = 0; i < 100; i++)); do
		echo 1 >/run/cg/load/cgroup.kill 2>/dev/null || true
		[[ -s /run/cg/load/cgroup.procs ]] || grep -q . /run/cg/load/cgroup.procs || break
		sleep 0.2
	done
	for p in "${loads[@]}"; do wait "$p" 2>/dev/null || true; done
	loads=()
}

# RDMA_WRITE into a mapped file, if this kernel has it. Not 256k: rxe reads behind the
# list of a region whose number of pages is a multiple of 256, as the writer's would be.
soak_rdma() {
	[[ $rdma ]] || return 0
	local fs=${FSES[RANDOM % ${#FSES[@]}]}
	rm -f "/mnt/$fs/rdma"
	fillpat -l 252k "/mnt/$fs/rdma"
	sync "/mnt/$fs/rdma"
	rdmasync -a $RDMA_OWNER -l 252k -t 3600 "/mnt/$fs/rdma" >/run/rdma 2>&1 &
	rdmas+=($!)
	rdmasync -a $RDMA_OWNER -l 252k -p -t 3600 >/run/peer 2>&1 &
	rdmas+=($!)
}
soak_end_rdma() {
	((${#rdmas[@]})) || return 0
	# the peer ends when it is cut off
	kill -9 "${rdmas[0]}" 2>/dev/null || [[ $only == kernel ]] ||
		fail "seed $seed: rdmasync: $(tail -n 1 /run/rdma)"
	kill -9 "${rdmas[1]}" 2>/dev/null || true
	wait "${rdmas[@]}" 2>/dev/null || true
	info "RDMA: $(tail -qn 1 /run/rdma /run/peer | paste -sd ,)"
	rdmas=()
}

# What happens to the machine now and then; in the background, as some of it waits
# for all that is under way.
soak_nuisances() {
	while [[ ! -e /run/quiet ]]; do
		soak_nuisance
		sleep "$((RANDOM % 3)).$((RANDOM % 10))"
	done
}
soak_nuisance() {
	case $((RANDOM % 10)) in
	0) echo 1 >/proc/sys/vm/drop_caches ;;
	1) echo 3 >/proc/sys/vm/drop_caches ;;
	2) echo 1 >/proc/sys/vm/compact_memory ;;
	3 | 4 | 5) soak_remount "${FSES[RANDOM % ${#FSES[@]}]}" ;;
	6) sync ;;
	*) echo "$((RANDOM % 16 + 1))M" >/run/cg/soak/memory.reclaim 2>/dev/null ;;
	esac || true
}

# With other options, or a read-only one that is refused as files are open.
soak_remount() {
	case $1 in
	ext4) mount -o "remount,commit=$((RANDOM % 9 + 1))" /mnt/ext4 ;;
	btrfs) mount -o "remount,compress=$(soak_one_of zstd lzo zlib no)" /mnt/btrfs ;;
	xfs) mount -o remount,ro /mnt/xfs 2>/dev/null && mount -o remount,rw /mnt/xfs ;;
	esac
}
soak_one_of() { shift $((RANDOM % $#)); echo "$1"; }

# ---- rounds ----------------------------------------------------------------

# soak_start [FS]...: soakfs on all of them; on those named with faults.
soak_start() {
	local fs opt off=0
	for fs in "${FSES[@]}"; do
		opt=()
		[[ " $* " != *" $fs "* ]] || opt=(-e)
		(
			echo "$BASHPID" >/run/cg/soak/cgroup.procs
			# Who has rseq gets a SIGSEGV when there is no memory to copy the page that
			# the kernel notes the CPU in, after a fork().
			[[ ! ${opt[*]:-} ]] || export GLIBC_TUNABLES=glibc.pthread.rseq=0
			exec soakfs "/run/log-$fs" run ${opt[@]+"${opt[@]}"} "/mnt/$fs" "$SOURCE" ${off}m >"/run/soak-$fs" 2>&1
		) &
		soaks[$fs]=$!
		off=$((off + 4))
	done
}

soak_running() { # any of them
	local fs
	for fs in "${FSES[@]}"; do [[ ! -d /proc/${soaks[$fs]} ]] || return 0; done
	return 1
}
soak_stopped() { ! soak_running; }

soak_alive() {
	local fs rc=0
	for fs in "${FSES[@]}"; do
		[[ ! -d /proc/${soaks[$fs]} ]] || continue
		wait "${soaks[$fs]}" || rc=$?
		fail "seed $seed: soakfs of $fs ended, exit code $rc: $(tail -n 1 "/run/soak-$fs")"
	done
}

# soak_steps SUM: the steps of all, to see that none stands still.
soak_counted() { soakfs "/run/log-$1" stats | sed 's/ .*//'; }

# soak_for SECONDS NAME: soakfs and load run; nuisances; hangs are seen.
soak_for() {
	local end=$((SECONDS + $1)) fs n # sets nuisance
	declare -A last moved
	for fs in "${FSES[@]}"; do last[$fs]=-1 moved[$fs]=$SECONDS; done
	rm -f /run/quiet
	soak_nuisances >/dev/null 2>&1 &
	nuisance=$!
	while ((SECONDS < end)); do
		sleep 1
		soak_look
		soak_alive
		soak_progress "$2"
		for fs in "${FSES[@]}"; do
			n=$(soak_counted "$fs")
			if [[ $n != "${last[$fs]}" ]]; then
				last[$fs]=$n moved[$fs]=$SECONDS
			elif ((SECONDS - moved[$fs] > $(duration 60))); then
				echo w >/proc/sysrq-trigger
				fail "seed $seed: $fs stands still after $n steps"
			fi
		done
	done
	touch /run/quiet
}

# A nuisance that does not end is a hang, too.
soak_quiet() {
	wait_for 60 soak_no_nuisance || { echo w >/proc/sysrq-trigger; fail "seed $seed: sync, reclaim or remount hangs"; }
}
soak_no_nuisance() { [[ ! -d /proc/$nuisance ]]; }

soak_umount() {
	local fs
	for fs in "${FSES[@]}"; do
		wait_for 30 umount_quiet "/mnt/$fs" || fail "seed $seed: $fs cannot be unmounted"
	done
}
umount_quiet() { umount "$1" 2>/dev/null; }

# soak_check [-c]: after a mount, every page.
soak_check() {
	local fs line
	echo 3 >/proc/sys/vm/drop_caches
	for fs in "${FSES[@]}"; do
		soakfs "/run/log-$fs" check "$@" "/mnt/$fs" >/run/check 2>&1 || [[ $only == kernel ]] ||
			fail "seed $seed, round $round: $(tail -n 1 /run/check); first: $(head -n 1 /run/check)"
		echo "round $round $*: $(tail -n 1 /run/check)"
		if [[ -e /mnt/$fs/rdma && $only != kernel ]]; then
			expect_pages "round $round: RDMA on $fs" "$(pagecheck "/mnt/$fs/rdma")" old new torn
		fi
	done
}

soak_mount() {
	local fs
	for fs in "${FSES[@]}"; do
		mount -t "$fs" "/dev/mapper/cut-$fs" "/mnt/$fs" || fail "seed $seed, round $round: $fs cannot be mounted"
	done
}

# One round: work, end by an unmount or by a power cut, mount, check.
soak_round() { # SECONDS
	local fs cut=''
	((RANDOM % 3)) && cut=1
	((round++)) || true
	soak_mount
	soak_start ''
	soak_stress "${FSES[RANDOM % ${#FSES[@]}]}"
	soak_stress "${FSES[RANDOM % ${#FSES[@]}]}"
	soak_rdma
	soak_for "$1" soak
	if [[ $cut ]]; then
		for fs in "${FSES[@]}"; do soakfs "/run/log-$fs" cut >/dev/null || true; done
		for fs in "${FSES[@]}"; do soak_switch "$fs" flakey; done
	else
		for fs in "${FSES[@]}"; do soakfs "/run/log-$fs" stop >/dev/null || true; done
	fi
	soak_end_rdma
	soak_end_load
	soak_quiet
	wait_for 60 soak_stopped || { echo w >/proc/sysrq-trigger; fail "seed $seed: soakfs does not end"; }
	soak_look
	pins_balanced "$(whole_duration 10)" || fail "seed $seed: $(pins_outstanding) pins left at rest"
	soak_umount
	[[ ! $cut ]] || for fs in "${FSES[@]}"; do soak_switch "$fs" linear; done
	soak_mount
	soak_check ${cut:+-c}
	soak_umount
	soak_look
}

# The file systems and what is below them are in order.
soak_fsck() {
	local fs
	soak_mount
	soak_check
	if mountpoint -q /mnt/btrfs; then
		btrfs scrub start -B -R /mnt/btrfs >/run/scrub 2>&1 || [[ $only == kernel ]] ||
			fail "seed $seed: scrub: $(grep -i error /run/scrub | tr '\n' ' ')"
		cat /run/scrub
	fi
	soak_umount
	for fs in "${FSES[@]}"; do
		case $fs in
		ext4) e2fsck -fn /dev/mapper/cut-ext4 ;;
		xfs) xfs_repair -n /dev/mapper/cut-xfs ;;
		btrfs) btrfs check /dev/mapper/cut-btrfs ;;
		esac >/run/fsck 2>&1 || fail "seed $seed: fsck of $fs: $({ grep -m 3 -iE 'error|mismatch|bad |wrong' /run/fsck || tail -n 3 /run/fsck; } | tr '\n' ' ')"
		dd if="/dev/mapper/cut-$fs" of=/dev/null bs=1M iflag=direct status=none ||
			fail "seed $seed: a block below $fs cannot be read"
	done
}

# ---- without memory --------------------------------------------------------

# fault_setup PERCENT: allocations that may wait fail, too; so often for tasks that
# asked for it (make-it-fail). 0: only what asks for one failure (fail-nth).
fault_setup() {
	local d
	for d in $FAULTS; do
		echo "$1" >"$d/probability"
		echo Y >"$d/task-filter"
		echo N >"$d/ignore-gfp-wait"
		echo 0 >"$d/verbose"
		echo 1000000000 >"$d/times"	# some 6.1 take no -1
		echo 1 >"$d/interval"
		[[ ! -e $d/min-order ]] || echo 0 >"$d/min-order"
		[[ ! -e $d/ignore-gfp-highmem ]] || echo N >"$d/ignore-gfp-highmem"
	done
}

# One after the other: each allocation of each way to take user pages fails once.
fault_paths() {
	local fs files=() line
	modprobe -a -q algif_hash algif_skcipher vfat sg || true
	fault_setup 0
	mkdir -p /mnt/{scratch,direct}
	# What is tried is the buffer and the file; btrfs has BUG_ON() for want of memory.
	dm_linear scratch /dev/vdb 128 128
	fs_new ext4 /dev/mapper/scratch /mnt/scratch
	for fs in xfs ext4 vfat; do
		if [[ $fs == vfat ]] && { ! command -v mkfs.vfat >/dev/null || ! grep -qw vfat /proc/filesystems; }; then
			info "no vfat: fs/direct-io.c is not tried"
			continue
		fi
		[[ -e /dev/mapper/try-$fs ]] || dm_linear "try-$fs" /dev/vda $((1024 + ${#files[@]} * 320)) 320
		fs_new "$fs" "/dev/mapper/try-$fs" "/mnt/try-$fs"
		dd if=/dev/urandom of="/mnt/try-$fs/file" bs=1M count=4 status=none conv=fsync
		files+=("/mnt/try-$fs/file")
	done
	dd if=/dev/urandom of=/out/file bs=1M count=4 status=none
	info "each allocation fails once: ${files[*]}, /out/file, $DIF"
	failpaths /mnt/scratch/mapped "${files[@]}" /out/file "$DIF" >/out/failpaths.txt 2>&1 &
	soaks[paths]=$!
	while [[ -d /proc/${soaks[paths]} ]]; do
		sleep 2
		line=$(soak_complaint)
		[[ ! $line ]] || fail "failpaths: $(tail -n 1 /out/failpaths.txt): kernel: $line"
		if ((SECONDS - shown >= 25)); then
			shown=$SECONDS
			info "failpaths: $(tail -n 1 /out/failpaths.txt)"
		fi
	done
	wait "${soaks[paths]}" || fail "failpaths: $(grep -v -E '^(ok|skip|note)' /out/failpaths.txt | head -n 1)"
	rm -f /out/file
	info "$(grep -c '^ok' /out/failpaths.txt) paths, $(awk '$1 == "ok" { for (i = 1; i < NF; i++) if ($i == "allocations") n += $(i - 1) } END { print n }' /out/failpaths.txt) failures, $(grep -c '^skip' /out/failpaths.txt) paths are not in this kernel"
	grep '^skip' /out/failpaths.txt || true
	umount /mnt/scratch /mnt/try-*
}

# At random: soakfs says when, on ext4 and XFS; and everywhere one of three copies
# for writeback finds no memory but the reserve.
fault_random() { # SECONDS
	local fs with=() n d
	# The block layer has no reserve for guard tags: without memory for them a write is
	# an I/O error, to the page cache, too. So none are made from now on, nor looked at.
	for d in "$(readlink -f /dev/mapper/cut-xfs)" "$DIF"; do
		d=/sys/block/${d##*/}/integrity
		[[ ! -d $d ]] || echo 0 | tee "$d/write_generate" >"$d/read_verify"
	done
	soak_mount
	fault_setup 4
	if grep -qs bounce_page_alloc "$INJECT/injectable"; then no_bounce_memory 30; fi
	for fs in "${FSES[@]}"; do
		# btrfs has BUG_ON() for want of memory.
		[[ $fs == btrfs ]] || with+=("$fs")
	done
	soak_start ${with[@]+"${with[@]}"}
	soak_for "$1" faults
	for fs in "${FSES[@]}"; do soakfs "/run/log-$fs" stop >/dev/null || true; done
	soak_quiet
	wait_for 60 soak_stopped || { echo w >/proc/sysrq-trigger; fail "seed $seed: soakfs does not end"; }
	fault_setup 0
	if grep -qs bounce_page_alloc "$INJECT/injectable"; then
		info "$(bounce_failures) copies without memory"
		echo 0 >"$INJECT/probability"
	fi
	soak_look
	for fs in "${FSES[@]}"; do
		info "$fs: $(soakfs "/run/log-$fs" stats)"
		n=$(soakfs "/run/log-$fs" stats | sed 's/.* syncs, \([0-9]*\) without.*/\1/')
		[[ $fs == btrfs ]] || ((n > 0)) || fail "seed $seed: on $fs no allocation failed"
	done
	pins_balanced "$(whole_duration 10)" || fail "seed $seed: $(pins_outstanding) pins left at rest after faults"
	soak_umount
	soak_fsck
}

run() {
	local seed seconds faults round=0 shown=0 loads=() rdmas=() rdma='' start n fs nuisance only FAULTS=''
	declare -A soaks
	seconds=$(soak_param soak 1800)
	faults=$(soak_param faults 300)
	seed=$(soak_param seed "$SRANDOM")
	only=$(soak_param only '')
	RANDOM=$((seed & 32767))
	info "seed $seed, $seconds s of load, $faults s without memory"
	if modprobe -n -q rdma_rxe && command -v rdmasync >/dev/null && command -v rdma >/dev/null; then
		rdma_new
		rdma=1
	else
		info "no RDMA in this kernel or guest: left out"
	fi
	[[ -e /sys/kernel/debug/gup_test ]] || info "no gup_test in this kernel: left out"
	for n in failslab fail_page_alloc; do
		if [[ -d /sys/kernel/debug/$n ]]; then
			FAULTS+=" /sys/kernel/debug/$n"
		else
			info "no $n in this kernel: left out"
		fi
	done
	soak_devices
	soak_cgroups
	start=$SECONDS
	while ((SECONDS - start < seconds)); do
		n=$((RANDOM % 40 + 20))
		((SECONDS - start + n <= seconds)) || n=$((seconds - SECONDS + start))
		soak_round "$n"
	done
	if ((seconds)); then
		info "$round rounds, no page wrong; fsck"
		soak_fsck
		for fs in "${FSES[@]}"; do info "$fs: $(soakfs "/run/log-$fs" stats)"; done
	fi
	echo "seed $seed: $round rounds, $(vmstat nr_foll_pin_acquired) pins, $(bounced) bounces" >/run/note
	if [[ ! $FAULTS ]]; then
		echo "seed $seed: $round rounds, no faults in this kernel" >/run/note
	elif ((faults)); then
		[[ $only == paths ]] || fault_random "$faults"
		fault_paths
	fi
}
