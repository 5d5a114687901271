# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Two signed WRITEs are lost with their connection, and have to be sent again by work items, which
# send copies. There is no memory. The first WRITE has eight pages, takes all copies of the reserve,
# and waits for the new connection. Copies come back by work items of the same workqueue, so the
# second must not wait there: without memory for more workers, nobody would run them.
# Stock: not run, as it makes no copies. Patched: its page stays under writeback, no worker waits
# for the reserve, and both fsync() finish when the server answers.
# (Without CONFIG_FAIL_FUNCTION this is skipped.)
DESC="SMB: WRITEs are sent again, no memory for copies"
TIMEOUT=120
STOCK=skip
ONLY="6.1"
# The work items run one after the other, until the first has to wait.
QEMUARGS="-smp 1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh
# shellcheck source=guest/lib/nomem.sh
. /proj/guest/lib/nomem.sh

requires() {
	requires_nomem
	requires_smb
}

# worker_waits: a work item that sends a WRITE again waits for a copy.
worker_waits() {
	local stack
	for stack in /proc/[0-9]*/stack; do
		if grep -qs writeback_bounce_page "$stack" && grep -qs cifs_writev_ "$stack"; then
			return 0
		fi
	done
	return 1
}

# Eight attempts are those of the first WRITE.
tried_or_waits() { worker_waits || (($(bounce_failures) >= FAILED + 20)); }

run() {
	source_new 1
	smb_server
	proxy_new 1445 445
	smb_mount sign,hard
	fillpat -l 32k /mnt/full
	fillpat -l 4k /mnt/again
	sync
	dm_hold source
	no_bounce_memory 100
	mark_bounced
	# Both files are open before the server is gone.
	start_pinned again /mnt/again 4k dirty=1 "$(pause again)" 'fsync&' wb \
		"$(pause again.sent)" join
	await_pause again
	start_pinned full /mnt/full 32k read dirty=1 "$PROXY_SWALLOW" 'fsync&' wb \
		"$(pause full)" join
	await_pause full
	go again
	await_pause again.sent
	expect_bounced 8 exactly

	FAILED=$(bounce_failures)
	sh /run/proxy.sh cut
	wait_for 60 tried_or_waits || fail "error: the WRITEs are not sent again"
	if worker_waits; then
		fail "a work item of cifsiod waits for the reserve"
	fi
	if synced full || synced again; then
		fail "error: the server answers"
	fi

	sh /run/proxy.sh drop
	go full
	go again.sent
	wait_for 60 synced full again || fail "fsync hangs: $(cat /run/full /run/again)"
	expect_bounced 17
	expect_pages "data on the server" "$(pagecheck -g 1 /export/full /export/again)" old
	pinned_end
}
