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
ONLY="6.1"

# shellcheck source=guest/lib/stacked.sh
. /proj/guest/lib/stacked.sh

requires() {
	requires_inner
}

run() {
	inner_new off
	loop_switch on
	store_race $INNER/data 256k "sh=$HOLD disk" "sh=$RELEASE disk"
	info "the program: $(</run/store.how)"
	if is_patched && [[ $(</run/store.how) != waits ]]; then
		fail "the store did not wait for the end of writeback"
	fi
}

verify() {
	inner_again on
	expect_pages "data after the power cut" "$(pagecheck -g 1 $INNER/data)" old
}
