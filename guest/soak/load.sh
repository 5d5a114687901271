# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034,SC2004,SC2119,SC2120
# (soak.sh sets the variables that its parts share.)
# The soak: the load beside soakfs. Sourced by soak.sh.

STRESSORS=(aio aiol copy-file dentry fallocate fiemap fork hdd io-uring iomix mmap mremap msync
	readahead rename seek splice sync-file vm vm-rw vm-splice madvise mlock pipe)

# random_of WORD...: prints one of them.
random_of() {
	shift $((RANDOM % $#))
	echo "$1"
}

# soak_stress FS: some stressors of stress-ng, for the files of one filesystem, in the small cgroup.
soak_stress() {
	local stressor chosen=' ' options=() fs=$1
	while ((${#chosen} < 25)); do
		stressor=${STRESSORS[RANDOM % ${#STRESSORS[@]}]}
		if [[ $chosen == *" $stressor "* ]]; then
			continue
		fi
		chosen+="$stressor "
		options+=("--$stressor" 1)
		case $stressor in
		mmap) options+=(--mmap-file --mmap-bytes 8m) ;;
		vm) options+=(--vm-bytes 24m) ;;
		hdd | fallocate | iomix | copy-file | readahead | sync-file)
			options+=("--$stressor-bytes" 4m)
			;;
		seek) options+=(--seek-size 4m) ;;
		esac
	done
	mkdir -p "/mnt/$fs/load"
	(
		echo "$BASHPID" >/run/cg/load/cgroup.procs
		exec stress-ng --temp-path "/mnt/$fs/load" --timeout 3600 --oomable \
			--no-rand-seed --quiet "${options[@]}" >"/run/stress-$fs" 2>&1
	) &
	loads+=($!)
	echo "${options[*]}" >>/out/stress.txt
}

soak_end_stress() {
	local pid i
	if ((${#loads[@]} == 0)); then
		return 0
	fi
	# all of the cgroup, as stress-ng has children
	for ((i = 0; i < 100; i++)); do
		echo 1 >/run/cg/load/cgroup.kill 2>/dev/null || true
		if ! grep -q . /run/cg/load/cgroup.procs; then
			break
		fi
		sleep 0.2
	done
	for pid in "${loads[@]}"; do
		wait "$pid" 2>/dev/null || true
	done
	loads=()
}

# soak_rdma: RDMA_WRITE into a mapped file, if this kernel has it. Not 256k: rxe reads behind the
# list of a region whose number of pages is a multiple of 256, as the writer's would be.
soak_rdma() {
	local fs
	if [[ ! $has_rdma ]]; then
		return 0
	fi
	fs=${FSES[RANDOM % ${#FSES[@]}]}
	rm -f "/mnt/$fs/rdma"
	fillpat -l 252k "/mnt/$fs/rdma"
	sync "/mnt/$fs/rdma"
	rdmasync -a "$RDMA_OWNER" -l 252k -t 3600 "/mnt/$fs/rdma" >/run/rdma 2>&1 &
	rdmas+=($!)
	rdmasync -a "$RDMA_OWNER" -l 252k -p -t 3600 >/run/peer 2>&1 &
	rdmas+=($!)
}

soak_end_rdma() {
	if ((${#rdmas[@]} == 0)); then
		return 0
	fi
	# The peer ends when its connection is cut.
	kill -9 "${rdmas[0]}" 2>/dev/null || [[ $only == kernel ]] ||
		soak_fail "rdmasync: $(tail -n 1 /run/rdma)"
	kill -9 "${rdmas[1]}" 2>/dev/null || true
	wait "${rdmas[@]}" 2>/dev/null || true
	info "RDMA: $(tail -qn 1 /run/rdma /run/peer | paste -sd ,)"
	rdmas=()
}

# soak_nuisances: events that hit the whole machine now and then. In the background, as some of
# them wait for all I/O that is under way.
soak_nuisances() {
	while [[ ! -e /run/quiet ]]; do
		soak_nuisance || true
		sleep "$((RANDOM % 3)).$((RANDOM % 10))"
	done
}
soak_nuisance() {
	case $((RANDOM % 11)) in
	0) echo 1 >/proc/sys/vm/drop_caches ;;
	1) echo 3 >/proc/sys/vm/drop_caches ;;
	2) echo 1 >/proc/sys/vm/compact_memory ;;
	3 | 4 | 5) soak_remount "${FSES[RANDOM % ${#FSES[@]}]}" ;;
	6) sync ;;
	7) soak_freeze "${FSES[RANDOM % ${#FSES[@]}]}" ;;
	*) echo "$((RANDOM % 16 + 1))M" >/run/cg/soak/memory.reclaim 2>/dev/null ;;
	esac
}

# soak_remount FS: with other options, or read-only, which is refused as files are open.
soak_remount() {
	case $1 in
	ext4 | loop) mount -o "remount,commit=$((RANDOM % 9 + 1))" "/mnt/$1" ;;
	btrfs) mount -o "remount,compress=$(random_of zstd lzo zlib no)" /mnt/btrfs ;;
	xfs) mount -o remount,ro /mnt/xfs 2>/dev/null && mount -o remount,rw /mnt/xfs ;;
	esac
}

# soak_freeze FS: for half a second; reads land meanwhile.
soak_freeze() {
	fsfreeze --freeze "/mnt/$1" || return 0
	sleep 0.5
	fsfreeze --unfreeze "/mnt/$1"
}

# soak_end_nuisances: a nuisance that does not end is a hang, too.
soak_end_nuisances() {
	wait_for 60 no_nuisance || soak_hang "sync, reclaim or remount hangs"
}
no_nuisance() { [[ ! -d /proc/$nuisances ]]; }
