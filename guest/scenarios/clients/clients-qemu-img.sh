# shellcheck shell=bash disable=SC2034
# Disk images by direct I/O: qemu-img convert with threads, native AIO and io_uring, to raw
# and qcow2 and back, compare, check; qemu-io writes and verifies patterns at odd
# places; dd. The target is XFS on a disk with protection information. On a patched
# kernel all of it takes pins and gives them back; a stock kernel passes, too.
DESC="qemu-img, qemu-io and dd with O_DIRECT on XFS on DIF/DIX: right data, pins given back"
TIMEOUT=180
STOCK=pass
ONLY="6.1"

requires() { need_cmd qemu-img qemu-io; need_mod scsi_debug; requires_fs xfs ext4; }

# took_pins WHAT BEFORE: on a patched kernel it did.
took_pins() {
	local n
	is_patched || return 0
	n=$(($(vmstat nr_foll_pin_acquired) - $2))
	info "$1: $n pins"
	((n > 0)) || fail "$1: direct I/O took no pins"
}

run() {
	local before d=/mnt/xfs aio src=/mnt/ext4/src.raw
	local raw="driver=raw,file.driver=file,file.cache.direct=on"
	dif_new 160
	fs_new xfs "$DIF" $d
	fs_new ext4 /dev/vda /mnt/ext4
	fillpat -w S -l 12m $src
	truncate -s 20m $src			# and a hole
	fillpat -w F -l 1m /run/tail
	dd if=/run/tail of=$src bs=1M seek=19 conv=notrunc status=none

	for aio in threads native io_uring; do
		before=$(vmstat nr_foll_pin_acquired)
		truncate -s 20m $d/$aio.raw
		qemu-img convert --image-opts --target-image-opts -n -W -m 8 \
			"$raw,file.aio=$aio,file.filename=$src" "$raw,file.aio=$aio,file.filename=$d/$aio.raw" \
			>/run/img 2>&1 || fail "convert, $aio: $(head -n 1 /run/img)"
		qemu-img compare -T none -f raw -F raw $src $d/$aio.raw >/run/img 2>&1 ||
			fail "compare, $aio: $(head -n 1 /run/img)"
		cmp $src $d/$aio.raw || fail "$aio: the copy differs"
		took_pins "convert, $aio" "$before"
		rm $d/$aio.raw
	done

	before=$(vmstat nr_foll_pin_acquired)
	qemu-img convert -q -T none -t none -f raw -O qcow2 $src $d/disk.qcow2
	qemu-io -f qcow2 -t none -c 'write -P 0xa5 0 64k' -c 'write -P 0x5a 3M 1M' \
		-c 'aio_write -P 0x3c 5000k 70000' -c 'aio_write -z 8M 1M' -c 'aio_flush' -c 'flush' \
		-c 'read -P 0xa5 0 64k' -c 'read -P 0x5a 3M 1M' -c 'read -P 0x3c 5000k 70000' \
		-c 'read -P 0 8M 1M' $d/disk.qcow2 >/run/img 2>&1 || fail "qemu-io: $(grep -m 1 -v wrote /run/img)"
	if grep -iE 'fail|error' /run/img; then fail "qemu-io: $(grep -m 1 -iE 'fail|error' /run/img)"; fi
	qemu-img check -q -T none -f qcow2 $d/disk.qcow2 || fail "qemu-img check: the image is damaged"
	qemu-img snapshot -c one $d/disk.qcow2
	qemu-img convert -q -T none -t none -f qcow2 -O raw $d/disk.qcow2 /mnt/ext4/back.raw
	qemu-img compare -q -T none -f qcow2 -F raw $d/disk.qcow2 /mnt/ext4/back.raw || fail "the image and its copy differ"
	took_pins qcow2 "$before"

	before=$(vmstat nr_foll_pin_acquired)
	dd if=$src of=$d/dd.raw bs=256k iflag=direct oflag=direct status=none
	cmp $src $d/dd.raw || fail "dd: the copy differs"
	took_pins dd "$before"

	umount $d
	mount "$DIF" $d
	qemu-img check -q -f qcow2 $d/disk.qcow2 || fail "after a mount: the image is damaged"
	qemu-img compare -q -f qcow2 -F raw $d/disk.qcow2 /mnt/ext4/back.raw || fail "after a mount: the image and its copy differ"
	cmp $src $d/dd.raw || fail "after a mount: dd's copy differs"
	umount $d /mnt/ext4
}
