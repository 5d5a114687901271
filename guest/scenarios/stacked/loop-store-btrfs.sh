# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# As loop-dio-btrfs, but without any pin: a program stores to a mapping of the file while btrfs has
# taken the checksums and not written the pages yet. The loop device is switched to direct I/O
# after ext4 was mounted, so ext4 has to see that the device asks for stable pages now.
# Stock: 64 of 64 pages of the file cannot be read (EIO). Patched: the store waits for the end of
# writeback, all pages have the old data.
DESC="a loop device on btrfs is switched to direct I/O, stores during fsync, power cut"
TIMEOUT=120
STOCK=fail

# shellcheck source=guest/lib/stacked.sh
. /proj/guest/lib/stacked.sh

requires() {
	need_cmd dmsetup losetup
	need_mod loop
	requires_fs btrfs ext4
}

run() {
	image_new
	loop_on /mnt/image off
	fs_new ext4 $LOOP $INNER -b 4096
	fillpat -l 256k $INNER/data
	sync
	loop_switch on
	store_race $INNER/data 256k "sh=$HOLD disk" "sh=$RELEASE disk"
	info "the program: $(</run/store.how)"
	if is_patched && [[ $(</run/store.how) != waits ]]; then
		fail "the store did not wait for the end of writeback"
	fi
}

verify() {
	image_again
	loop_on /mnt/image on
	mkdir -p $INNER
	mount -t ext4 $LOOP $INNER
	expect_pages "data after the power cut" "$(pagecheck -g 1 $INNER/data)" old
}
