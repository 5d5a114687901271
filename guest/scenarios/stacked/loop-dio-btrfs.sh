# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# ext4 in a file of btrfs, behind a loop device with direct I/O. The loop device hands the pages of
# a file of that ext4 to btrfs, which takes checksums of the pages and then submits them. A direct
# read that lands in between changes the pages. fsync() returns 0, then the power is cut.
# Stock: 64 of 64 pages of the file cannot be read (EIO). Patched: the loop device asks for stable
# pages, ext4 sends copies, all pages have the old data.
DESC="ext4 on a loop device with direct I/O on btrfs, a direct read lands, power cut"
TIMEOUT=120
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/stacked.sh
. /proj/guest/lib/stacked.sh

requires() {
	requires_inner
}

run() {
	source_new 1
	inner_new on
	held_race $INNER/data 256k "sh=$HOLD disk" "sh=$RELEASE disk"
	expect_bounced 64
}

verify() {
	inner_again on
	expect_pages "data after the power cut" "$(pagecheck -g 1 $INNER/data)" old new torn
}
