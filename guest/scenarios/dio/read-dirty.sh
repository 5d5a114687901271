# shellcheck shell=bash disable=SC2034
# A direct read brings data to a mapped file, and the file is synced meanwhile: its pages
# are clean when the device has done. Once read() has returned, or the completion was
# seen, the next fsync() has to save them; a stock kernel marks them dirty a bit later,
# and its btrfs does not write them with that fsync() even so, nor with syncfs(). On ext4 with blocks of 1 KiB
# a byte of each page is written meanwhile, too: then a page is dirty, but not all of it.
# From a block device, through iomap (ext4) and fs/direct-io.c (vfat), each synchronous and
# not; reads take 10 ms.
DESC="what a direct read has brought is saved by the next fsync"
TIMEOUT=120
ONLY="6.1"
QEMUARGS="-smp 1"

requires() { need_cmd dmsetup mkfs.vfat; need_mod dm-delay vfat; requires_fs ext4 btrfs; }

slow() { # NAME START_MB SIZE_MB
	dm_new "$1" "0 $(($3 * 2048)) delay /dev/vdb $(($2 * 2048)) 10 /dev/vdb $(($2 * 2048)) 0"
}

run() {
	modprobe -a dm-delay vfat
	slow slow 0 16
	slow slow-ext4 64 64
	slow slow-vfat 128 64
	fs_new ext4 /dev/mapper/slow-ext4 /mnt/ext4
	fs_new vfat /dev/mapper/slow-vfat /mnt/vfat
	dm_linear ext4 /dev/vda 0 256
	dm_linear btrfs /dev/vda 256 512
	dm_linear ext4-1k /dev/vda 768 64
	fs_new ext4 /dev/mapper/ext4 /mnt/on-ext4
	fs_new btrfs /dev/mapper/btrfs /mnt/on-btrfs
	fs_new ext4 /dev/mapper/ext4-1k /mnt/on-1k -b 1024
	pincallers -d /dev/mapper/ext4 -s /dev/mapper/slow -s /mnt/ext4/data -s /mnt/vfat/data \
		/mnt/on-ext4/buffer direct >/run/cases 2>&1 || true
	pincallers -s /dev/mapper/slow -s /mnt/ext4/data /mnt/on-btrfs/buffer direct direct-syncfs 2>&1 |
		sed 's/fsync/btrfs, fsync/' >>/run/cases || true
	pincallers -d /dev/mapper/ext4-1k -s /dev/mapper/slow -s /mnt/ext4/data -s /mnt/vfat/data \
		/mnt/on-1k/buffer direct-part >>/run/cases 2>&1 || true
	cat /run/cases
	(($(grep -c 'pages not saved' /run/cases) == 20)) || fail "error: not 20 cases: $(tail -n 1 /run/cases)"
	! grep -q '^not ok' /run/cases ||
		fail "$(grep -c '^not ok' /run/cases) of 20 cases: $(grep -m 1 '^not ok' /run/cases)"
}
