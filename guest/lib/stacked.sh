# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # scenarios use these
# Helpers for scenarios with a filesystem in a file of btrfs. Source it on top of the scenario.

LOOP=/dev/loop0
INNER=/run/inner	# where the filesystem in the file is mounted

# image_new: makes btrfs on /dev/mapper/disk, which can be held, and /mnt/image on it.
image_new() {
	dm_linear disk /dev/vda 0 384
	fs_new btrfs /dev/mapper/disk /mnt
	dd if=/dev/zero of=/mnt/image bs=1M count=64 status=none
	sync
}

# image_again: the same image after the power cut.
image_again() {
	dm_linear disk /dev/vda 0 384
	mount -t btrfs /dev/mapper/disk /mnt
}

# loop_on FILE on|off: $LOOP gets FILE, with or without direct I/O.
loop_on() {
	modprobe loop
	losetup "--direct-io=$2" -b 4096 $LOOP "$1"
	loop_has_dio "$2"
}

requires_inner() {
	need_cmd dmsetup losetup
	need_mod loop
	requires_fs btrfs ext4
}

# inner_new on|off: an image with ext4 in it, on a loop device with or without direct I/O, and
# $INNER/data. inner_again on|off: the same image after the power cut.
inner_new() {
	image_new
	loop_on /mnt/image "$1"
	fs_new ext4 $LOOP $INNER -b 4096
	fillpat -l 256k $INNER/data
	sync
}
inner_again() {
	image_again
	loop_on /mnt/image "$1"
	mkdir -p $INNER
	mount -t ext4 $LOOP $INNER
}

# loop_switch on|off: changes a loop device that is in use.
loop_switch() {
	losetup "--direct-io=$1" $LOOP
	loop_has_dio "$1"
}

loop_has_dio() {
	local want=0
	if [[ $1 == on ]]; then
		want=1
	fi
	[[ $(</sys/block/loop0/loop/dio) == "$want" ]] || fail "error: direct I/O is not $1"
}

# target_on FILE MB: a SCSI disk of this machine whose data is in FILE. LIO hands the pages of a
# request to direct I/O of FILE (fd_async_io). The disk has a write cache (fd_buffered_io), so it
# gets flushes. Sets TARGET, the disk.
target_on() {
	local config=/sys/kernel/config/target core loopback
	modprobe -a configfs target_core_mod target_core_file tcm_loop
	modprobe -q sd_mod || true
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
	core=$config/core/fileio_0/image
	mkdir -p "$core"
	echo "fd_dev_name=$1,fd_dev_size=$(($2 << 20)),fd_async_io=1,fd_buffered_io=1" \
		>"$core/control"
	echo 1 >"$core/enable"
	loopback=$config/loopback/naa.6001405000000001/tpgt_1
	mkdir -p "$loopback/lun/lun_0"
	echo naa.6001405000000002 >"$loopback/nexus"
	ln -s "$core" "$loopback/lun/lun_0/image"
	wait_for 10 target_disk || fail "error: no disk of LIO"
	TARGET=/dev/$(target_disk)
	wait_for 10 test -b "$TARGET" || fail "error: no $TARGET"
}

# target_disk: prints the name of the disk.
target_disk() {
	local vendor
	for vendor in /sys/block/sd*/device/vendor; do
		if grep -qs LIO-ORG "$vendor"; then
			vendor=${vendor%/device/vendor}
			echo "${vendor##*/}"
			return 0
		fi
	done
	return 1
}

# store_race FILE LEN HOLD_STEP RELEASE_STEP: FILE is mapped and dirtied (generation 1); fsync()
# submits its writes, which HOLD_STEP keeps waiting; another process stores generation 2 through
# a mapping, or waits for the end of writeback in a page fault; RELEASE_STEP. /run/store.how says
# which: "stored" or "waits".
store_race() {
	cat >/run/store <<-END
		#!/bin/bash
		rm -f /run/stored
		pinrace -f $1 -l $2 dirty=2 'sh=touch /run/stored' </dev/null >/dev/null 2>&1 &
		for ((i = 0; i < $(limit 150); i++)); do
			if [[ -e /run/stored ]]; then
				echo stored >/run/store.how
				exit 0
			elif grep -q folio_wait_writeback /proc/\$!/stack; then
				echo waits >/run/store.how
				exit 0
			fi
			sleep 0.2
		done
		exit 1
	END
	chmod +x /run/store
	pinrace -f "$1" -l "$2" dirty=1 "$3" 'fsync&' wb settle=1000 sh=/run/store "$4" join |
		tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
}
