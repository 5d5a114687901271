# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A server gets a WRITE and crashes before it answers. The client sends the WRITE again, under the
# same transaction number; a direct read has landed in between.
# Stock: the two have different data under one number. Patched: they have the same.
DESC="NFS: a read lands between a WRITE and its retransmission"
TIMEOUT=300
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh

requires() { requires_nfs; }

run() {
	source_new 1
	nfs_server
	proxy_new 2050 2049
	nfs_mount sec=sys
	fillpat -l 256k /mnt/data
	sync /mnt/data
	mark_bounced
	dm_hold source
	pinrace -f /mnt/data -l 256k -s "$SOURCE" \
		dirty=1 read "$PROXY_SWALLOW" 'fsync&' wb settle=1000 \
		"$PROXY_SWALLOWED" "sh=$RELEASE source" reap "$PROXY_DROP" join | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
	cat /run/proxy.log
	# The WRITEs among them: 256 KiB in one or in a few.
	awk '$1 == "resent" && $3 > 4096' /run/proxy.log >/run/resent
	[[ -s /run/resent ]] || fail "error: no WRITE was sent again"
	info "$(tr '\n' ';' </run/resent)"
	if grep -q different /run/resent; then
		fail "a WRITE was sent again with other data: $(tr '\n' ';' </run/resent)"
	fi
	expect_pages "data on the server" "$(pagecheck -g 1 /export/data)" old
	expect_bounced 64 exactly
}
