# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A mapped file on NFS is dirtied and synced while a direct read into it is under way, so its pages
# are clean when the data arrives. The end of the read marks them dirty, but NFS writes only pages
# that have a request, which a page fault or write() makes. The next fsync() has to save the data
# all the same: on the server, and for a client without cached pages. "part": before that fsync()
# a write() makes a request for 512 bytes of the first page, and a lock keeps NFS from extending the
# request to the page. "unmapped": the file is unmapped before the data arrives, so no file is open
# for writing any more. Then fsync() has to fail.
# Stock: fsync() is ok, and 64 of 64 pages have the old content. Patched: the data is saved, or the
# error is reported.
DESC="NFS saves the data of a direct read into a mapped file"
TIMEOUT=120
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() {
	need_cmd dmsetup flock
	requires_fs ext4
	requires_net_nfs
}

run() {
	local version
	source_new 1 /dev/vda
	net_disk
	net_nfs_server
	for version in 3 4.0 4.2; do
		net_nfs_mount $version
		mapped_read "NFS $version" $NET/mapped
		mapped_server "NFS $version"
		mapped_part "NFS $version, part"
		mapped_unmapped "NFS $version, unmapped" $NET/mapped
		umount $NET
	done
	mapped_expect 12
}

# mapped_server WHAT: the same pages on the server.
mapped_server() {
	local line
	line=$(pagecheck -g 1 $NET_DISK/mapped)
	if [[ $line == *' new 64 '* ]]; then
		line=''
	fi
	mapped_result "$1, on the server" "$line"
}

mapped_part() {
	local dd="dd if=$SOURCE of=$NET/mapped bs=512 count=1 conv=notrunc status=none"
	exec 8<$NET/mapped
	flock -s 8
	mapped_read "$1" $NET/mapped "sh=$dd"
	exec 8<&-
}
