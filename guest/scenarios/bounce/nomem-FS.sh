# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Writeback frees memory, so it must not need any: all pages of several bios are pinned for good,
# the allocator of bounce pages fails every second time, then always, and four fsync() run at once.
# Their copies find only the reserve.
# Stock: not run, as it makes no copies. Patched: all fsync() finish, and all data is right.
# (Without CONFIG_FAIL_FUNCTION this is skipped.)
FS="btrfs ext4 xfs"
DESC="FS: no memory for copies of 2048 pinned pages, four fsync()"
TIMEOUT=180
STOCK=skip

requires() {
	need_cmd dmsetup
	requires_fs "$FS"
	is_patched || skip "a stock kernel makes no bounce pages"
	need_file /sys/kernel/debug/fail_function/injectable
}

run() { nomem_race "$FS"; }

verify_btrfs() { nomem_verify btrfs; }
