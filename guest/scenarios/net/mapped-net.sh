# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# As mapped-nfs, on SMB, FUSE and 9p, which write any dirty page through a file that is open for
# writing. "unmapped": the file is unmapped before the data arrives, so no such file is left, and
# the pages are written by sync(), whose errors only the next fsync() can report.
# Stock: FUSE with a writeback cache loses the data of the unmapped file without an error.
# Patched: the data is saved, or fsync() fails.
DESC="SMB, FUSE, 9p: saved, or an error: a read into a mapped file"
TIMEOUT=180
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() {
	need_cmd dmsetup bindfs diod
	need_mod 9pnet_fd 9p
	requires_fs ext4
	requires_smbd
	requires_net_fuse
}

run() {
	local cache
	source_new 1 /dev/vda
	net_disk
	net_smb_server
	for cache in strict loose none; do
		net_smb_mount vers=3.1.1,cache=$cache
		mapped_file "SMB, cache=$cache"
	done

	net_fuse_mount
	mapped_file "FUSE, writeback cache"
	bindfs $NET_DISK $NET || fail "error: bindfs does not start"
	mapped_file "FUSE"

	modprobe -a 9p 9pnet_fd
	diod -f -n -N -L /run/diod.log -l 127.0.0.1:564 -e $NET_DISK 2>/run/diod.out &
	wait_for 60 diod_listens || fail "error: no diod: $(tail -n 1 /run/diod.*)"
	for cache in mmap loose; do
		mount -t 9p -o trans=tcp,version=9p2000.L,uname=root,aname=$NET_DISK,cache=$cache \
			127.0.0.1 $NET || fail "error: mount of 9p with cache=$cache"
		mapped_file "9p, cache=$cache"
	done
	mapped_expect 14
}
diod_listens() { (exec 3<>/dev/tcp/127.0.0.1/564) 2>/dev/null; }

# mapped_file WHAT: both races on a file of the mount, which is then unmounted.
mapped_file() {
	mapped_read "$1" $NET/mapped
	mapped_unmapped "$1, unmapped" $NET/mapped
	umount $NET
}
