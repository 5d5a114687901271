# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# data=journal: all 512 pages of a file are pinned for good, and the commit of the journal finds
# only the reserve for their copies. So the commit sends the copies that it has before it waits for
# more, with tags for all of them in one descriptor block. Two journals: one has a checksum in each
# tag, the other has one checksum of all blocks in their order.
# Stock: not run, as it makes no copies. Patched: fsync() returns, and after a power cut the data is
# recovered from the journal. (Without CONFIG_FAIL_FUNCTION this is skipped.)
DESC="ext4 data=journal: no memory for copies, power cut"
TIMEOUT=180
STOCK=skip
ONLY="6.1"

requires() {
	need_cmd dmsetup dumpe2fs
	requires_fs ext4
	is_patched || skip "a stock kernel makes no bounce pages"
	need_file /sys/kernel/debug/fail_function/injectable
}

make_devices() {
	dm_linear tags /dev/vda 0 256
	dm_linear whole /dev/vda 256 256
	mkdir -p /mnt/tags /mnt/whole
}

# journal_of NAME: prints the features of its journal.
journal_of() { dumpe2fs -h "/dev/mapper/$1" 2>/dev/null | sed -n 's/^Journal features: *//p'; }

# log_of FILE: prints the name of its log. synced FILE: its fsync() has returned.
log_of() { echo "/run/log${1//\//.}"; }
synced() { grep -qsx 'fsync ok' "$(log_of "$1")"; }

# pinned_sync FILE PERCENT: so often there is no memory for a copy. The pins stay.
pinned_sync() {
	local failures
	mark_bounced
	no_bounce_memory "$2"
	pinrace -f "$1" -l 2m -s "$SOURCE" "dirty=$2" read fsync reap >"$(log_of "$1")" 2>&1 &
	wait_for 60 synced "$1" || fail "fsync hangs: $(cat "$(log_of "$1")")"
	failures=$(bounce_failures)
	no_bounce_memory 0
	info "$1, $2 %: $failures allocations failed"
	((failures > 100)) || fail "error: no allocation failed"
	expect_bounced 512
}

run() {
	source_new 2
	make_devices
	fs_new ext4 /dev/mapper/tags /mnt/tags -b 4096 -O metadata_csum,64bit
	fs_new ext4 /dev/mapper/whole /mnt/whole -b 4096 -O ^metadata_csum
	umount /mnt/tags /mnt/whole
	mount -t ext4 -o data=journal /dev/mapper/tags /mnt/tags
	mount -t ext4 -o data=journal,journal_checksum /dev/mapper/whole /mnt/whole
	fillpat -l 2m /mnt/{tags,whole}/data.{50,100}
	sync
	[[ " $(journal_of tags) " == *" journal_checksum_v3 "* ]] ||
		fail "error: $(journal_of tags)"
	[[ " $(journal_of whole) " == *" journal_checksum "* ]] || fail "error: $(journal_of whole)"
	dm_hold source
	pinned_sync /mnt/tags/data.50 50
	pinned_sync /mnt/tags/data.100 100
	pinned_sync /mnt/whole/data.50 50
	pinned_sync /mnt/whole/data.100 100
}

verify() {
	local name
	make_devices
	for name in tags whole; do
		mount -t ext4 -o data=journal /dev/mapper/$name /mnt/$name ||
			fail "$name: $(dmesg | grep JBD2 | tail -n 1 | sed 's/^\[[^]]*\] //')"
		expect_pages "$name, after the power cut" \
			"$(pagecheck -g 50 /mnt/$name/data.50)" old
		expect_pages "$name, after the power cut" \
			"$(pagecheck -g 100 /mnt/$name/data.100)" old
	done
	dmesg | grep -q 'EXT4-fs.*recovery complete' || fail "error: nothing was recovered"
}
