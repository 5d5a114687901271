# shellcheck shell=bash disable=SC2034
# splice() from a file opened with O_DIRECT reads into pages of a pipe. Those behind the
# end of the file are given back before the device is done with them; a bio that holds
# nothing on them would let the device write to memory that is somebody else's by
# then. A stock kernel passes; this guards the series.
DESC="splice of the end of a file with O_DIRECT does not write to freed pages"
TIMEOUT=120
STOCK=pass

requires() { need_cmd dmsetup; requires_fs ext4 xfs; }

run() {
	local fs
	for fs in ext4 xfs; do
		dm_linear disk /dev/vda 0 64
		fs_new $fs /dev/mapper/disk /mnt
		fillpat -l 5000 /mnt/data
		sync
		echo 3 >/proc/sys/vm/drop_caches
		cat /mnt/data >/dev/null && echo 1 >/proc/sys/vm/drop_caches # its inode and extents are known
		dm_hold disk
		splicerace /mnt/data 2048 "$RELEASE disk" >/run/splice 2>&1 || fail "$fs: $(tail -n 1 /run/splice)"
		grep -qx 'spliced 2952' /run/splice || fail "$fs: $(tail -n 1 /run/splice)"
		umount /mnt
		dmsetup remove disk
	done
}
