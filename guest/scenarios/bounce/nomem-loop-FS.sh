# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# FS on a loop device, whose image is a file on ext4, pinned pages on both levels, and no memory for
# copies but a reserve. The inner fsync() has copies on their way to the loop device, which is held.
# Then the outer fsync() has pages of the image under writeback and needs copies. When the device
# goes on, the worker of the loop device has to write to these pages, and waits for their writeback.
# So copies of the outer level must not wait for copies of the inner level.
# Stock: not run, as it makes no copies. Patched: both fsync() finish.
# (Without CONFIG_FAIL_FUNCTION this is skipped.)
DESC="FS on a loop device, pinned on both levels, no memory"
TIMEOUT=120
LONG="btrfs"
STOCK=skip
ONLY="6.1"
FS="btrfs ext4"

# shellcheck source=guest/lib/nomem.sh
. /proj/guest/lib/nomem.sh

requires() {
	requires_nomem
	need_cmd losetup filefrag btrfs
	requires_fs ext4 "$FS"
	need_mod loop
}

run() {
	outer_new
	image_on_outer
	modprobe loop
	losetup /dev/loop0 /mnt/image
	inner_disk "$FS" /dev/loop0
	levels_race /mnt/image 'dm_hold inner' 'dm_release inner'
}
