# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# O_DIRECT on NFS, every way into it: the RPC layer receives into user pages, and sends from them,
# for as long as the server takes, and after the program is gone. A reader is killed while its
# server does not answer.
# Stock: the pages are only referenced. Patched: they are pinned until the reply.
DESC="NFS: right data, pages pinned until the reply"
TIMEOUT=300
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() {
	need_cmd dmsetup fio
	requires_fs ext4
	requires_net_nfs
}

run() {
	local version
	net_scratch
	net_disk
	net_nfs_server
	net_nfs_mount 4.0
	net_pinned killable
	umount $NET
	for version in 4.0 3; do
		net_nfs_mount $version
		net_probe "NFS $version" dioprobe -w -s /mnt/scratch/map $NET/data
		net_probe "NFS $version, odd" oddprobe -s /mnt/scratch/map $NET/data
		net_fio "NFS $version" $NET/fio
		umount $NET
	done
	# Requests that are split, as a page is larger than the server takes.
	net_nfs_mount 4.0 rsize=1024,wsize=1024
	net_probe "NFS in 1 KiB" oddprobe -s /mnt/scratch/map $NET/data
	umount $NET
}
