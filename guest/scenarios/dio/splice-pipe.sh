# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# splice() from a file opened with O_DIRECT reads into pages of a pipe. The pages behind the end of
# the file are given back before the device is done with them. A bio that holds nothing on them
# would let the device write to memory that has another owner by then.
# A stock kernel passes; this test guards the series.
DESC="splice of the end of a file with O_DIRECT spares freed pages"
TIMEOUT=120
STOCK=pass

requires() {
	need_cmd dmsetup
	requires_fs ext4 xfs
}

run() {
	local fs
	for fs in ext4 xfs; do
		dm_linear disk /dev/vda 0 64
		fs_new $fs /dev/mapper/disk /mnt
		fillpat -l 5000 /mnt/data
		sync
		# The inode and the extents of the file are in memory, its data is not.
		echo 3 >/proc/sys/vm/drop_caches
		cat /mnt/data >/dev/null
		echo 1 >/proc/sys/vm/drop_caches
		dm_hold disk
		splicerace /mnt/data 2048 "$RELEASE disk" >/run/splice 2>&1 ||
			fail "$fs: $(tail -n 1 /run/splice)"
		grep -qx 'spliced 2952' /run/splice || fail "$fs: $(tail -n 1 /run/splice)"
		umount /mnt
		dmsetup remove disk
	done
}
