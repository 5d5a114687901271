# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A WRITE is lost with its connection, and a work item has to send it again. Its page was changed by
# a second program, whose flush holds the lock of the page and waits for the end of the first WRITE.
# Stock: the work item waits for the lock, and neither ends. Patched: both end, and the server has
# the new data.
DESC="SMB: a WRITE is sent again while a flush waits with the page locked"
TIMEOUT=60
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh

requires() { requires_smb; }

# flush_waits: a task that flushes the file waits for the end of the WRITE.
flush_waits() {
	local stack
	for stack in /proc/[0-9]*/stack; do
		if grep -qs cifs_flush "$stack" && grep -qs folio_wait_writeback "$stack"; then
			return 0
		fi
	done
	return 1
}
# items_locked: prints how many work items wait for the lock of a page to send it again.
items_locked() {
	local stack n=0
	for stack in /proc/[0-9]*/stack; do
		if grep -qs cifs_writev_ "$stack" && grep -qs folio_lock "$stack"; then
			n=$((n + 1))
		fi
	done
	echo $n
}
ended() { grep -qx 'fsync ok' /run/first && [[ -e /run/second ]]; }

run() {
	smb_server
	proxy_new 1445 445
	smb_mount sign,hard
	fillpat -l 4k /mnt/data
	printf '%4096s' '' >/run/new
	sync
	mkfifo /run/go
	# It flushes the file when it closes it, and starts no programs, which would do so, too.
	bash -c 'exec 5<>/mnt/data; : >/run/open; read -r </run/go; printf %4096s "" >&5
		exec 5>&-; : >/run/second' &
	wait_for 60 test -e /run/open || fail "error: no second program"
	pinrace -f /mnt/data -l 4k dirty=1 "$PROXY_SWALLOW" 'fsync&' wb 'sh=touch /run/sent' join \
		>/run/first 2>&1 &
	wait_for 60 test -e /run/sent || fail "error: $(cat /run/first)"
	echo >/run/go
	wait_for 60 flush_waits || fail "error: no flush"
	sh -c "${PROXY_DROP#sh=}"
	wait_for 10 ended || fail "no flush ends, $(items_locked) work items wait for a lock"
	cmp /run/new /export/data || fail "the server does not have the new data"
}
