# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Four blocks to a page: the bios that carry a page need not carry all of it.
# Stock: fsync() fails with EIO, as in f2-ext4-dif. Patched: fsync() returns 0.
DESC="F2: ext4 with blocks of 1 KiB on DIF/DIX"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup
	need_mod scsi_debug
	requires_fs ext4
}

run() { dif_race ext4 64 262144 -b 1024; }
