# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A disk with protection information: the block layer makes a guard tag for each sector when the
# write is submitted, and the disk checks the tag. While the request waits in the queue, a direct
# read changes the page. The wait is certain: the host adapter is kept in recovery during the race.
# Stock: the disk refuses the write, and fsync() fails with EIO or EILSEQ.
# Patched: fsync() returns 0, and the disk has the data of the time of fsync().
FS="ext4 xfs"
DESC="F2: FS on DIF/DIX, a direct read lands during fsync"
TIMEOUT=120
STOCK=fail
DISK_MB=64
DISK_MB_xfs=320

requires() {
	need_cmd dmsetup
	need_mod scsi_debug
	requires_fs "$FS"
}

run() { dif_race "$FS" "$DISK_MB" 262144; }
