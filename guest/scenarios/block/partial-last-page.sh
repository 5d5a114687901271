# shellcheck shell=bash disable=SC2034
# The file ends inside its last page; the direct read fills that page to its
# end. The file system clears what is beyond the end and submits the page; what
# the read puts there afterwards must not reach the disk, nor change the write
# under its guard tag (which is how a stock kernel fails, see f2-ext4-dif).
DESC="a partial last page on a disk with DIF/DIX, the race of F2"
TIMEOUT=120
STOCK=fail

requires() { need_cmd dmsetup; need_mod scsi_debug; requires_fs ext4; }

run() { dif_race ext4 64 62440; }
