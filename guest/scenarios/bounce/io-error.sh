# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The disk fails the write of pages that a direct read holds (on a patched kernel: of their
# copies). fsync() must say so, once. A stock kernel does; this test keeps the series from losing
# or repeating an error.
DESC="an I/O error of a bounced write reaches fsync() once"
TIMEOUT=120
STOCK=pass

requires() {
	need_cmd dmsetup fallocate filefrag
	requires_fs ext4
}

run() {
	local first blocks size=$((64 * 2048)) expected="fsync EIO fsync ok" result
	source_new 1
	want_stable /dev/vda
	dm_linear disk /dev/vda 0 64
	fs_new ext4 /dev/mapper/disk /mnt -b 4096
	fallocate -l 256k /mnt/data # one extent, no matter when writeback starts
	fillpat -l 256k /mnt/data
	sync
	read -r first blocks < <(filefrag -v /mnt/data |
		awk -F '[:. ]+' '$2 == 0 && $3 == 0 { print $5, $7 }')
	[[ $blocks == 64 ]] ||
		fail "the file is not in one piece: $(filefrag -v /mnt/data | tr '\n' ';')"
	first=$((first * 8)) blocks=$((blocks * 8))
	cat >/run/bad <<-END
		0 $first linear /dev/vda 0
		$first $blocks error
		$((first + blocks)) $((size - first - blocks)) linear /dev/vda $((first + blocks))
	END
	mark_bounced
	dm_hold source
	pinrace -f /mnt/data -l 256k -s "$SOURCE" dirty=1 read \
		"sh=$HOLD disk && dmsetup reload disk /run/bad && dmsetup resume disk" \
		fsync fsync "sh=$RELEASE source" reap | tee /run/race
	result=$(tr '\n' ' ' </run/race)
	[[ $result == "$expected " ]] || fail "${result}instead of $expected"
	expect_bounced 64
}
