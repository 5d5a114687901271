# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A hole is punched in a large folio of XFS beside pages that a direct read writes to. The folio is
# clean and cannot be split.
# Stock: the kernel drops the folio, and the data that was read is gone. Patched: the data is
# there, and on the disk.
DESC="XFS: a hole in a large folio spares the pages of a read"
STOCK=fail
ONLY="6.1"

requires() {
	need_cmd dmsetup
	requires_fs xfs
}

run() {
	local line
	fs_new xfs /dev/vda /mnt
	dm_linear slow /dev/vdb
	# There may be no memory for a large folio at once.
	for _ in 1 2 3; do
		echo 1 >/proc/sys/vm/compact_memory
		line=$(punchread /mnt/file /dev/mapper/slow "$HOLD slow" "$RELEASE slow") ||
			fail "$line"
		info "$line"
		if [[ $line != skip* ]]; then
			break
		fi
	done
	[[ $line != skip* ]] || fail "error: $line"
}
