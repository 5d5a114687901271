# shellcheck shell=bash disable=SC2034
# stress-ng's stressors of mappings, asynchronous and direct I/O and process_vm_*(),
# each with --verify, on a device that checksums what it gets. What goes wrong shows
# as a failed verification, an error of the device below, a pin that is left or a
# complaint of the kernel. A stock kernel passes: none of them reads into a mapped
# file. This guards the series.
DESC="stress-ng: mmap, aio, io-uring, hdd, iomix, vm-rw, vm-splice ..., verified, on dm-integrity"
TIMEOUT=180
STOCK=pass

requires() { need_cmd dmsetup stress-ng; need_mod dm-integrity; requires_fs ext4; }

run() {
	local acquired
	checker_new 96
	fs_new ext4 "$CHECKER" /mnt
	echo 100 >/proc/sys/vm/dirty_writeback_centisecs
	acquired=$(vmstat nr_foll_pin_acquired)
	# Two at a time, in the order given; each ends after some operations, or after 10 s.
	stress-ng --temp-path /mnt --verify --no-rand-seed --metrics-brief --sequential 1 \
		--with mmap,aio,aiol,io-uring,hdd,iomix,vm,vm-rw,vm-splice,msync,mremap,fallocate,splice \
		--timeout "$(scaled 2 | sed 's/\..*//')" --mmap-file --mmap-odirect --mmap-bytes 4m --hdd-bytes 4m \
		--hdd-opts direct,wr-seq,rd-rnd --iomix-bytes 4m --vm-bytes 8m --fallocate-bytes 4m \
		>/out/stress-ng.txt 2>&1 || fail "stress-ng: $(grep -m 1 -iE 'fail|error' /out/stress-ng.txt)"
	if grep -iE 'fail:|verif.*(fail|error)' /out/stress-ng.txt; then
		fail "stress-ng: $(grep -m 1 -iE 'fail:|verif.*(fail|error)' /out/stress-ng.txt)"
	fi
	is_patched && info "$(($(vmstat nr_foll_pin_acquired) - acquired)) pins taken"
	sync
	umount /mnt
	e2fsck -fn "$CHECKER" >/run/fsck 2>&1 || fail "e2fsck: $(tail -n 1 /run/fsck)"
	dd if="$CHECKER" of=/dev/null bs=1M iflag=direct status=none || fail "a block cannot be read"
}
