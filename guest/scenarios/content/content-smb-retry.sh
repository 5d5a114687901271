# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A signed WRITE is lost with its connection and has to be sent again, from a work item. Its page is
# pinned by now, there is no memory for a copy, and the WRITEs of another connection hold the whole
# reserve. Their copies come back by work items of the same workqueue, so the item must not wait
# there: without memory for more workers, nobody would run them.
# Stock: not run, as it makes no copies. Patched: the page stays under writeback, no worker waits
# for the reserve, and both fsync() finish when the other server answers.
# (Without CONFIG_FAIL_FUNCTION this is skipped.)
DESC="SMB: a WRITE is sent again, no memory for a copy"
TIMEOUT=240
STOCK=skip
ONLY="6.1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh

requires() {
	requires_smb
	is_patched || skip "a stock kernel makes no bounce pages"
	need_file /sys/kernel/debug/fail_function/injectable
}

OTHER=/run/other

# other_proxy COMMAND: an order to the proxy of the other connection.
other_proxy() {
	echo "$1" >/run/proxy2
	wait_for 10 grep -qx "$1" /run/proxy2.log || fail "error: the other proxy: $1"
}

# worker_waits: a work item that sends a WRITE again waits for a page of the reserve.
worker_waits() {
	local stack
	for stack in /proc/[0-9]*/stack; do
		if grep -qs mempool_alloc "$stack" && grep -qs cifs_writev_ "$stack"; then
			return 0
		fi
	done
	return 1
}

# tried N: since FAILED was set, N more attempts to make a copy have failed.
tried() { (($(bounce_failures) >= FAILED + $1)); }
tried_or_waits() { worker_waits || tried 4; }
synced() { [[ $(cat /run/again /run/full | grep -cx 'fsync ok') == 2 ]]; }

run() {
	local until_go='until [ -e /run/go ]; do sleep 0.1; done'
	source_new 1
	smb_server
	proxy_new 1445 445
	mkfifo /run/proxy2
	tcphold 1446 445 <>/run/proxy2 >/run/proxy2.log 2>&1 &
	wait_for 10 grep -qs ready /run/proxy2.log || fail "error: no second tcphold"
	smb_mount sign
	mkdir $OTHER
	smbd_mount $OTHER share "port=1446,vers=3.1.1,sign"
	fillpat -l 4k /mnt/again
	fillpat -l 32k $OTHER/full
	sync
	dm_hold source
	no_bounce_memory 100

	# Eight copies, the whole reserve, are on their way to a server that does not answer.
	other_proxy swallow
	mark_bounced
	pinrace -f $OTHER/full -l 32k -s "$SOURCE" dirty=1 read 'fsync&' settle=500 \
		"sh=touch /run/sent; $until_go" join reap >/run/full 2>&1 &
	wait_for 60 test -e /run/sent || fail "error: $(cat /run/full)"
	expect_bounced 8 exactly

	# A page is sent without a copy, pinned, and its connection is cut.
	pinrace -f /mnt/again -l 4k -s "$SOURCE" dirty=1 "$PROXY_SWALLOW" 'fsync&' wb write \
		"sh=touch /run/pinned; $until_go" join reap >/run/again 2>&1 &
	wait_for 60 test -e /run/pinned || fail "error: $(cat /run/again)"
	FAILED=$(bounce_failures)
	sh -c "${PROXY_DROP#sh=}"
	wait_for 60 tried_or_waits || fail "error: the WRITE was not sent again"
	if worker_waits; then
		fail "a work item of cifsiod waits for the reserve"
	fi
	expect_bounced 8 exactly

	other_proxy drop
	touch /run/go
	wait_for 60 synced || fail "fsync hangs: $(cat /run/again /run/full)"
	expect_bounced 17
	expect_pages "data on the server" "$(pagecheck -g 1 /export/again /export/full)" old
	no_bounce_memory 0
	dm_release source
	wait_for 60 pins_balanced 1 || fail "$(pins_outstanding) pins are left"
}
