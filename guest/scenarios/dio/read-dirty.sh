# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A direct read fills pages of a mapped file, and the file is synced at the same time, so its pages
# are clean when the device is done. When read() has returned, or the completion was seen, the next
# fsync() has to save the data. On ext4 with blocks of 1 KiB a byte of each page is written during
# the read, too: then a page is dirty, but not all of it. The read is from a block device, through
# iomap (ext4) and through fs/direct-io.c (vfat), each synchronous and asynchronous; a read takes
# 10 ms. There is one CPU, so that no work item comes between.
# Stock: the pages are marked dirty a bit later, so the fsync() does not save the data; btrfs does
# not write it with that fsync() even if the pages are dirty, nor with syncfs().
# Patched: the data is saved.
DESC="the next fsync saves the data of a direct read"
TIMEOUT=120
STOCK=fail
ONLY="6.1"
QEMUARGS="-smp 1"

requires() {
	need_cmd dmsetup mkfs.vfat
	need_mod dm-delay vfat
	requires_fs ext4 btrfs
}

# slow_part NAME START_MB SIZE_MB: a part of the second disk.
slow_part() {
	dm_new "$1" "0 $(($3 * 2048)) delay /dev/vdb $(($2 * 2048)) 10 /dev/vdb $(($2 * 2048)) 0"
}

run() {
	local failed
	local files=(-s /mnt/ext4/data -s /mnt/vfat/data)
	modprobe -a dm-delay vfat
	slow_part slow 0 16
	slow_part slow-ext4 64 64
	slow_part slow-vfat 128 64
	fs_new ext4 /dev/mapper/slow-ext4 /mnt/ext4
	fs_new vfat /dev/mapper/slow-vfat /mnt/vfat
	dm_linear ext4 /dev/vda 0 256
	dm_linear btrfs /dev/vda 256 512
	dm_linear ext4-1k /dev/vda 768 64
	fs_new ext4 /dev/mapper/ext4 /mnt/on-ext4
	fs_new btrfs /dev/mapper/btrfs /mnt/on-btrfs
	fs_new ext4 /dev/mapper/ext4-1k /mnt/on-1k -b 1024
	pincallers -d /dev/mapper/ext4 -s /dev/mapper/slow "${files[@]}" \
		/mnt/on-ext4/buffer direct >/run/cases 2>&1 || true
	pincallers -s /dev/mapper/slow -s /mnt/ext4/data \
		/mnt/on-btrfs/buffer direct direct-syncfs 2>&1 |
		sed 's/fsync/btrfs, fsync/' >>/run/cases || true
	pincallers -d /dev/mapper/ext4-1k -s /dev/mapper/slow "${files[@]}" \
		/mnt/on-1k/buffer direct-part >>/run/cases 2>&1 || true
	cat /run/cases
	(($(grep -c 'pages not saved' /run/cases) == 20)) ||
		fail "error: not 20 cases: $(tail -n 1 /run/cases)"
	failed=$(grep -c '^not ok' /run/cases) || true
	((failed == 0)) || fail "$failed of 20 cases: $(grep -m 1 '^not ok' /run/cases)"
}
