# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# O_DIRECT on FUSE, every way into it: the answer of the daemon is copied into user pages by its
# write() to /dev/fuse, and its read() from there copies requests into its own buffer. A reader is
# killed while the daemon does not answer.
# Stock: the pages are only referenced. Patched: they are pinned until the answer.
DESC="FUSE: right data, pages pinned until the answer"
TIMEOUT=300
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() {
	need_cmd dmsetup fio bindfs
	requires_fs ext4
	requires_net_fuse
}

run() {
	local before
	net_scratch
	net_disk
	net_fuse_mount
	net_pinned unkillable
	net_probe "FUSE" dioprobe -s /mnt/scratch/map $NET/data
	net_probe "FUSE, odd" oddprobe -s /mnt/scratch/map $NET/data
	net_fio "FUSE" $NET/fio
	umount $NET
	# A daemon without splice(): the only user pages of a write through the page cache are
	# those of its buffer.
	bindfs $NET_DISK $NET || fail "error: bindfs does not start"
	before=$(vmstat nr_foll_pin_acquired)
	dd if=/dev/zero of=$NET/cached bs=64k count=16 conv=fsync 2>&1
	if is_patched; then
		(($(vmstat nr_foll_pin_acquired) >= before + 256)) ||
			fail "the buffer of the daemon is not pinned while it gets requests"
	fi
}
