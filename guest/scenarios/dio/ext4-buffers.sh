# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A direct read holds the pages of a mapped file; fsync() cleans them; then a memory cgroup has to
# give back all it has.
# Stock: reclaim unmaps the pages and frees their buffers before it notices the references. The
# read lands and dirties pages without buffers: ext4 warns ("does not have buffers attached"), and
# writeback throws away the data without an error. (Older kernels: BUG in ext4_writepage().)
# Patched: the data is on the disk.
DESC="ext4: reclaim leaves the buffers of pinned pages alone"
TIMEOUT=120
STOCK=fail
ONLY="5.4"

requires() {
	need_cmd dmsetup fincore
	requires_fs ext4
	grep -q '^memory[[:space:]].*1$' /proc/cgroups || skip "no memory cgroups"
}

# memcg_new: a cgroup. With $SQUEEZE all of it that can be reclaimed is.
memcg_new() {
	mkdir -p /run/memcg
	mount -t cgroup -o memory memcg /run/memcg 2>/dev/null ||
		skip "the memory controller is in use elsewhere"
	mkdir /run/memcg/small
	[[ -w /run/memcg/small/memory.force_empty ]] || skip "no memory.force_empty"
}
SQUEEZE='for i in 1 2 3 4 5; do
	echo 0 >/run/memcg/small/memory.force_empty || :
done 2>/dev/null'

in_memcg() {
	echo "$BASHPID" >/run/memcg/small/cgroup.procs
	exec "$@"
}

run() {
	memcg_new
	source_new 1
	dm_linear disk /dev/vda 0 64
	fs_new ext4 /dev/mapper/disk /mnt
	fillpat -l 64k /mnt/data
	fillpat -l 1m /mnt/other
	sync
	# The pages have to belong to the group: it must be the first to read them.
	echo 3 >/proc/sys/vm/drop_caches
	dm_hold source
	(in_memcg pinrace -f /mnt/data -l 64k -s "$SOURCE" \
		dirty=1 read fsync "sh=cat /mnt/other >/dev/null" "sh=$SQUEEZE" \
		"sh=fincore -rnbo PAGES /mnt/other >/run/left" \
		"sh=$RELEASE source" reap msleep=1000) | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
	info "pages of the file that is not pinned left in memory: $(</run/left) of 256"

	# Writeback of the data that was read.
	sync
	if dmesg | grep -m 1 -E \
		'ext4_set_page_dirty|does not have buffers attached|kernel BUG at' >/run/oops; then
		fail "$(cat /run/oops)"
	fi
	(($(</run/left) <= 128)) || fail "error: there was no reclaim"
	echo 3 >/proc/sys/vm/drop_caches
	expect_pages "on the disk" "$(pagecheck -g 1 /mnt/data)" new
}
