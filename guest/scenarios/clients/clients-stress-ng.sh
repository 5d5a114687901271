# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# stress-ng's stressors of mappings, asynchronous and direct I/O and process_vm_*(), each with
# --verify, on a device that checksums its data. A bug shows as a failed verification, an error
# of the device below, a pin that is left or a complaint of the kernel.
# A stock kernel passes: none of the stressors reads into a mapped file. This test guards the
# series.
DESC="stress-ng: mmap, aio, hdd, vm-rw ... verified on dm-integrity"
TIMEOUT=180
LONG=1
STOCK=pass
ONLY="6.1"

requires() {
	need_cmd dmsetup stress-ng
	need_mod dm-integrity
	requires_fs ext4
}

# stress STRESSOR...: all at once, for 8 s.
stress() {
	local bad
	stress-ng --temp-path /mnt --verify --metrics-brief --timeout "$(whole_duration 8)" "$@" \
		>/run/stress 2>&1 || fail "stress-ng:" \
			"$(grep -m 1 -iE 'fail|error' /run/stress || tail -n 1 /run/stress)"
	cat /run/stress
	bad=$(grep -m 1 -E 'fail: |verification failed' /run/stress) || true
	[[ ! $bad ]] || fail "stress-ng: $bad"
}

run() {
	local acquired
	checker_new 96
	fs_new ext4 "$CHECKER" /mnt
	echo 100 >/proc/sys/vm/dirty_writeback_centisecs
	acquired=$(vmstat nr_foll_pin_acquired)
	stress --mmap 1 --mmap-file --mmap-odirect --mmap-bytes 4m --aio 1 --aiol 1 --vm-rw 1 \
		--vm-splice 1
	stress --hdd 1 --hdd-bytes 4m --hdd-opts direct,wr-seq,rd-rnd --iomix 1 --iomix-bytes 4m \
		--fallocate 1 --fallocate-bytes 4m --vm 1 --vm-bytes 8m --msync 1 --mremap 1 \
		--splice 1
	if is_patched; then
		info "$(($(vmstat nr_foll_pin_acquired) - acquired)) pins taken"
	fi
	sync
	umount /mnt
	e2fsck -fn "$CHECKER" >/run/fsck 2>&1 || fail "e2fsck: $(tail -n 1 /run/fsck)"
	dd if="$CHECKER" of=/dev/null bs=1M iflag=direct status=none ||
		fail "a block cannot be read"
}
