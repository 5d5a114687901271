# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A direct read holds the first half of a mapped file, and fsync() has cleaned all of it. Then the
# program asks for the memory of the mapping to be reclaimed, with madvise(MADV_PAGEOUT), which
# needs no privilege. The second half leaves the memory, so there was a reclaim.
# Stock: ext4 frees the buffers of the pages that the device writes to. The read ends and marks
# pages dirty that have no buffers: the kernel warns in ext4_dirty_folio(), and writeback throws
# the data away without an error, with blocks of 1 KiB and of 4 KiB. The other filesystems pass.
# Patched: the data is on the disk.
FS="ext4 xfs btrfs f2fs"
DESC="FS: MADV_PAGEOUT spares the pages of a direct read"
TIMEOUT=90
LONG="xfs f2fs"
STOCK=pass
STOCK_ext4=fail
ONLY="6.1"

requires() {
	need_cmd dmsetup
	requires_fs "$FS"
}

# pageout_case WHAT [MKFS_OPTION]...: the filesystem on the device WHAT; if data is lost, a line is
# added to /run/bad. The data is read after a new mount, so it is from the disk.
pageout_case() {
	local what=$1 line
	shift
	fs_new "$FS" "/dev/mapper/$what" /mnt "$@"
	fillpat -l 512k /mnt/data
	dm_hold source
	pinrace -f /mnt/data -l 512k -s "$SOURCE" -r 0:256k dirty=1 read fsync \
		pageout=32 "sh=$RELEASE source" reap fsync >/run/race 2>&1 ||
		fail "error: $what: $(cat /run/race)"
	umount /mnt
	mount -t "$FS" "/dev/mapper/$what" /mnt
	line=$(pagecheck -g 1 -l 256k /mnt/data)
	info "$what, on the disk: $line"
	if [[ $line != "pages 64 unreadable 0 old 0 new 64 "* ]]; then
		echo "$what: $(counted old "$line") of 64 pages lost" >>/run/bad
	fi
	umount /mnt
}

run() {
	: >/run/bad
	source_new 1
	dm_linear "$FS" /dev/vda 0 512
	pageout_case "$FS"
	if [[ $FS == ext4 ]]; then
		dm_linear ext4-1k /dev/vda 512 64
		pageout_case ext4-1k -b 1024
	fi
	[[ ! -s /run/bad ]] || fail "$(paste -sd '|' /run/bad | sed 's/|/; /g')"
}
