# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# RAID 5 with a DIF member. md copies the data to its stripe cache, and computes the parity and
# writes from there, so that nothing of a changing page reaches the disks. So the array does not
# inherit stable_writes of its members.
# A stock kernel passes; this test guards the series.
DESC="RAID 5 with one DIF member copies the data and needs no stable pages"
TIMEOUT=120
STOCK=pass
ONLY="6.1"

requires() {
	need_cmd dmsetup mdadm
	need_mod raid456 scsi_debug
	requires_fs ext4
}

run() {
	source_new 1
	dif_new 64
	dm_linear dif "$DIF"
	dm_linear plain0 /dev/vda 0 64
	dm_linear plain1 /dev/vda 64 64
	md_new 5 /dev/mapper/plain0 /dev/mapper/dif /dev/mapper/plain1
	[[ $(</sys/block/md0/queue/stable_writes) == 0 ]] || fail "the array asks for stable pages"
	fs_new ext4 /dev/md0 /mnt
	fillpat -l 256k /mnt/data
	sync
	held_race /mnt/data 256k "$DIF_HOLD" "$DIF_RELEASE"
	md_check
	expect_pages "data on the disks" "$(pagecheck -g 1 -d /dev/md0 /mnt/data)" old new torn
}
