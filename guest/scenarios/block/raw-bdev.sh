# shellcheck shell=bash disable=SC2034
# The page cache of a block device itself, mapped: no file system takes part.
# The disk has protection information, so on a stock kernel it refuses the write
# whose page a direct read changed after the guard tag was made (see f2-ext4-dif).
DESC="raw block device through mmap, O_DIRECT read into the mapping during fsync"
TIMEOUT=120
STOCK=fail

requires() { need_cmd dmsetup; need_mod scsi_debug; }

run() {
	source_new 1
	dif_new 8
	fillpat -l 256k "$DIF"
	# Has a page cache of its own: a direct read of it writes nothing out.
	dm_linear alias "$DIF"
	held_race "$DIF" 256k "$DIF_HOLD" "$DIF_RELEASE"
	expect_pages "data on the disk" "$(pagecheck -g 1 -d /dev/mapper/alias -l 256k /dev/mapper/alias)" old
	expect_bounced 64
}
