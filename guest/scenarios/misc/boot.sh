# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The guest boots, and a synced file outlives a power cut: a scenario to read first.
DESC="the guest boots; a synced file outlives a power cut"
TIMEOUT=30
STOCK=pass

requires() {
	need_cmd mkfs.ext4 dmsetup
	need_mod dm-delay
}

run() {
	[[ -b /dev/vda && -b /dev/vdb ]] || fail "no scratch disks"
	[[ -r /proj/guest/run ]] || fail "no project directory"
	mkfs.ext4 -q /dev/vda
	mount /dev/vda /mnt
	echo kept >/mnt/file
	sync
	save_state key value
}

verify() {
	[[ $(load_state key) == value ]] || fail "save_state/load_state lost a value"
	mount /dev/vda /mnt
	[[ $(cat /mnt/file) == kept ]] || fail "a synced file did not survive the power cut"
	umount /mnt
}
