# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A device that needs stable content (queue/stable_writes is set to 1) and checksums its data:
# dm-integrity. The data goes to the disk below later, and a direct read changes the page between
# the checksum and this write.
# Stock: 64 of 64 pages cannot be read back (EILSEQ). Patched: all have the old data.
FS="ext4 xfs"
DESC="FS on a device that checksums: a read lands during fsync"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup
	need_mod dm-integrity
	requires_fs "$FS"
}

run() { checker_race "$FS" 64 262144; }
