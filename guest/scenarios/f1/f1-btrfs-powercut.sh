# shellcheck shell=bash disable=SC2034
# btrfs takes the checksum of a page and then submits it. On a stock kernel a
# direct read that lands in between changes the page under the write: fsync()
# returns 0, and after a power cut the data does not match its checksum: EIO.
DESC="F1: btrfs, O_DIRECT read into a mapping during fsync, then power cut"
TIMEOUT=120
STOCK=fail

requires() { need_cmd dmsetup; requires_fs btrfs; }

run() {
	source_new 1
	dm_linear disk /dev/vda 0 512
	fs_new btrfs /dev/mapper/disk /mnt
	fillpat -l 256k /mnt/data
	sync
	dm_hold source
	pinrace -f /mnt/data -l 256k -s "$SOURCE" \
		dirty=1 read "sh=$HOLD disk" 'fsync&' wb settle=1000 \
		"sh=$RELEASE source" reap "sh=$RELEASE disk" join | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
}

verify() {
	dm_linear disk /dev/vda 0 512
	mount -t btrfs /dev/mapper/disk /mnt
	expect_pages "data after the power cut" "$(pagecheck -g 1 /mnt/data)" old new torn
}
