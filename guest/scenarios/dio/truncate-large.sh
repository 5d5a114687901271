# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A direct read writes to pages of a large folio of XFS. The file is truncated in the middle of
# these pages before the data comes, and gets its old size back after that. The folio cannot be
# split. It is dirty the first time, and clean the second time.
# Stock: a dirty folio stays, and the file has the data of the device where it has to have zeros; a
# clean folio is dropped, and the data in front of the new end is lost. Patched: the data is there
# up to the place of the truncate, and zeros behind.
DESC="XFS: truncate in a large folio during a read, then extend"
TIMEOUT=60
STOCK=fail
ONLY="6.1"

requires() {
	need_cmd dmsetup
	requires_fs xfs
}

# cut_and_extend WHAT OPTION...
cut_and_extend() {
	local line what=$1
	shift
	# There may be no memory for a large folio at once.
	for _ in 1 2 3; do
		echo 1 >/proc/sys/vm/compact_memory
		line=$(punchread "$@" /mnt/file /dev/mapper/slow "$HOLD slow" "$RELEASE slow") ||
			fail "$what: $line"
		info "$what: $line"
		if [[ $line != skip* ]]; then
			return
		fi
	done
	fail "error: $what: $line"
}

run() {
	fs_new xfs /dev/vda /mnt
	dm_linear slow /dev/vdb
	cut_and_extend "dirty folio" -t
	cut_and_extend "clean folio" -t -s
}
