# shellcheck shell=bash disable=SC2034
# Exactly the pages that are pinned, only while they are pinned, and only where
# the device needs stable content. A stock kernel has nothing to count.
DESC="bounces are counted and traced exactly, and end with the pins"
TIMEOUT=120
STOCK=skip

requires() {
	need_cmd dmsetup fio
	need_file /sys/kernel/tracing/events/writeback/writeback_bounce_page
	requires_fs ext4 xfs
}

race() { # FILE: 5 of 64 pages are held during the fsync
	dm_hold source
	pinrace -f "$1" -l 256k -s "$SOURCE" -r 8k:4k -r 40k:16k dirty=1 read fsync \
		"sh=$RELEASE source" reap
}

run() {
	local t=/sys/kernel/tracing fs ino n
	is_patched || skip "a stock kernel bounces nothing"
	source_new 1
	dm_linear plain /dev/vda 0 64
	want_stable /dev/vdb
	for fs in ext4 xfs; do
		dm_linear stable /dev/vdb 64 64
		fs_new $fs /dev/mapper/stable /mnt
		fillpat -l 256k /mnt/data
		sync
		ino=$(stat -c %i /mnt/data)
		echo >$t/trace
		echo 1 >$t/events/writeback/writeback_bounce_page/enable
		mark_bounced
		race /mnt/data
		expect_bounced 5 exactly
		grep writeback_bounce_page $t/trace | tee /run/trace
		for n in 2 10 11 12 13; do
			grep -q "dev $(stat -c %Hd:%Ld /mnt/data) ino $ino index $n " /run/trace ||
				fail "$fs: no trace of inode $ino index $n: $(head -n 1 /run/trace)"
		done
		[[ $(grep -c "ino[ =]$ino\b" /run/trace) == 5 ]] || fail "$fs: more than 5 trace lines"
		# The pins are gone, and with them the bounces.
		pins_balanced 10 || fail "$fs: $(pins_outstanding) pins left"
		sync
		mark_bounced
		pinrace -f /mnt/data -l 256k dirty=2 fsync
		expect_bounced 0 exactly
		umount /mnt
		dmsetup remove stable
	done
	# Nobody needs stable content: nothing is copied.
	fs_new ext4 /dev/mapper/plain /mnt
	fillpat -l 256k /mnt/data
	sync
	mark_bounced
	race /mnt/data
	expect_bounced 0 exactly
	# A direct write from shared memory, which is pinned and is in the page cache: it has
	# no storage, so nothing is written back.
	[[ $BASE != 5.4 ]] || return 0
	truncate -s 1m /dev/shm/buffer
	fio --name=fixed --filename=/dev/vdb --offset=256m --size=4m --bs=256k --rw=write --direct=1 \
		--ioengine=io_uring --fixedbufs=1 --iomem=mmapshared:/dev/shm/buffer --eta=never \
		>/out/fio.txt 2>&1 || fail "fio: $(grep -m 1 -E 'error=|err= *[1-9]|fio:' /out/fio.txt)"
	expect_bounced 0 exactly
}
