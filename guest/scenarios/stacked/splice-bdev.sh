# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# splice() from a file of ext4 to a block device that is open with O_DIRECT and takes a checksum
# (dm-integrity) hands the page cache pages of the file to the device. A direct read that lands
# between checksum and write changes the pages.
# Stock: the device cannot read what was written (EILSEQ). Patched: the data is copied to the page
# cache of the device first.
DESC="splice of a mapped file to an O_DIRECT block device, a direct read lands"
TIMEOUT=120
STOCK=fail
ONLY="6.1"

requires() {
	need_cmd dmsetup
	need_mod dm-integrity
	requires_fs ext4
}

run() {
	source_new 1
	dm_linear other /dev/vda 384 64
	fs_new ext4 /dev/mapper/other /run/other
	fillpat -g 1 -l 256k /run/other/data
	checker_new 64
	dm_hold source
	pinrace -f /run/other/data -l 256k -s "$SOURCE" read "sh=$HOLD slow" "splice&=$CHECKER" \
		settle=1000 "sh=$RELEASE source" reap "sh=$RELEASE slow" join | tee /run/race
	grep -qx 'splice ok' /run/race || fail "$(cat /run/race)"
	sync
	echo 3 >/proc/sys/vm/drop_caches
	dd if="$CHECKER" of=/run/copy bs=4k count=64 iflag=direct status=none ||
		fail "the copy cannot be read: $(dd if="$CHECKER" of=/dev/null bs=4k count=64 \
			iflag=direct 2>&1 | head -n 1)"
	expect_pages "the copy" "$(pagecheck -g 1 /run/copy)" old new torn
}
