# shellcheck shell=bash disable=SC2034
DESC="The guest boots, sees the host's tools, its disks and the project"
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
	save key value
}

verify() {
	[[ $(load key) == value ]] || fail "save/load lost a value"
	mount /dev/vda /mnt
	[[ $(cat /mnt/file) == kept ]] || fail "a synced file did not survive the power cut"
	umount /mnt
}
