# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# RAID 1 of a disk with protection information and a disk without. The array has no protection
# information, and gives the pages of a write to both disks. A direct read changes the pages after
# the guard tags were made.
# Stock: the array does not ask for stable pages. The guard tags of one member do not match, md
# writes again, and the mirrors differ. Patched: the array inherits stable_writes of its member.
DESC="RAID 1 with one DIF member: no guard error, equal mirrors"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup mdadm
	need_mod raid1 scsi_debug
	requires_fs ext4
}

run() {
	source_new 1
	dif_new 64
	dm_linear dif "$DIF"	# mdadm crashes on a disk of scsi_debug
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
