# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# splice() from a file of ext4 to a file on NFS that is open with O_DIRECT hands the page cache
# pages of the first file to NFS. With krb5i the client takes the checksum of a WRITE and then sends
# the pages. A direct read lands while the message is stuck in the socket.
# Stock: the server refuses the WRITE, and splice() fails with EIO. Patched: NFS copies the pages to
# its page cache first.
DESC="splice of a mapped file to an O_DIRECT file on NFS (krb5i), a direct read lands"
TIMEOUT=300
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh

requires() {
	requires_nfs
	need_cmd dmsetup krb5kdc kdb5_util kadmin.local rpc.gssd rpc.svcgssd
	need_mod rpcsec_gss_krb5
	requires_fs ext4
}

run() {
	local refused
	source_new 1
	splice_file_new
	nfs_server
	nfs_kerberos
	proxy_new 2050 2049
	nfs_mount sec=krb5i
	refused=$(nfsd_refused)
	splice_stuck
	refused=$(($(nfsd_refused) - refused))
	grep -qx 'splice ok' /run/race ||
		fail "$(cat /run/race), the server refused $refused calls"
	((refused == 0)) ||
		fail "the server refused $refused calls: their checksum did not match"
	expect_pages "the copy on the server" "$(pagecheck -g 1 /export/copy)" old new torn
}
