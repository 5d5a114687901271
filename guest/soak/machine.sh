# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034,SC2004,SC2119,SC2120
# (soak.sh sets the variables that its parts share.)
# The soak: devices, memory cgroups, complaints of the kernel, progress. Sourced by soak.sh.

# $BELOW[FS] is the device that notices a change of data; a filesystem is on /dev/mapper/cut-FS.
declare -gA BELOW=()

# fs_type FS: prints the type of a filesystem: "loop" is ext4 in a file of another btrfs.
fs_type() {
	if [[ $1 == loop ]]; then
		echo ext4
	else
		echo "$1"
	fi
}

# soak_loop: makes /dev/loop0, which writes directly to a file of btrfs on /srv/outer. That is
# mounted all the time, so that btrfs notices a change of data; only what is on the loop device
# is cut off.
soak_loop() {
	modprobe loop
	dm_linear outer /dev/vda 2048 512
	fs_new btrfs /dev/mapper/outer /srv/outer
	dd if=/dev/zero of=/srv/outer/image bs=1M count=256 conv=fsync status=none
	losetup --direct-io=on -b 4096 /dev/loop0 /srv/outer/image
}

soak_devices() {
	local fs
	modprobe -a dm-delay dm-flakey
	# Reads take 25 ms.
	dm_new source "0 $((64 * 2048)) delay /dev/vdb 0 25 /dev/vdb 0 0"
	checker_new 128
	dm_hold slow
	dmsetup reload slow --table "0 $((128 * 2048)) delay /dev/vda 0 0 /dev/vda 0 20"
	dm_release slow
	# Two commands at a time, 4 ms each: the others wait with their guard tags made.
	dif_new 320 delay=1 max_queue=2
	dm_new delayed "0 $((512 * 2048)) delay\
 /dev/vda $((256 * 2048)) 0 /dev/vda $((256 * 2048)) 20"
	BELOW=([ext4]=$CHECKER [xfs]=$DIF [btrfs]=/dev/mapper/delayed [loop]=/dev/loop0)
	if [[ " ${FSES[*]} " == *' loop '* ]]; then
		soak_loop
	fi
	for fs in "${FSES[@]}"; do
		dm_new "cut-$fs" "$(soak_table "$fs" linear)"
		want_stable "/dev/mapper/cut-$fs"
		fs_new "$(fs_type "$fs")" "/dev/mapper/cut-$fs" "/mnt/$fs"
		soakfs "/run/log-$fs" new "$seed"
		soakfs "/run/log-$fs" check "/mnt/$fs" || fail "new files: soakfs"
		umount "/mnt/$fs"
	done
	echo 500 >/proc/sys/vm/dirty_writeback_centisecs
	echo 1000 >/proc/sys/vm/dirty_expire_centisecs
}

# soak_table FS linear|flakey: prints a table; flakey takes writes and forgets them.
soak_table() {
	local size
	size=$(blockdev --getsz "${BELOW[$1]}")
	case $2 in
	linear) echo "0 $size linear ${BELOW[$1]} 0" ;;
	flakey) echo "0 $size flakey ${BELOW[$1]} 0 0 1800 1 drop_writes" ;;
	esac
}

# soak_switch FS linear|flakey: I/O that is under way ends, later I/O meets the other table.
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

# soak_complaint: prints the first line with which the kernel complains.
COMPLAINTS=$(grep -v '^#' /proj/guest/lib/complaints | paste -sd '|')
soak_complaint() { dmesg | grep -m 1 -E "$COMPLAINTS" || true; }

# soak_expect_clean: fails as soon as the kernel complains or a page is wrong.
soak_expect_clean() {
	local line fs
	line=$(soak_complaint)
	[[ ! $line ]] || soak_fail "kernel: $line"
	if [[ $only == kernel ]]; then
		return 0
	fi
	for fs in "${FSES[@]}"; do
		line=$(grep -m 1 -v '^no io_uring' "/run/soak-$fs" 2>/dev/null) || true
		[[ ! $line ]] || soak_fail "$line"
	done
}

# soak_expect_unpinned WHEN
soak_expect_unpinned() {
	pins_balanced "$(whole_duration 10)" || soak_fail "$(pins_outstanding) pins left at $1"
}

# soak_progress WHAT: one line, at least each 30 s.
soak_progress() {
	local fs line
	if ((SECONDS - shown < 25)); then
		return 0
	fi
	shown=$SECONDS
	line="$1, $SECONDS s, round $round:"
	for fs in "${FSES[@]}"; do
		line+=" $fs $(soakfs "/run/log-$fs" stats | sed 's/ steps, /+/; s/ syncs.*//')"
	done
	info "$line (steps+syncs); pins $(vmstat nr_foll_pin_acquired)-$(vmstat \
		nr_foll_pin_released), bounced $(bounced)"
}
