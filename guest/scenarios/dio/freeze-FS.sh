# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A direct read holds the pages of a mapped file, fsync() cleans them, and the filesystem is frozen
# for a snapshot of its device. Then the read lands. No page fault and no write() is needed for
# that, so the freeze does not stop it, and the pages are dirty. sync() is called, and the flusher
# runs.
# Stock: they write the pages, so the device changes while it is copied.
# Patched: the device does not change. sync() returns, and the pages are written after the thaw.
# fsync() and syncfs() wait for the thaw, as write() does. Readers of the file do not wait.
# Last, the filesystem is frozen again and again while a program syncs its mapping and reads into
# it: after each freeze no write reaches the device before the thaw.
FS="ext4 xfs btrfs"
DESC="FS: a frozen device does not change when a read lands"
TIMEOUT=180
LONG="xfs btrfs"
STOCK=fail
ONLY="6.1"
FREEZES=6
SIZE_MB=320
SIZE_MB_ext4=64
SIZE_MB_btrfs=256

requires() {
	need_cmd dmsetup fsfreeze md5sum
	need_file /sys/kernel/tracing/events/writeback/writeback_written
	requires_fs "$FS"
}

TRACING=/sys/kernel/tracing

# device_sum: prints the checksum of the disk, from the device below the one of the filesystem,
# because a read of that one would write its page cache.
device_sum() { dd if=/dev/vda bs=1M count=$SIZE_MB iflag=direct status=none | md5sum; }

# expect_unchanged WHAT: the disk is as it was when the filesystem was frozen (SUM).
expect_unchanged() {
	[[ $(device_sum) == "$SUM" ]] || fail "the device of the frozen filesystem changed: $1"
}

# pause NAME UNTIL: prints a step of pinrace that tells of NAME and waits for UNTIL.
pause() { echo "sh=touch /run/at.$1; until [ -e /run/go.$2 ]; do sleep 0.1; done"; }

# reached NAME: waits until pinrace comes to this pause.
reached() {
	wait_for 60 test -e "/run/at.$1" || fail "error: no $1: $(cat /run/race)"
}

ended() { ! kill -0 "$1" 2>/dev/null; }

# flusher_ran: a periodic writeback of this filesystem has ended since the trace was cleared.
flusher_ran() { grep -q "bdi $BDI: .*reason=periodic" $TRACING/trace; }

# waiting_in FUNCTION: prints how many tasks wait in this function of the kernel.
waiting_in() { (grep -ls "\b$1\b" /proc/[0-9]*/task/*/stack || true) | wc -l; }
sync_tasks_wait() { (($(waiting_in frozen_writeback_wait) == 2)); }

# race GENERATION STEP...: pinrace in the background up to the moment when the read has landed in
# the frozen filesystem. Sets SUM, the disk before the read landed.
race() {
	local generation=$1
	shift
	rm -f /run/at.* /run/go.*
	dm_hold source
	pinrace -f /mnt/data -l 256k -s "$SOURCE" "dirty=$generation" read fsync \
		"$(pause synced frozen)" reap dirtied "$@" >/run/race 2>&1 &
	PINRACE=$!
	reached synced
	fsfreeze -f /mnt
	SUM=$(device_sum)
	dm_release source
	touch /run/go.frozen
}

# thaw: fails if the filesystem cannot be thawed.
thaw() {
	local pid
	fsfreeze -u /mnt &
	pid=$!
	wait_for 20 ended $pid || fail "the thaw hangs"
}

# flusher_often: the flusher runs each half second, and now.
flusher_often() {
	echo 50 >/proc/sys/vm/dirty_expire_centisecs
	echo 50 >/proc/sys/vm/dirty_writeback_centisecs
}

# expect_read WHAT: the file has the data of the read.
expect_read() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	expect_pages "$1" "$(pagecheck -g 1 /mnt/data)" new
}

# Round 1: sync() and the flusher meet the pages.
round_flusher() {
	local pid
	race 1 "$(pause landed thawed)" written
	reached landed
	echo >$TRACING/trace
	flusher_often
	sync &
	pid=$!
	wait_for 30 flusher_ran || fail "error: the flusher did not run"
	expect_unchanged "sync() or the flusher wrote"
	wait_for 15 ended $pid || fail "sync() hangs"
	expect_unchanged "sync() wrote"
	expect_pages "file of the frozen filesystem" "$(pagecheck -g 1 /mnt/data)" new
	thaw
	touch /run/go.thawed
	wait "$PINRACE" || fail "error: $(cat /run/race)"
	no_flusher
	expect_read "after the thaw"
}

# Round 2: fsync() and syncfs() wait for the thaw. A direct read of the file must not wait, and
# must not return old data either.
round_sync() {
	local pid reader error
	race 2 'fsync&' "$(pause fsync thawed)" join
	reached fsync
	sync -f /mnt &
	pid=$!
	wait_for 30 sync_tasks_wait || fail "fsync() or syncfs() does not wait for the thaw"
	dd if=/mnt/data of=/run/direct bs=256k count=1 iflag=direct 2>/run/dd &
	reader=$!
	wait_for 30 ended $reader || fail "a direct read hangs: $(cat /proc/$reader/stack)"
	if wait $reader; then
		expect_pages "direct read" "$(pagecheck -g 2 /run/direct)" new
	else
		error=$(grep -m 1 '^dd: ' /run/dd) || error='error: dd says nothing'
		info "direct read: $error"
		[[ $error == *'busy'* ]] || fail "direct read: $error"
	fi
	expect_unchanged "fsync() or syncfs() wrote"
	thaw
	touch /run/go.thawed
	wait $pid || fail "syncfs() failed"
	wait "$PINRACE" || fail "error: $(cat /run/race)"
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
	if [[ $FS != btrfs ]]; then # which has no use for FIEMAP
		expect_pages "on the disk after fsync()" \
			"$(pagecheck -g 2 -d /dev/mapper/disk /mnt/data)" new
	fi
	expect_read "after fsync()"
}

# writes: prints the I/O of the disk so far: writes, sectors, and requests in flight.
writes() { awk '{ print $5, $7, $9 }' /sys/block/vda/stat; }

# Round 3: freezes at any moment of writeback.
round_random() {
	local pid i before after
	flusher_often
	syncrace -t $((FREEZES * 2)) -p 64 /mnt/data "$SOURCE" >/run/syncrace 2>&1 &
	pid=$!
	for ((i = 0; i < FREEZES; i++)); do
		sleep "0.$((RANDOM % 9))"
		fsfreeze -f /mnt
		before=$(writes)
		sleep "$(duration 0.4)"
		after=$(writes)
		thaw
		[[ $before == "$after" && $before == *' 0' ]] ||
			fail "the disk of the frozen filesystem had I/O: '$before' and '$after'"
	done
	wait $pid || fail "$(cat /run/syncrace)"
	info "$FREEZES freezes: $(paste -sd ' ' /run/syncrace)"
}

run() {
	source_new 1
	dm_linear disk /dev/vda 0 $SIZE_MB
	fs_new "$FS" /dev/mapper/disk /mnt
	fillpat -l 256k /mnt/data
	sync
	BDI=$(mountpoint -d /mnt)
	if [[ $FS == btrfs ]]; then
		BDI='btrfs-[0-9]*' # its number depends on what was mounted before
	fi
	echo 1 >$TRACING/events/writeback/writeback_written/enable
	round_flusher
	round_sync
	round_random
}
