# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# An O_DIRECT read from NFS fills pages of a mapped file on a local filesystem. The server does not
# answer until that file is synced, so its pages are clean when the data arrives. They have to be
# marked dirty under the page lock, before the read is reported as done.
# Stock: marks the pages dirty in nfsiod without the page lock, and ext4 complains with a WARNING.
# The other filesystems do not complain, and stock saves the data.
# Patched: no complaint, and the next fsync() saves the data.
DESC="FS: a read over the network into a clean mapped file is saved"
TIMEOUT=180
STOCK=pass
STOCK_ext4=fail
ONLY="6.1"
FS="ext4 xfs"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() {
	need_cmd dmsetup
	requires_fs ext4 "$FS"
	requires_net_nfs
}

run() {
	local version file
	net_disk
	net_nfs_server
	dm_linear disk /dev/vda 0 512
	fs_new "$FS" /dev/mapper/disk /mnt/local
	for version in 4.0 3; do
		net_nfs_mount $version
		file=/mnt/local/data$version
		fillpat -l $NET_LEN "$file"
		net_cold
		pinrace -f "$file" -l $NET_LEN -s $NET/source dirty=1 \
			"sh=$HOLD server" read fsync "sh=$RELEASE server" reap fsync |
			tee /run/race
		[[ $(grep -cx 'fsync ok' /run/race) == 2 ]] || fail "$(</run/race)"
		umount $NET
	done
	! dmesg | grep 'WARNING: CPU' >/run/warning || fail "$(head -n 1 /run/warning)"
}

# The second fsync() has promised the data of the read.
verify() {
	local version
	dm_linear disk /dev/vda 0 512
	mount -t "$FS" /dev/mapper/disk /mnt
	for version in 4.0 3; do
		expect_pages "data of NFS $version" "$(pagecheck -g 1 /mnt/data$version)" new
	done
}
