# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# fio with each of its engines that does direct I/O: psync, pvsync2, libaio, io_uring with and
# without fixed buffers, sg. Its buffers are a file on a disk with protection information, which
# is synced over and over. (On 6.1 fixed buffers cannot be a file, so those are not.) The read is
# slow, so that many a sync meets a buffer that is being read into.
# Stock: the disk refuses the write, and sync says EIO. Patched: no error. The data that fio
# compares is right on both.
DESC="fio: five engines, buffers in a synced file on DIF/DIX"
TIMEOUT=240
STOCK=fail
ONLY="6.1"

requires() {
	need_cmd dmsetup fio
	need_mod dm-delay scsi_debug
	requires_fs ext4
}

# run_engine NAME FILE [FIO_OPTION]...: data written and read back, checked by fio.
run_engine() {
	local name=$1 file=$2
	shift 2
	fio --name="$name" --filename="$file" --size=4m --direct=1 --rw=randwrite \
		--bsrange=4k-64k --iodepth=8 --verify=crc32c --verify_fatal=1 --do_verify=1 \
		--randseed=3 --thread --eta=never "$@" >"/out/fio-$name.txt" 2>&1 ||
		fail "$name: fio: $(fio_error "/out/fio-$name.txt")"
	[[ ! -s /run/sync-error ]] || fail "$name: sync: $(head -n 1 /run/sync-error)"
	info "$name: data is right, $(bounced) pages bounced so far"
}

run() {
	local syncer mem=--iomem=mmapshared:/mnt/mem
	modprobe dm-delay
	dm_new disk "0 $((64 * 2048)) delay /dev/vda 0 15 /dev/vda 0 0"
	# Two commands at a time: the rest of a sync waits with its guard tags made.
	dif_new 64 delay=1 max_queue=2
	# Room for SG_IO behind the filesystem.
	dm_linear stable "$DIF" 0 48
	fs_new ext4 /dev/mapper/stable /mnt
	fillpat -l 1m /mnt/mem
	sync
	mark_bounced
	while [[ ! -e /run/stop ]]; do
		sync /mnt/mem 2>>/run/sync-error || break
	done &
	syncer=$!
	run_engine psync /dev/mapper/disk --ioengine=psync "$mem"
	run_engine pvsync2 /dev/mapper/disk --ioengine=pvsync2 "$mem"
	run_engine libaio /dev/mapper/disk --ioengine=libaio "$mem"
	run_engine io_uring /dev/mapper/disk --ioengine=io_uring "$mem"
	run_engine io_uring-fixed /dev/mapper/disk --ioengine=io_uring --fixedbufs=1
	run_engine sg "$DIF" --ioengine=sg --offset=52m --bsrange=4k-4k "$mem"
	touch /run/stop
	wait "$syncer" || true
	[[ ! -s /run/sync-error ]] || fail "sync: $(head -n 1 /run/sync-error)"
	expect_bounced 1
	umount /mnt
}
