# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# With krb5i the client takes the checksum of a WRITE and then sends the pages. A direct read that
# lands while the message is stuck in the socket changes the part that is still to be sent.
# Stock: the server refuses the WRITE, and fsync() fails with EIO. Patched: the server has the old
# data. (With krb5p the client has a copy to send, but reads the pages twice to make it: a race
# that cannot be held.)
DESC="NFS, krb5i: a read lands while a signed WRITE is being sent"
TIMEOUT=300
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh

requires() {
	requires_nfs
	need_cmd krb5kdc kdb5_util kadmin.local rpc.gssd rpc.svcgssd
	need_mod rpcsec_gss_krb5
}

run() {
	local refused
	source_new 1
	nfs_server
	nfs_kerberos
	proxy_new 2050 2049
	nfs_mount sec=krb5i
	fillpat -l 256k /mnt/data
	sync /mnt/data
	refused=$(nfsd_refused)
	mark_bounced
	dm_hold source
	pinrace -f /mnt/data -l 256k -s "$SOURCE" \
		dirty=1 read "$PROXY_HOLD" 'fsync&' wb settle=1000 "$PROXY_STUCK" \
		"sh=$RELEASE source" reap "$PROXY_PASS" join | tee /run/race
	refused=$(($(nfsd_refused) - refused))
	grep -qx 'fsync ok' /run/race ||
		fail "$(cat /run/race), the server refused $refused calls"
	((refused == 0)) ||
		fail "the server refused $refused calls: their checksum did not match"
	expect_pages "data on the server" "$(pagecheck -g 1 /export/data)" old
	expect_bounced 64 exactly
}
