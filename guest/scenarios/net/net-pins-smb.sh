# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# SMB without the page cache, every way into it: with O_DIRECT the transport receives into user
# pages, and without a lease a worker copies the reply there, maybe after the program is gone. A
# reader is killed while its server does not answer.
# Stock: the pages are only referenced. Patched: they are pinned until the reply.
DESC="SMB: right data, pages pinned until the reply"
TIMEOUT=300
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() {
	need_cmd dmsetup fio
	requires_fs ext4
	requires_smbd
}

run() {
	local options
	net_scratch
	net_disk
	net_smb_server
	net_smb_mount vers=3.1.1,cache=none
	net_pinned killable
	umount $NET
	# Signed replies are read once more in place; encrypted ones are decrypted into pages of
	# the client and copied.
	for options in vers=3.1.1,cache=none vers=3.1.1,sign vers=3.1.1,seal vers=2.1; do
		net_smb_mount $options
		net_probe "SMB, $options" dioprobe -w -s /mnt/scratch/map $NET/data
		net_probe "SMB, $options, odd" oddprobe -s /mnt/scratch/map $NET/data
		net_fio "SMB, $options" $NET/fio
		umount $NET
	done
}
