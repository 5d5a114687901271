# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Every way in which direct I/O takes user pages (iomap, fs/direct-io.c, a block device; one bio,
# several, asynchronous, io_uring with fixed buffers; the end of the file, the zero page, a bad
# buffer, splice) gives back every page, has the right data, and on a patched kernel takes pins.
# A stock kernel takes references and passes.
DESC="every kind of direct I/O has the right data and leaves no pin"
TIMEOUT=180
STOCK=pass

requires() {
	need_cmd dmsetup fio
	requires_fs ext4 xfs btrfs
}

# probe WHAT DIOPROBE_ARGUMENT...
probe() {
	local what=$1
	shift
	dioprobe "$@" >/run/probe 2>&1 || fail "$what: $(grep -m 1 -v '^ok' /run/probe)"
	info "$what: $(grep -c '^ok' /run/probe) cases"
	cat /run/probe
}

run() {
	local fs option types=(ext4 xfs btrfs)
	# vfat is for fs/direct-io.c.
	if command -v mkfs.vfat >/dev/null && modprobe -q vfat; then
		types+=(vfat)
	else
		info "no vfat: fs/direct-io.c is not tried"
	fi
	mkfs.ext4 -q -F /dev/vda 64m
	mkdir -p /mnt/scratch /mnt/fs
	mount -t ext4 /dev/vda /mnt/scratch
	dm_linear disk /dev/vdb 0 160
	fillpat -w S -l 5m /dev/mapper/disk
	probe "block device" -w -s /mnt/scratch/map /dev/mapper/disk
	for fs in "${types[@]}"; do
		fs_new "$fs" /dev/mapper/disk /mnt/fs
		fillpat -w S -l 5243904 /mnt/fs/data
		sync
		option=-w
		if [[ $fs == btrfs ]]; then
			option=-wb
		fi
		probe "$fs" $option -s /mnt/scratch/map /mnt/fs/data
		umount /mnt/fs
	done
	# Not through dm: io_uring of 5.4 gives up (EAGAIN) on a device that may have to wait.
	dmsetup remove disk
	fio --name=uring --filename=/dev/vdb --size=8m --direct=1 --rw=randrw --bs=16k \
		--ioengine=io_uring --fixedbufs=1 --iodepth=8 --verify=crc32c --eta=never \
		>/out/fio.txt 2>&1 || fail "io_uring: $(grep -m 1 -iE 'verify|err' /out/fio.txt)"
}
