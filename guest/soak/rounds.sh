# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034,SC2004,SC2119,SC2120
# (soak.sh sets the variables that its parts share.)
# The soak: soakfs, and the rounds of load, power cut and check. Sourced by soak.sh.

# soak_start [FS]...: starts soakfs on all filesystems, on those named with faults.
soak_start() {
	local fs options offset=0
	for fs in "${FSES[@]}"; do
		options=()
		if [[ " $* " == *" $fs "* ]]; then
			options=(-e)
		fi
		(
			echo "$BASHPID" >/run/cg/soak/cgroup.procs
			if ((${#options[@]})); then
				# After a fork() the kernel notes the CPU in a page that is to
				# be copied. A program with rseq gets a SIGSEGV if there is no
				# memory for the copy.
				export GLIBC_TUNABLES=glibc.pthread.rseq=0
			fi
			exec soakfs "/run/log-$fs" run "${options[@]}" "/mnt/$fs" "$SOURCE" \
				${offset}m >"/run/soak-$fs" 2>&1
		) &
		soaks[$fs]=$!
		offset=$((offset + 4))
	done
}

# soak_stopped: no soakfs runs.
soak_stopped() {
	local fs
	for fs in "${FSES[@]}"; do
		if [[ -d /proc/${soaks[$fs]} ]]; then
			return 1
		fi
	done
}

# soak_stop [cut]: asks each soakfs to end; with cut the power goes at the same time.
soak_stop() {
	local fs
	if [[ ${1:-} ]]; then
		for fs in "${FSES[@]}"; do
			soakfs "/run/log-$fs" cut >/dev/null || true
		done
		for fs in "${FSES[@]}"; do
			soak_switch "$fs" flakey
		done
	else
		for fs in "${FSES[@]}"; do
			soakfs "/run/log-$fs" stop >/dev/null || true
		done
	fi
}

soak_expect_running() {
	local fs code=0
	for fs in "${FSES[@]}"; do
		if [[ ! -d /proc/${soaks[$fs]} ]]; then
			wait "${soaks[$fs]}" || code=$?
			soak_fail "soakfs of $fs ended, exit code $code:" \
				"$(tail -n 1 "/run/soak-$fs")"
		fi
	done
}

# soak_steps FS: prints how many steps its soakfs has made.
soak_steps() { soakfs "/run/log-$1" stats | sed 's/ .*//'; }

# soak_for SECONDS NAME: lets soakfs, load and nuisances run, and sees hangs.
soak_for() {
	local end=$((SECONDS + $1)) fs steps
	local -A last moved
	for fs in "${FSES[@]}"; do
		last[$fs]=-1 moved[$fs]=$SECONDS
	done
	rm -f /run/quiet
	soak_nuisances >/dev/null 2>&1 &
	nuisances=$!
	while ((SECONDS < end)); do
		sleep 1
		soak_expect_clean
		soak_expect_running
		soak_progress "$2"
		for fs in "${FSES[@]}"; do
			steps=$(soak_steps "$fs")
			if [[ $steps != "${last[$fs]}" ]]; then
				last[$fs]=$steps moved[$fs]=$SECONDS
			elif ((SECONDS - moved[$fs] > $(whole_duration 60))); then
				soak_hang "$fs stands still after $steps steps"
			fi
		done
	done
	touch /run/quiet
}

soak_mount() {
	local fs
	for fs in "${FSES[@]}"; do
		mount -t "$(fs_type "$fs")" "/dev/mapper/cut-$fs" "/mnt/$fs" ||
			soak_fail "round $round: $fs cannot be mounted"
	done
}

soak_umount() {
	local fs
	for fs in "${FSES[@]}"; do
		wait_for 30 umount_quietly "/mnt/$fs" || soak_fail "$fs cannot be unmounted"
	done
}
umount_quietly() { umount "$1" 2>/dev/null; }

# soak_check [-c]: checks every page after a mount; -c: after a power cut.
soak_check() {
	local fs
	echo 3 >/proc/sys/vm/drop_caches
	for fs in "${FSES[@]}"; do
		soakfs "/run/log-$fs" check "$@" "/mnt/$fs" >/run/check 2>&1 ||
			[[ $only == kernel ]] ||
			fail "seed $seed, round $round: $(tail -n 1 /run/check);" \
				"first: $(head -n 1 /run/check)"
		echo "round $round $*: $(tail -n 1 /run/check)"
		if [[ -e /mnt/$fs/rdma && $only != kernel ]]; then
			expect_pages "round $round: RDMA on $fs" "$(pagecheck "/mnt/$fs/rdma")" \
				old new torn
		fi
	done
}

# soak_round SECONDS: one round: load, its end by an unmount or by a power cut, mount, check.
soak_round() {
	local fs cut='' check=()
	if ((RANDOM % 3)); then
		cut=cut check=(-c)
	fi
	round=$((round + 1))
	soak_mount
	soak_start
	soak_stress "${FSES[RANDOM % ${#FSES[@]}]}"
	soak_stress "${FSES[RANDOM % ${#FSES[@]}]}"
	soak_rdma
	soak_for "$1" soak
	soak_stop $cut
	soak_end_rdma
	soak_end_stress
	soak_end_nuisances
	wait_for 60 soak_stopped || soak_hang "soakfs does not end"
	soak_expect_clean
	soak_expect_unpinned rest
	soak_umount
	if [[ $cut ]]; then
		for fs in "${FSES[@]}"; do
			soak_switch "$fs" linear
		done
	fi
	soak_mount
	soak_check "${check[@]}"
	soak_umount
	soak_expect_clean
}

# fsck_of FS: without repair.
fsck_of() {
	case $1 in
	ext4 | loop) e2fsck -fn "/dev/mapper/cut-$1" ;;
	xfs) xfs_repair -n /dev/mapper/cut-xfs ;;
	btrfs) btrfs check /dev/mapper/cut-btrfs ;;
	esac
}

# soak_fsck: the filesystems and the devices below them are in order.
soak_fsck() {
	local fs lines directory
	soak_mount
	soak_check
	for directory in /mnt/btrfs /srv/outer; do
		if mountpoint -q $directory; then
			btrfs scrub start -B -R $directory >/run/scrub 2>&1 ||
				[[ $only == kernel ]] ||
				soak_fail "scrub: $(grep -i error /run/scrub | tr '\n' ' ')"
			cat /run/scrub
		fi
	done
	soak_umount
	for fs in "${FSES[@]}"; do
		fsck_of "$fs" >/run/fsck 2>&1 || {
			lines=$(grep -m 3 -iE 'error|mismatch|bad |wrong' /run/fsck) ||
				lines=$(tail -n 3 /run/fsck)
			soak_fail "fsck of $fs: ${lines//$'\n'/ }"
		}
		dd if="/dev/mapper/cut-$fs" of=/dev/null bs=1M iflag=direct status=none ||
			soak_fail "a block below $fs cannot be read"
	done
}
