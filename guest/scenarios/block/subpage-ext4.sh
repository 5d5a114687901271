# shellcheck shell=bash disable=SC2034
# Four blocks to a page: the bios that carry a page need not carry all of it.
# Fails on a stock kernel as f2-ext4-dif does.
DESC="ext4 with 1 KiB blocks on a disk with DIF/DIX, the race of F2"
TIMEOUT=120
STOCK=fail

requires() { need_cmd dmsetup; need_mod scsi_debug; requires_fs ext4; }

run() { dif_race ext4 64 262144 -b 1024; }
