# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# As f1-btrfs-powercut, but the data of the read comes from an SMB server, in the same guest, whose
# disk is held.
# Stock: the reply changes pages after btrfs took their checksums: 64 of 64 pages cannot be read
# after the power cut. Patched: all pages have the old data.
DESC="F1 with data from SMB: btrfs, a read lands during fsync"
TIMEOUT=180
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() {
	need_cmd dmsetup
	requires_fs ext4 btrfs
	requires_smbd
}

run() {
	net_disk
	net_smb_server
	net_smb_mount vers=3.1.1,cache=none
	net_race
}

verify() { net_race_verify; }
