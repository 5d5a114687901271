# shellcheck shell=bash disable=SC2034
# SMB without the page cache: with O_DIRECT the transport receives into user pages, and
# without a lease a worker copies the reply there, maybe after the program is gone. On a
# stock kernel the pages are only referenced.
DESC="direct I/O on SMB: right data, pages pinned until the reply, none left"
TIMEOUT=300
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() { need_cmd dmsetup fio; requires_fs ext4; requires_smbd; }

run() {
	local opt
	net_scratch
	net_disk
	net_smb_server
	net_smb_mount vers=3.1.1,cache=none
	net_pinned killable
	umount $NET
	# Signed replies are looked at once more where they are; encrypted ones are
	# decrypted into pages of the client and copied.
	for opt in vers=3.1.1,cache=none vers=3.1.1,sign vers=3.1.1,seal vers=2.1; do
		net_smb_mount $opt
		net_probe "SMB, $opt" dioprobe -w -s /mnt/scratch/map $NET/data
		net_probe "SMB, $opt, odd" oddprobe -s /mnt/scratch/map $NET/data
		net_fio "SMB, $opt" $NET/fio
		umount $NET
	done
}
