# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# 512 pages of one file, each a page of its own, all held by direct reads, in as few bios as ext4
# makes of them.
# Stock: 512 of 512 pages cannot be read back, as in checker-ext4. Patched: all have the old data.
DESC="ext4, 512 pages in few bios, a direct read holds each of them"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup
	need_mod dm-integrity
	requires_fs ext4
}

run() { checker_race ext4 64 2097152; }
