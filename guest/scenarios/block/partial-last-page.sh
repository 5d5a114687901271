# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The file ends inside its last page, and the direct read fills that page to its end. The
# filesystem clears the part beyond the end and submits the page. Data that the
# read puts there afterwards must not reach the disk, nor change the write under its guard tag.
# Stock: fsync() fails with EIO, as in f2-ext4-dif. Patched: fsync() returns 0.
DESC="F2 on a partial last page that the read fills to its end"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup
	need_mod scsi_debug
	requires_fs ext4
}

run() { dif_race ext4 64 62440; }
