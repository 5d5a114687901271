# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Copies of pinned pages are visible, paid for and bounded. First 256 copies wait in a device that
# is held: WritebackTmp has them, and the memory cgroup of the file is charged, although it is at
# its limit. Then 48 MiB are pinned and synced to the same device: with 1/64 of the memory in copies
# the fsync() has to wait for the device, and another disk must not notice. All data is right.
# Stock: not run, as it makes no copies.
DESC="copies are counted, charged, and bounded for each disk"
TIMEOUT=120
STOCK=skip
ONLY="6.1"

# shellcheck source=guest/lib/nomem.sh
. /proj/guest/lib/nomem.sh

requires() {
	need_cmd dmsetup
	requires_fs ext4
	is_patched || skip "a stock kernel makes no bounce pages"
	grep -q '^memory[[:space:]].*1$' /proc/cgroups || skip "no memory cgroups"
}

BIG_KIB=$((48 * 1024))
GROUP=/run/cgroup/writer
SNAPSHOT="cat /proc/sys/vm/stat_refresh >/dev/null; grep WritebackTmp /proc/meminfo >/run/held.temp
	cp $GROUP/memory.stat /run/held.stat; cp $GROUP/memory.current /run/held.current"

# temp_kib: prints how much memory copies take, in KiB. no_copies: they take none.
temp_kib() {
	cat /proc/sys/vm/stat_refresh >/dev/null
	awk '$1 == "WritebackTmp:" { print $2 }' /proc/meminfo
}
no_copies() { [[ $(temp_kib) == 0 ]]; }

# limit_kib: prints how much memory the copies for a disk may take, with the reserve.
limit_kib() {
	awk '$1 == "MemTotal:" {
		limit = int($2 / 64)
		limit = limit < 1024 ? 1024 : limit > 65536 ? 65536 : limit
		print limit + 64
	}' /proc/meminfo
}

# kernel_memory FILE: prints the memory of the kernel that a group is charged for, in bytes.
kernel_memory() { awk '$1 == "kernel" { print $2 }' "$1"; }

# broken REASON: one part failed; the others are tried as well.
broken() { echo "$*" | tee -a /run/broken; }

group_new() {
	mkdir /run/cgroup
	mount -t cgroup2 none /run/cgroup
	echo +memory >/run/cgroup/cgroup.subtree_control ||
		skip "the memory controller is in use elsewhere"
	mkdir $GROUP
}

counted_and_charged() {
	local before after max
	(echo "$BASHPID" >$GROUP/cgroup.procs && exec fillpat -l 1m /mnt/data)
	sync
	max=$(<$GROUP/memory.current)
	echo "$max" >$GROUP/memory.max
	before=$(kernel_memory $GROUP/memory.stat)
	mark_bounced
	dm_hold source
	pinrace -f /mnt/data -l 1m -s "$SOURCE" dirty=1 read "sh=$HOLD disk" 'fsync&' wb \
		"sh=$SNAPSHOT" "sh=$RELEASE disk" join "sh=$RELEASE source" reap | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
	expect_bounced 256 exactly
	expect_pages "data on the disk" "$(pagecheck -g 1 -d /dev/mapper/disk /mnt/data)" old

	after=$(kernel_memory /run/held.stat)
	info "1024 KiB of copies: $(tr -s ' ' </run/held.temp);" \
		"charged: $((after - before)) bytes, $(</run/held.current) of $max"
	if ! grep -q 'WritebackTmp: *1024 kB' /run/held.temp; then
		broken "not counted: $(tr -s ' ' </run/held.temp)"
	fi
	if ((after - before < 1024 * 1024 || $(</run/held.current) <= max)); then
		broken "not charged: $((after - before)) bytes, $(</run/held.current) of $max"
	fi
	echo max >$GROUP/memory.max
	wait_for 10 no_copies || fail "$(temp_kib) KiB are left in WritebackTmp"
	after=$(kernel_memory $GROUP/memory.stat)
	((after - before < 512 * 1024)) || fail "$((after - before)) bytes stay charged"
}

# waits_or_copied: the big fsync() sleeps until there are copies, or has made all of them.
waits_or_copied() {
	copies_wait 1 || (($(bounced_since_mark) >= BIG_KIB / 4))
}

bounded() {
	local kib max
	max=$(limit_kib)
	((max < BIG_KIB)) || fail "error: the limit is $max KiB, too much for this test"
	dm_linear other /dev/vda 1024 64
	fs_new ext4 /dev/mapper/other /srv
	fillpat -l "${BIG_KIB}k" /mnt/big
	fillpat -l 1m /srv/data
	sync
	mark_bounced
	dm_hold source
	start_pinned big /mnt/big ${BIG_KIB}k dirty=1 read "$(pause big)" fsync
	start_pinned other /srv/data 1m dirty=1 read "$(pause other)" fsync
	await_pause big
	await_pause other
	dm_hold disk
	go big
	wait_for 60 waits_or_copied || fail "error: the big fsync: $(cat /run/big)"
	kib=$(($(bounced_since_mark) * 4))
	info "copies for a disk that is held: $kib KiB of $BIG_KIB, limit $max KiB," \
		"WritebackTmp $(temp_kib) KiB"
	if ((kib > max || kib < max - 1024)); then
		broken "not bounded: $kib KiB of copies, limit $max KiB"
	fi
	# A sync of the other disk goes on.
	go other
	wait_for 30 synced other || fail "another disk waits: $(cat /run/other)"
	dm_release disk
	wait_for 60 synced big || fail "fsync hangs after the release: $(cat /run/big)"
	expect_bounced $(((BIG_KIB + 1024) / 4)) exactly
	expect_pages "data on the disk" "$(pagecheck -g 1 -d /dev/mapper/disk /mnt/big)" old
	expect_pages "data on the other" "$(pagecheck -g 1 -d /dev/mapper/other /srv/data)" old
	touch /run/done
	dm_release source
	wait
	wait_for 10 no_copies || fail "$(temp_kib) KiB are left in WritebackTmp"
}

run() {
	group_new
	source_new $((BIG_KIB / 1024))
	want_stable /dev/vda
	dm_linear disk /dev/vda 0 256
	fs_new ext4 /dev/mapper/disk /mnt
	counted_and_charged
	bounded
	if [[ -s /run/broken ]]; then
		fail "$(paste -sd';' /run/broken)"
	fi
}
