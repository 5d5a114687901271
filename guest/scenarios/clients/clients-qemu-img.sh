# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Disk images by direct I/O: qemu-img convert with threads, native AIO and io_uring, to raw and
# qcow2 and back, compare, check; qemu-io writes and verifies patterns at odd places; dd. The
# target is XFS on a disk with protection information. On a patched kernel all of it takes pins and
# gives them back; a stock kernel passes, with references.
DESC="qemu-img, qemu-io, dd with O_DIRECT: right data, no pin left"
TIMEOUT=180
STOCK=pass
ONLY="6.1"

requires() {
	need_cmd qemu-img qemu-io
	need_mod scsi_debug
	requires_fs xfs ext4
}

# took_pins WHAT BEFORE: on a patched kernel it did.
took_pins() {
	local pins
	if is_patched; then
		pins=$(($(vmstat nr_foll_pin_acquired) - $2))
		info "$1: $pins pins"
		((pins > 0)) || fail "$1: direct I/O took no pins"
	fi
}

SOURCE_IMAGE=/mnt/ext4/src.raw
XFS=/mnt/xfs
# The same data as $XFS/disk.qcow2.
COPY=/mnt/ext4/back.raw

# new_source: 20 MiB, with a hole.
new_source() {
	fillpat -w S -l 12m $SOURCE_IMAGE
	truncate -s 20m $SOURCE_IMAGE
	fillpat -w F -l 1m /run/tail
	dd if=/run/tail of=$SOURCE_IMAGE bs=1M seek=19 conv=notrunc status=none
}

# convert_raw AIO
convert_raw() {
	local before target=$XFS/$1.raw
	local raw="driver=raw,file.driver=file,file.cache.direct=on,file.aio=$1"
	before=$(vmstat nr_foll_pin_acquired)
	truncate -s 20m "$target"
	qemu-img convert --image-opts --target-image-opts -n -W -m 8 \
		"$raw,file.filename=$SOURCE_IMAGE" "$raw,file.filename=$target" \
		>/run/img 2>&1 || fail "convert, $1: $(head -n 1 /run/img)"
	qemu-img compare -T none -f raw -F raw $SOURCE_IMAGE "$target" >/run/img 2>&1 ||
		fail "compare, $1: $(head -n 1 /run/img)"
	cmp $SOURCE_IMAGE "$target" || fail "$1: the copy differs"
	took_pins "convert, $1" "$before"
	rm "$target"
}

use_qcow2() {
	local before disk=$XFS/disk.qcow2
	before=$(vmstat nr_foll_pin_acquired)
	qemu-img convert -q -T none -t none -f raw -O qcow2 $SOURCE_IMAGE $disk
	qemu-io -f qcow2 -t none -c 'write -P 0xa5 0 64k' -c 'write -P 0x5a 3M 1M' \
		-c 'aio_write -P 0x3c 5000k 70000' -c 'aio_write -z 8M 1M' \
		-c 'aio_flush' -c 'flush' -c 'read -P 0xa5 0 64k' -c 'read -P 0x5a 3M 1M' \
		-c 'read -P 0x3c 5000k 70000' -c 'read -P 0 8M 1M' $disk >/run/img 2>&1 ||
		fail "qemu-io: $(grep -m 1 -v wrote /run/img)"
	if grep -iE 'fail|error' /run/img; then
		fail "qemu-io: $(grep -m 1 -iE 'fail|error' /run/img)"
	fi
	qemu-img check -q -T none -f qcow2 $disk || fail "qemu-img check: the image is damaged"
	qemu-img snapshot -c one $disk
	qemu-img convert -q -T none -t none -f qcow2 -O raw $disk $COPY
	qemu-img compare -q -T none -f qcow2 -F raw $disk $COPY ||
		fail "the image and its copy differ"
	took_pins qcow2 "$before"
}

run() {
	local before aio
	dif_new 160
	fs_new xfs "$DIF" $XFS
	fs_new ext4 /dev/vda /mnt/ext4
	new_source
	for aio in threads native io_uring; do
		convert_raw $aio
	done
	use_qcow2

	before=$(vmstat nr_foll_pin_acquired)
	dd if=$SOURCE_IMAGE of=$XFS/dd.raw bs=256k iflag=direct oflag=direct status=none
	cmp $SOURCE_IMAGE $XFS/dd.raw || fail "dd: the copy differs"
	took_pins dd "$before"

	umount $XFS
	mount "$DIF" $XFS
	qemu-img check -q -f qcow2 $XFS/disk.qcow2 || fail "after a mount: the image is damaged"
	qemu-img compare -q -f qcow2 -F raw $XFS/disk.qcow2 $COPY ||
		fail "after a mount: the image and its copy differ"
	cmp $SOURCE_IMAGE $XFS/dd.raw || fail "after a mount: dd's copy differs"
	umount $XFS /mnt/ext4
}
