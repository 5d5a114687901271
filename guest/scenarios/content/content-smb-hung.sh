# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Two connections to SMB servers, signed, pinned pages, and no memory for copies. One server does
# not answer, and WRITEs to it hold all copies of their reserve. Writes to the other server must not
# wait for these copies.
# Stock: not run, as it makes no copies. Patched: fsync() of the other file finishes.
# (Without CONFIG_FAIL_FUNCTION this is skipped.)
DESC="SMB: one server hangs, no memory for copies, another server works"
TIMEOUT=120
STOCK=skip
ONLY="6.1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh
# shellcheck source=guest/lib/nomem.sh
. /proj/guest/lib/nomem.sh

requires() {
	requires_nomem
	requires_smb
}

OTHER=/run/other

run() {
	source_new 1
	smb_server
	proxy_new 1445 445
	smb_mount sign,hard
	mkdir $OTHER
	smbd_mount $OTHER share "port=445,vers=3.1.1,sign,hard"
	fillpat -l 256k /mnt/hung $OTHER/works
	sync
	dm_hold source
	no_bounce_memory 100
	start_pinned hung /mnt/hung 256k read dirty=1 "$PROXY_SWALLOW" fsync
	wait_for 60 copies_wait 1 || fail "error: no task waits for a copy: $(cat /run/hung)"
	start_pinned works $OTHER/works 256k read dirty=1 fsync
	wait_for 20 synced works || fail "fsync waits for another server: $(cat /run/works)"
	expect_pages "data on the server that works" "$(pagecheck -g 1 /export/works)" old
	! synced hung || fail "error: the server does not hang"

	sh -c "${PROXY_DROP#sh=}"
	wait_for 120 synced hung || fail "fsync hangs: $(cat /run/hung)"
	pinned_end
}
