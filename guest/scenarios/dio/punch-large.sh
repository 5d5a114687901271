# shellcheck shell=bash disable=SC2034
# A hole is punched in a large folio of XFS beside pages that a device writes to. The
# folio is clean and cannot be split, so that a stock kernel drops it, with what the
# device brings.
DESC="a hole beside pages that a direct read writes to leaves these alone"
ONLY="6.1"

requires() { need_cmd dmsetup; requires_fs xfs; }

run() {
	local line
	fs_new xfs /dev/vda /mnt
	dm_linear slow /dev/vdb
	# There may be no memory for a large folio at once.
	for _ in 1 2 3; do
		echo 1 >/proc/sys/vm/compact_memory
		line=$(punchread /mnt/file /dev/mapper/slow "$HOLD slow" "$RELEASE slow") || fail "$line"
		info "$line"
		[[ $line == skip* ]] || break
	done
	[[ $line != skip* ]] || fail "error: $line"
}
