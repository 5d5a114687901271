# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A disk gets its reserve of copies when it is opened. A user says only later that it needs stable
# content, and then there is no memory for the reserve. The write that needs it tries again every
# 20 ms, and ends when there is memory.
# Stock: not run, as it makes no copies. Patched: as said. (Without CONFIG_FAIL_FUNCTION this is
# skipped.)
DESC="no memory for the reserve of a disk: the write waits and tries again"
TIMEOUT=60
STOCK=skip
ONLY="6.1"

# shellcheck source=guest/lib/nomem.sh
. /proj/guest/lib/nomem.sh

requires() { requires_nomem; }

run() {
	local failures
	source_new 1
	fillpat -l 256k /dev/vda
	no_bounce_memory 0
	mark_bounced
	dm_hold source
	pinrace -f /dev/vda -l 256k -s "$SOURCE" dirty=1 read \
		"sh=echo 1 >$(queue_of /dev/vda)/stable_writes; echo 100 >$INJECT/probability" \
		'fsync&' msleep=3000 \
		"sh=cat $INJECT/times >/run/times; echo 0 >$INJECT/probability" \
		join "sh=$RELEASE source" reap >/run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
	failures=$((INJECT_TIMES - $(</run/times)))
	info "$failures tries in 3 s"
	((failures > 3)) || fail "error: there was memory"
	((failures < 1000)) || fail "$failures tries in 3 s: the task does not sleep"
	expect_bounced 64
}
