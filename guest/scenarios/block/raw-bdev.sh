# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The page cache of a block device itself is mapped, without a filesystem. The disk has protection
# information, and a direct read changes the page after the guard tag was made.
# Stock: the disk refuses the write, and fsync() fails with EIO, as in f2-ext4-dif.
# Patched: fsync() returns 0.
DESC="F2 without a filesystem: a mapped block device on DIF/DIX"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup
	need_mod scsi_debug
}

run() {
	source_new 1
	dif_new 8
	fillpat -l 256k "$DIF"
	# Another device for the same blocks has a page cache of its own: a direct read of it
	# writes nothing out.
	dm_linear alias "$DIF"
	held_race "$DIF" 256k "$DIF_HOLD" "$DIF_RELEASE"
	expect_pages "data on the disk" \
		"$(pagecheck -g 1 -d /dev/mapper/alias -l 256k /dev/mapper/alias)" old
	expect_bounced 64
}
