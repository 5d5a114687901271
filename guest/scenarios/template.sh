# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# EDIT: which two things race, or what is counted, and how the order is made certain.
# Stock: EDIT: the result on a stock kernel. Patched: EDIT: the result on a patched kernel.
#
# Fields are read without running this file, so each is one line NAME=value or NAME="value". All
# but DESC may be left out. Delete those that are not needed, and these comments.
#   DESC      a description of at most 60 characters (make list prints it)
#   TIMEOUT   seconds for each phase, default 180; multiplied by LIMIT_FACTOR, 4 or more
#   STOCK     the result on a stock kernel: fail (default), pass, or skip (not run there)
#   ONLY      the bases it is for: "6.1"; default: all
#   FS        "ext4 xfs": this file is one scenario for each of them. The word FS in the name of
#             the file and in DESC stands for it, and so does $FS in functions. A line
#             TIMEOUT_xfs=... counts instead of TIMEOUT=... on xfs; this works for all variables,
#             and for functions: verify_xfs() instead of verify().
#   CMDLINE   more for the kernel's command line: numa=fake=2
#   QEMUARGS  more arguments for QEMU: "-smp 1"
#   PEER      1: a second guest runs peer(). A wire joins the two network devices.
#   LONG      1, or filesystems: make test leaves it out unless TEST_ALL=1
#   SPLAT     "N REGEX": the kernel has to complain exactly N times, with lines that match
DESC="EDIT: what this shows"
TIMEOUT=60
STOCK=fail

# Optional: the needs of the scenario. Missing commands, drivers and filesystems are a skip.
requires() {
	need_cmd dmsetup
	requires_fs ext4
}

# The commands run with errexit. fail "reason" is the verdict that counts as "the bug is shown";
# fail "error: reason" says that the test itself went wrong. guest/lib has the helpers: here, a
# direct read into a mapped file on a device whose content must not change under I/O.
run() {
	source_new 1
	want_stable /dev/vda
	dm_linear disk /dev/vda 0 64
	fs_new ext4 /dev/mapper/disk /mnt
	fillpat -l 256k /mnt/data
	sync
	held_race /mnt/data 256k "sh=$HOLD disk" "sh=$RELEASE disk"
	expect_pages "data on the disk" "$(pagecheck -g 1 -d /dev/mapper/disk /mnt/data)" old
	expect_bounced 64
}

# Optional: if there is a verify(), the power is cut when run() returns, without sync or unmount.
# The guest boots again with the same disks, and verify() gives the verdict. save_state and
# load_state carry values across.
#verify() {
#	dm_linear disk /dev/vda 0 64
#	mount -t ext4 /dev/mapper/disk /mnt
#	expect_pages "data after the power cut" "$(pagecheck -g 1 /mnt/data)" old new torn
#}
