# shellcheck shell=bash disable=SC2034
# 512 pages of one file, each a page of its own, all held by direct reads, in as
# few bios as ext4 makes of them. Fails on a stock kernel as checker-ext4 does.
DESC="ext4, 512 pages under writeback at once, every one held by a direct read"
TIMEOUT=120
STOCK=fail

requires() { need_cmd dmsetup; need_mod dm-integrity; requires_fs ext4; }

run() { checker_race ext4 64 2097152; }
