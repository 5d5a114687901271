# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# As mapped-local, on UBIFS, which budgets for a page in a page fault and uses the budget up when
# it writes the page back. UBIFS is on flash memory that is emulated in RAM.
# Stock: a page that is marked dirty without a budget is a failed assertion, and the filesystem
# becomes read-only. Patched: writeback budgets for the page, and the data is saved.
DESC="UBIFS saves the data of a direct read into a mapped file"
TIMEOUT=60
STOCK=fail
ONLY="6.1"

requires() {
	need_cmd dmsetup ubiattach ubimkvol
	need_mod mtdram ubi ubifs
}

run() {
	source_new 1
	modprobe mtdram total_size=32768 erase_size=128 writebuf_size=64
	modprobe ubi
	wait_for 10 test -c /dev/mtd0 || fail "error: no /dev/mtd0"
	ubiattach -m 0
	wait_for 10 test -c /dev/ubi0 || fail "error: no /dev/ubi0"
	ubimkvol /dev/ubi0 -N data -m
	modprobe ubifs
	mount -t ubifs ubi0:data /mnt
	no_flusher
	mapped_race UBIFS /mnt/data
	umount /mnt
	mount -t ubifs ubi0:data /mnt
	mapped_check UBIFS /mnt/data
	mapped_unmapped "UBIFS, unmapped" /mnt/data
	mapped_expect 2
}
