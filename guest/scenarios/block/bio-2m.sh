# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A bio of 2 MiB whose 512 pages are all held by direct reads: far more than any reserve of bounce
# pages. XFS writes a huge page of the page cache as one bio.
# Stock: 512 of 512 pages cannot be read back, as in checker-xfs. Patched: all have the old data.
DESC="XFS, one bio of 2 MiB, a direct read holds each of its pages"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup
	need_mod dm-integrity
	need_file /sys/kernel/mm/transparent_hugepage \
		/sys/kernel/tracing/events/block/block_bio_queue
	requires_fs xfs
}

# biggest_bio TRACE: prints the size of the biggest one in KiB. (A line has "SECTOR + SECTORS".)
biggest_bio() {
	awk '
	{ for (i = 2; i < NF; i++) if ($i == "+" && $(i + 1) > n) n = $(i + 1) }
	END { print n / 2 }' "$1"
}

run() {
	local tracing=/sys/kernel/tracing biggest
	echo 1 >/proc/sys/vm/compact_memory
	echo always >/sys/kernel/mm/transparent_hugepage/enabled
	echo 1 >$tracing/events/block/block_bio_queue/enable
	# A stock kernel fails here. The size of the bio is looked at first.
	(checker_race xfs 64 2097152 -H) || true
	biggest=$(biggest_bio $tracing/trace)
	info "the biggest bio has $biggest KiB"
	[[ ! -s $VERDICT_FILE ]] || exit 1
	((biggest >= 2048)) || fail "the biggest bio has only $biggest KiB"
}
