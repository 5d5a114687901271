# shellcheck shell=bash disable=SC2034
# A device that needs stable content (queue/stable_writes is 1) and checksums
# what it gets: dm-integrity. On a stock kernel a direct read changes the page
# between the checksum and the write below, and the block cannot be read back.
DESC="ext4 on a checksumming device, O_DIRECT read into a mapping during fsync"
TIMEOUT=120
STOCK=fail

requires() { need_cmd dmsetup; need_mod dm-integrity; requires_fs ext4; }

run() { checker_race ext4 64 262144; }
