# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Exactly the pages that are pinned are bounced, only while they are pinned, and only where the
# device needs stable content: counted in /proc/vmstat and traced page by page. Shared memory that
# is written directly is not bounced, either.
# Stock: not run, as it has nothing to count.
DESC="bounces are counted exactly, and end with the pins"
TIMEOUT=120
STOCK=skip

requires() {
	need_cmd dmsetup fio
	need_file /sys/kernel/tracing/events/writeback/writeback_bounce_page
	requires_fs ext4 xfs
}

# race_5_pages FILE: a direct read holds 5 of 64 pages during fsync().
race_5_pages() {
	dm_hold source
	pinrace -f "$1" -l 256k -s "$SOURCE" -r 8k:4k -r 40k:16k dirty=1 read fsync \
		"sh=$RELEASE source" reap
}

run() {
	local tracing=/sys/kernel/tracing fs device inode page
	is_patched || skip "a stock kernel bounces nothing"
	source_new 1
	dm_linear plain /dev/vda 0 64
	want_stable /dev/vdb
	for fs in ext4 xfs; do
		dm_linear stable /dev/vdb 64 64
		fs_new $fs /dev/mapper/stable /mnt
		fillpat -l 256k /mnt/data
		sync
		device=$(stat -c %Hd:%Ld /mnt/data)
		inode=$(stat -c %i /mnt/data)
		echo >$tracing/trace
		echo 1 >$tracing/events/writeback/writeback_bounce_page/enable
		mark_bounced
		race_5_pages /mnt/data
		expect_bounced 5 exactly
		grep writeback_bounce_page $tracing/trace | tee /run/trace
		for page in 2 10 11 12 13; do
			grep -q "bdi $device: ino=$inode index=$page bytes=4096$" /run/trace ||
				fail "$fs: no trace of inode $inode index $page:" \
					"$(head -n 1 /run/trace)"
		done
		[[ $(grep -c "ino=$inode " /run/trace) == 5 ]] ||
			fail "$fs: more than 5 trace lines"
		# The pins are gone, and with them the bounces.
		pins_balanced 10 || fail "$fs: $(pins_outstanding) pins left"
		sync
		mark_bounced
		pinrace -f /mnt/data -l 256k dirty=2 fsync
		expect_bounced 0 exactly
		umount /mnt
		dmsetup remove stable
	done
	# On a device that does not need stable content no page is copied.
	fs_new ext4 /dev/mapper/plain /mnt
	fillpat -l 256k /mnt/data
	sync
	mark_bounced
	race_5_pages /mnt/data
	expect_bounced 0 exactly
	if [[ $BASE == 5.4 ]]; then
		return 0
	fi
	# A direct write from shared memory, which is pinned and is in the page cache. It has no
	# storage, so it has no writeback.
	truncate -s 1m /dev/shm/buffer
	fio --name=fixed --filename=/dev/vdb --offset=256m --size=4m --bs=256k --rw=write \
		--direct=1 --ioengine=io_uring --fixedbufs=1 --iomem=mmapshared:/dev/shm/buffer \
		--eta=never >/out/fio.txt 2>&1 || fail "fio: $(fio_error /out/fio.txt)"
	expect_bounced 0 exactly
}
