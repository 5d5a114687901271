# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# With skip_copy, RAID 5 computes parity from the page itself and writes the page itself (and asks
# for stable pages). One disk is held while a direct read changes the page.
# Stock: parity does not match the data. Patched: it does.
DESC="RAID 5: parity matches the data after a read during fsync"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup mdadm
	need_mod raid456
}

run() {
	local i
	source_new 1
	for i in 0 1 2; do
		dm_linear slow$i /dev/vda $((i * 32)) 32
	done
	md_new 5 /dev/mapper/slow{0,1,2}
	echo 1 >/sys/block/md0/md/skip_copy
	fillpat -l 256k /dev/md0	# whole stripes of 128 KiB
	# Another device for the same blocks has a page cache of its own: a direct read of it
	# writes nothing out.
	dm_linear alias /dev/md0
	held_race /dev/md0 256k "sh=$HOLD slow0" "sh=$RELEASE slow0"
	expect_bounced 64
	md_check
	expect_pages "data on the disks" \
		"$(pagecheck -g 1 -d /dev/mapper/alias -l 256k /dev/mapper/alias)" old
}
