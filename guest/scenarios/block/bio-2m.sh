# shellcheck shell=bash disable=SC2034
# A bio of 2 MiB whose 512 pages are all held by direct reads: far more than any
# reserve of bounce pages. XFS writes a huge page of the page cache as one bio.
# Fails on a stock kernel as checker-xfs does.
DESC="XFS, one bio of 2 MiB, every page of it held by a direct read"
TIMEOUT=120
STOCK=fail

requires() {
	need_cmd dmsetup
	need_mod dm-integrity
	need_file /sys/kernel/mm/transparent_hugepage /sys/kernel/tracing/events/block/block_bio_queue
	requires_fs xfs
}

run() {
	local t=/sys/kernel/tracing biggest
	echo 1 >/proc/sys/vm/compact_memory
	echo always >/sys/kernel/mm/transparent_hugepage/enabled
	echo 1 >$t/events/block/block_bio_queue/enable
	(checker_race xfs 64 2097152 -H) || biggest=failed
	biggest=$(awk '{ for (i = 2; i < NF; i++) if ($i == "+" && $(i + 1) > n) n = $(i + 1) } END { print n / 2 }' $t/trace)
	info "the biggest bio has $biggest KiB"
	[[ ! -s $VERDICT_FILE ]] || exit 1
	((biggest >= 2048)) || fail "the biggest bio has only $biggest KiB"
}
