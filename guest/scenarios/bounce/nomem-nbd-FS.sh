# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# As nomem-loop-FS, but a server of this machine serves the image as a network block device, and a
# task of the server has to write to the pages that are under writeback.
# Stock: not run, as it makes no copies. Patched: both fsync() finish.
# (Without CONFIG_FAIL_FUNCTION this is skipped.)
DESC="FS on nbd of the same machine, pinned on both levels, no memory"
TIMEOUT=120
LONG="btrfs"
STOCK=skip
ONLY="6.1"
FS="btrfs ext4"

# shellcheck source=guest/lib/nomem.sh
. /proj/guest/lib/nomem.sh

requires() {
	requires_nomem
	need_cmd qemu-nbd filefrag btrfs
	requires_fs ext4 "$FS"
	need_mod nbd
}

nbd_has_size() { (($(</sys/block/nbd0/size) > 0)); }

run() {
	outer_new
	image_on_outer
	modprobe nbd nbds_max=1
	qemu-nbd --connect=/dev/nbd0 --format=raw --cache=writeback --aio=threads /mnt/image \
		>/run/nbd.log 2>&1 &
	wait_for 60 nbd_has_size || fail "error: qemu-nbd: $(tail -n 1 /run/nbd.log)"
	inner_disk "$FS" /dev/nbd0
	levels_race /mnt/image 'dm_hold inner' 'dm_release inner'
}
