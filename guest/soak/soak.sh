# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The soak: everything at once for half an hour, then the same without memory. A guest runs it as
# it runs a scenario, but only make soak starts it. Options on the kernel's command line:
#   pw.soak=SECONDS    of mixed load (0: none)
#   pw.faults=SECONDS  of load with failing allocations (0: none)
#   pw.seed=N          makes the same choices again
#   pw.fs=ext4,xfs     only these filesystems
#   pw.only=kernel     a stock kernel does not fail for its known damage to data: is a complaint
#                      of the kernel, or of fsck, caused by the series?
#   pw.only=paths      of the part without memory only the failure of each single allocation
#
# Four filesystems are on devices that notice when data changes under way: btrfs; ext4 on
# dm-integrity; XFS on a disk with protection information; ext4 on a loop device with direct I/O on
# btrfs (pw.fs=loop; not on 5.4). On each of them soakfs (soakfs.c) writes files whose every word
# can be judged, in all ways in which devices and the kernel write to mapped files, while they are
# synced, truncated, punched, moved, forked; stress-ng works beside it in a small memory cgroup;
# memory is reclaimed, options are changed by remount, filesystems are frozen for a moment. After
# some time either all is unmounted, or the power is cut for the disks (dm-flakey drops writes from
# one moment on), and each page is checked. At the end: scrub, fsck, all blocks can be read, no pin
# is left. Then the same with allocations that fail.
DESC="half an hour of everything at once on ext4, XFS and btrfs; then without memory"
TIMEOUT=600
STOCK=fail
QEMUARGS="-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0"
RDMA=rxe

# Variables that the parts share.
seed=''          # of the random choices
only=''          # pw.only
round=0          # number of the round
shown=0          # when progress was shown last
has_rdma=''      # this kernel and guest have it
nuisances=''     # process of soak_nuisances
faults=''        # directories of the kernel's fault injection
loads=()         # processes of stress-ng
rdmas=()         # the two ends of RDMA
declare -gA soaks=()  # processes of soakfs, by filesystem
read -ra FSES <<<"$(param fs | tr , ' ')"
if ((${#FSES[@]} == 0)); then
	FSES=(ext4 xfs btrfs)
	if [[ $BASE != 5.4 ]]; then
		FSES+=(loop)
	fi
fi

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh
# shellcheck source=guest/soak/machine.sh
. /proj/guest/soak/machine.sh
# shellcheck source=guest/soak/load.sh
. /proj/guest/soak/load.sh
# shellcheck source=guest/soak/rounds.sh
. /proj/guest/soak/rounds.sh
# shellcheck source=guest/soak/faults.sh
. /proj/guest/soak/faults.sh

requires() {
	need_cmd dmsetup soakfs stress-ng mkfs.ext4 mkfs.xfs mkfs.btrfs
	need_mod dm-delay dm-flakey dm-integrity scsi_debug
	need_cmd losetup fsfreeze
	requires_fs ext4 xfs btrfs
}

# option NAME DEFAULT: prints pw.NAME.
option() {
	local value
	value=$(param "$1")
	echo "${value:-$2}"
}

soak_fail() { fail "seed $seed: $*"; }

# soak_hang WHAT: with the blocked tasks on the console.
soak_hang() {
	echo w >/proc/sysrq-trigger
	soak_fail "$*"
}

# what_is_missing: looks which optional parts this kernel and guest have.
what_is_missing() {
	local name
	if modprobe -n -q rdma_rxe && command -v rdmasync >/dev/null && command -v rdma >/dev/null
	then
		rdma_new
		has_rdma=1
	else
		info "no RDMA in this kernel or guest: left out"
	fi
	if [[ ! -e /sys/kernel/debug/gup_test ]]; then
		info "no gup_test in this kernel: left out"
	fi
	for name in failslab fail_page_alloc; do
		if [[ -d /sys/kernel/debug/$name ]]; then
			faults+=" /sys/kernel/debug/$name"
		else
			info "no $name in this kernel: left out"
		fi
	done
}

# soak_load SECONDS: rounds of 20 to 60 s.
soak_load() {
	local start=$SECONDS length fs
	while ((SECONDS - start < $1)); do
		length=$((RANDOM % 40 + 20))
		if ((SECONDS - start + length > $1)); then
			length=$(($1 - SECONDS + start))
		fi
		soak_round "$length"
	done
	info "$round rounds, no page wrong; fsck"
	soak_fsck
	for fs in "${FSES[@]}"; do
		info "$fs: $(soakfs "/run/log-$fs" stats)"
	done
}

run() {
	local seconds fault_seconds
	seconds=$(option soak 1800)
	fault_seconds=$(option faults 300)
	seed=$(option seed "$SRANDOM")
	only=$(option only '')
	RANDOM=$((seed & 32767))
	info "seed $seed, $seconds s of load, $fault_seconds s without memory"
	what_is_missing
	soak_devices
	soak_cgroups
	if ((seconds)); then
		soak_load "$seconds"
	fi
	echo "seed $seed: $round rounds, $(vmstat nr_foll_pin_acquired) pins," \
		"$(bounced) bounces" >/run/note
	if [[ ! $faults ]]; then
		echo "seed $seed: $round rounds, no faults in this kernel" >/run/note
	elif ((fault_seconds)); then
		if [[ $only != paths ]]; then
			fault_random "$fault_seconds"
		fi
		fault_paths
	fi
}
