# shellcheck shell=bash disable=SC2034
# A direct read holds the pages of a mapped file; fsync() cleans them; then a
# memory cgroup has to give back all it has. On a stock kernel reclaim unmaps the
# pages and frees their buffers before it notices that somebody holds them. The
# read lands and dirties pages without buffers: ext4 warns, and writeback throws
# away what was read ("does not have buffers attached"), with no error to anybody.
# (Older kernels: BUG in ext4_writepage().)
DESC="ext4: buffers of pinned pages under memory pressure"
TIMEOUT=120
STOCK=fail
ONLY="5.4"

requires() {
	need_cmd dmsetup
	requires_fs ext4
	grep -q '^memory[[:space:]].*1$' /proc/cgroups || skip "no memory cgroups"
}

# Everything that can be reclaimed of the group is, as if it had no memory at all.
memcg_new() {
	mkdir -p /run/memcg
	mount -t cgroup -o memory memcg /run/memcg 2>/dev/null ||
		skip "the memory controller is in use elsewhere"
	mkdir /run/memcg/small
	[[ -w /run/memcg/small/memory.force_empty ]] || skip "no memory.force_empty"
}
SQUEEZE='for i in 1 2 3 4 5; do echo 0 >/run/memcg/small/memory.force_empty || :; done 2>/dev/null'

in_memcg() {
	echo "$BASHPID" >/run/memcg/small/cgroup.procs
	exec "$@"
}

# memcg_cache: page cache of the group when it had been squeezed, in bytes.
memcg_cache() { awk '$1 == "cache" { print $2 }' /run/memcg.stat; }

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
		"sh=cp /run/memcg/small/memory.stat /run/memcg.stat" \
		"sh=$RELEASE source" reap msleep=1000) | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
	info "page cache left in the group: $(memcg_cache) of $((64 * 1024 + 1048576)) bytes"

	# Writeback of what was read.
	sync
	if dmesg | grep -m 1 -E 'ext4_set_page_dirty|does not have buffers attached|kernel BUG at' >/run/oops; then
		fail "$(cat /run/oops)"
	fi
	# Of the file that nobody holds at least as much as of the one that is pinned.
	(($(memcg_cache) <= 1048576)) || fail "error: there was no reclaim"
	echo 3 >/proc/sys/vm/drop_caches
	expect_pages "on the disk" "$(pagecheck -g 1 /mnt/data)" new
}
