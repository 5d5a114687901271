# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# RAID 1 of a disk that computes checksums of the data and a disk that does not. The first is a disk
# with protection information below a device mapper target that hides this (flakey, snapshot, crypt
# and others): md refuses to mix disks with and without. Disks of iSCSI and NVMe over TCP with data
# digests are like that, too. A direct read changes the pages after the guard tags were made.
# Stock: the array does not ask for stable pages. The guard tags of one member do not match, md
# writes again, and the mirrors differ. Patched: the array inherits stable_writes of its member.
DESC="RAID 1 with one member that checksums: no error, equal mirrors"
TIMEOUT=120
STOCK=fail
ONLY="6.1"

requires() {
	need_cmd dmsetup mdadm
	need_mod raid1 scsi_debug dm-flakey
	requires_fs ext4
}

run() {
	source_new 1
	dif_new 64
	modprobe dm-flakey
	dm_new dif "0 $(blockdev --getsz "$DIF") flakey $DIF 0 3600 0"
	[[ $(<"$(queue_of /dev/mapper/dif)/stable_writes") == 1 ]] || fail "error: no stable_writes"
	dm_linear plain /dev/vda 0 64
	md_new 1 /dev/mapper/plain /dev/mapper/dif
	fs_new ext4 /dev/md0 /mnt
	fillpat -l 256k /mnt/data
	sync
	held_race /mnt/data 256k "$DIF_HOLD" "$DIF_RELEASE"
	expect_bounced 64
	[[ $(</sys/block/md0/md/degraded) == 0 ]] || fail "md has thrown a member out"
	md_check
	expect_pages "data on the mirrors" "$(pagecheck -g 1 -d /dev/md0 /mnt/data)" old
}
