# shellcheck shell=bash disable=SC2034
# As f1-btrfs-powercut, but what is read into the mapping comes from a FUSE daemon: on a
# stock kernel the reply changes pages of which btrfs has taken the checksum.
DESC="F1: O_DIRECT read from FUSE into a mapped btrfs file during fsync, then power cut"
TIMEOUT=180
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() { need_cmd dmsetup; requires_fs ext4 btrfs; requires_net_fuse; }

run() {
	net_disk
	net_fuse_mount
	net_race
}

verify() { net_race_verify; }
