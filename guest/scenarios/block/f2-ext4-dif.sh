# shellcheck shell=bash disable=SC2034
# A disk with protection information: the block layer makes a guard tag for
# each sector when the write is submitted, and the disk checks it. While the
# request waits in the queue a direct read changes the page: on a stock kernel
# the disk refuses the write and fsync() reports an I/O error.
# The wait is certain: the host adapter is kept in recovery meanwhile.
DESC="F2: ext4 on a disk with DIF/DIX, O_DIRECT read into a mapping during fsync"
TIMEOUT=120
STOCK=fail

requires() { need_cmd dmsetup; need_mod scsi_debug; requires_fs ext4; }

run() { dif_race ext4 64 262144; }
