# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A mapped file is dirtied and synced while a direct read into it is under way, so its pages are
# clean when the data arrives. The end of the read marks them dirty, without the page fault that
# prepares a page in some filesystems. The next fsync() has to save the data all the same; the file
# is read after the filesystem was mounted again.
# Stock and patched: the data is saved, on all filesystems that the kernel has.
DESC="local filesystems save a direct read into a mapped file"
TIMEOUT=180
STOCK=pass
ONLY="6.1"

requires() {
	need_cmd dmsetup
	requires_fs ext4 btrfs xfs
}

DISK=/dev/mapper/disk

# mapped_on NAME TYPE OPTIONS MKFS_OPTION...: the race on a new filesystem.
mapped_on() {
	local name=$1 type=$2 options=$3 mkfs=$2
	shift 3
	modprobe -q "$type" || true
	if ! grep -qw "$type" /proc/filesystems || ! command -v "mkfs.$mkfs" >/dev/null; then
		info "not here: $name"
		return 0
	fi
	races=$((races + 1))
	if [[ $type == xfs ]]; then
		TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1 mkfs.xfs -q -f -K "$@" $DISK
	else
		mkfs."$mkfs" "$@" $DISK >/run/mkfs 2>&1 <<<y ||
			fail "error: mkfs.$mkfs: $(tail -n 1 /run/mkfs)"
	fi
	mount -t "$type" ${options:+-o "$options"} $DISK /mnt/fs ||
		fail "error: mount of $name: $(dmesg | tail -n 1)"
	mapped_race "$name" /mnt/fs/data
	umount /mnt/fs
	mount -t "$type" ${options:+-o "$options"} $DISK /mnt/fs
	mapped_check "$name" /mnt/fs/data
	umount /mnt/fs
}

run() {
	local mode races=0
	source_new 1
	dm_linear disk /dev/vda 0 256
	no_flusher
	mkdir -p /mnt/fs
	for mode in ordered writeback journal; do
		mapped_on "ext4, data=$mode" ext4 data=$mode -q -F
	done
	mapped_on "XFS" xfs ''
	mapped_on "XFS, 1 KiB" xfs '' -b size=1024
	mapped_on "btrfs" btrfs '' -q -f
	mapped_on "btrfs, nodatacow" btrfs nodatacow -q -f
	mapped_on "f2fs" f2fs '' -q -f
	mapped_on "vfat" vfat ''
	mapped_on "exfat" exfat ''
	mapped_on "UDF" udf '' -b 512
	mapped_on "nilfs2" nilfs2 '' -q -f
	mapped_on "jfs" jfs '' -q -f
	mapped_on "minix" minix '' -3
	mapped_on "gfs2" gfs2 '' -O -q -p lock_nolock -J 8
	mapped_on "ocfs2" ocfs2 '' -q -M local -F -J size=4M
	mapped_stacked
	mapped_expect $races
}

# mapped_stacked: overlayfs and ecryptfs on ext4, and the block device itself.
mapped_stacked() {
	local key
	mkfs.ext4 -q -F $DISK
	mount $DISK /mnt/fs
	mkdir -p /mnt/fs/{lower,upper,work,crypt} /mnt/top
	fillpat -l "$MAPPED_LEN" /mnt/fs/lower/data
	mount -t overlay -o lowerdir=/mnt/fs/lower,upperdir=/mnt/fs/upper,workdir=/mnt/fs/work \
		overlay /mnt/top
	mapped_read "overlayfs" /mnt/top/data
	umount /mnt/top
	races=$((races + 1))
	if modprobe -q ecryptfs && command -v ecryptfs-add-passphrase >/dev/null; then
		key=$(echo secret | ecryptfs-add-passphrase - | sed -n 's/.*\[\(.*\)\].*/\1/p')
		mount -i -t ecryptfs /mnt/fs/crypt /mnt/top \
			-o "ecryptfs_sig=$key,ecryptfs_cipher=aes,ecryptfs_key_bytes=16" ||
			fail "error: mount of ecryptfs: $(dmesg | tail -n 1)"
		mapped_read "ecryptfs" /mnt/top/data
		umount /mnt/top
		races=$((races + 1))
	fi
	umount /mnt/fs
	mapped_read "block device" $DISK
	races=$((races + 1))
}
