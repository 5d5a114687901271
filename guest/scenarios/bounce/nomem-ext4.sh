# shellcheck shell=bash disable=SC2034
# Writeback frees memory, so it must not need any: all pages of several bios are
# pinned, their copies find no memory but the reserve, and everybody finishes.
# A stock kernel makes no copies: there is nothing to try.
DESC="ext4: no memory for bounce pages, 2048 pinned pages, four fsync at once"
TIMEOUT=180
STOCK=skip

requires() {
	need_cmd dmsetup
	requires_fs ext4
	is_patched || skip "a stock kernel makes no bounce pages"
	need_file /sys/kernel/debug/fail_function/injectable
}

run() { nomem_race ext4; }
