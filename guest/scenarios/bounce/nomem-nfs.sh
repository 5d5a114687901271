# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# As nomem-loop-FS, but the machine is an NFS client of itself. Its fsync() has copies on their way
# to the server, behind a proxy that is held. Then fsync() of the same file on the server has pages
# under writeback and needs copies. When the proxy goes on, nfsd has to write to these pages, and
# waits for their writeback.
# Stock: not run, as it makes no copies. Patched: both fsync() finish.
# (Without CONFIG_FAIL_FUNCTION this is skipped.)
DESC="NFS to the same machine, pinned on both levels, no memory"
TIMEOUT=120
STOCK=skip
ONLY="6.1"

# shellcheck source=guest/lib/nomem.sh
. /proj/guest/lib/nomem.sh
# shellcheck source=guest/lib/content.sh
. /proj/guest/lib/content.sh

requires() {
	requires_nomem
	requires_nfs
	requires_fs ext4
}

run() {
	outer_new
	fillpat -l 256k /mnt/data
	sync
	etc_names localhost guest
	nfsd_start /mnt no_root_squash
	proxy_new 2050 2049
	mount -t nfs4 -o vers=4.2,port=2050,proto=tcp 127.0.0.1:/ /srv ||
		fail "error: no mount of NFS"
	INNER_AT=0 INNER_LEN=256k
	levels_race /mnt/data 'sh /run/proxy.sh hold' 'sh /run/proxy.sh pass'
}
