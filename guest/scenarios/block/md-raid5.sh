# shellcheck shell=bash disable=SC2034
# With skip_copy, RAID 5 computes parity from the page itself and writes the page
# itself (and asks for stable pages). One disk is held while a direct read
# changes the page: on a stock kernel parity does not match the data.
DESC="RAID 5 parity is right after a direct read into a mapping during fsync"
TIMEOUT=120
STOCK=fail

requires() { need_cmd dmsetup mdadm; need_mod raid456; }

run() {
	local d
	source_new 1
	for d in 0 1 2; do dm_linear slow$d /dev/vda $((d * 32)) 32; done
	md_new 5 /dev/mapper/slow{0,1,2}
	echo 1 >/sys/block/md0/md/skip_copy
	fillpat -l 256k /dev/md0	# whole stripes of 128 KiB
	# Has a page cache of its own: a direct read of it writes nothing out.
	dm_linear alias /dev/md0
	held_race /dev/md0 256k "sh=$HOLD slow0" "sh=$RELEASE slow0"
	expect_bounced 64
	md_check
	expect_pages "data on the disks" "$(pagecheck -g 1 -d /dev/mapper/alias -l 256k /dev/mapper/alias)" old
}
