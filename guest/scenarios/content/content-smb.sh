# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The client signs a WRITE (SMB 3.1.1) and then sends the pages. A direct read that lands while the
# message is stuck in the socket changes the part that is still to be sent.
# Stock: the server refuses the WRITE, and fsync() fails with EACCES. Patched: the server has the
# old data. An encrypted message is a copy: there nothing can go wrong, and nothing is bounced.
DESC="SMB, signed: a read lands while a WRITE is being sent"
TIMEOUT=240
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh

requires() { requires_smb; }

# race GENERATION WHAT: the pages stay locked until the message is in the socket. The read has
# landed long before, but is reported only when the pages could be marked dirty. All of it has to
# take less than 15 s, after which the client gives up a message that is stuck.
race() {
	dm_hold source
	pinrace -f /mnt/data -l 256k -s "$SOURCE" \
		"dirty=$1" read "$PROXY_HOLD" 'fsync&' wb settle=500 \
		"$PROXY_STUCK" "sh=$RELEASE source" landed "$PROXY_PASS" reap join | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$2: $(cat /run/race)"
	expect_pages "$2, data on the server" "$(pagecheck -g "$1" /export/data)" old
}

run() {
	source_new 1
	smb_server
	proxy_new 1445 445

	smb_mount seal
	fillpat -l 256k /mnt/data
	sync /mnt/data
	mark_bounced
	race 1 seal
	expect_bounced 0 exactly
	umount /mnt

	smb_mount sign
	mark_bounced
	race 2 sign
	expect_bounced 64 exactly
}
