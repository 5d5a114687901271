# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# splice() from a file of ext4 to a file on SMB that is open with O_DIRECT hands the page cache
# pages of the first file to the SMB client. The client signs a WRITE and then sends the pages. A
# direct read lands while the message is stuck in the socket.
# Stock: each page is a WRITE of its own. The server refuses the one that was stuck, so the write
# ends there: splice() is short, and LIO would report an I/O error. Patched: the client copies the
# pages first.
DESC="splice of a mapped file to an O_DIRECT file on SMB (signed), a direct read lands"
TIMEOUT=240
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh

requires() {
	requires_smb
	requires_fs ext4
}

# refused_writes: prints how many WRITE requests the server has refused.
refused_writes() { awk '/^Writes: / { print $4 }' /proc/fs/cifs/Stats; }

run() {
	local refused
	source_new 1
	splice_file_new
	smb_server
	proxy_new 1445 445
	smb_mount sign,cache=none
	splice_stuck
	grep -qx 'splice ok' /run/race || fail "$(cat /run/race)"
	refused=$(refused_writes)
	[[ $refused == 0 ]] || fail "the server refused ${refused:-?} WRITE requests"
	expect_pages "the copy on the server" "$(pagecheck -g 1 /export/copy)" old new torn
}
