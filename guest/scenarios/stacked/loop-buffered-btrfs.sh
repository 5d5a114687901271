# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# As loop-dio-btrfs without direct I/O: the loop device copies the pages to the page cache of btrfs,
# and btrfs takes the checksums of the copies. So the loop device needs no stable pages.
# A stock kernel passes; this test guards the series.
DESC="ext4 on a buffered loop device on btrfs, a direct read lands, power cut"
TIMEOUT=120
STOCK=pass
ONLY="6.1"

# shellcheck source=guest/lib/stacked.sh
. /proj/guest/lib/stacked.sh

requires() {
	requires_inner
}

run() {
	source_new 1
	inner_new off
	[[ $(<"$(queue_of $LOOP)/stable_writes") == 0 ]] ||
		fail "the loop device asks for stable pages"
	dm_hold source
	pinrace -f $INNER/data -l 256k -s "$SOURCE" dirty=1 read "sh=$HOLD disk" 'fsync&' \
		settle=2000 "sh=$RELEASE source" reap "sh=$RELEASE disk" join | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
}

verify() {
	inner_again off
	expect_pages "data after the power cut" "$(pagecheck -g 1 $INNER/data)" old new torn
}
