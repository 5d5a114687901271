# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The kernel's NFS server inside the guest, with one export.

requires_nfsd() {
	need_cmd rpc.nfsd exportfs rpc.mountd mount.nfs
	need_mod nfsd nfsv4
}

# nfsd_start DIRECTORY OPTIONS [VERSION3]: exports the directory, with version 4 (as its root)
# and, if VERSION3 is not empty, with version 3.
nfsd_start() {
	local mountd=(-N 3) nfsd=(-N 3 -V 4)
	if [[ ${3:-} ]]; then
		mountd=() nfsd=()
		modprobe nfsv3
		rpcbind -w || fail "error: rpcbind does not start"
	fi
	modprobe -a nfsd nfsv4
	mkdir -p /var/lib/nfs/v4recovery /run/rpc_pipefs
	mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
	mountpoint -q /run/rpc_pipefs || mount -t rpc_pipefs sunrpc /run/rpc_pipefs
	: >/etc/exports
	: >/var/lib/nfs/etab
	# A renewal of the lease would change the requests that the scenarios count and compare: a
	# WRITE says which slots are in use, and is encoded anew before it is sent again.
	echo 600 >/proc/fs/nfsd/nfsv4leasetime
	echo 10 >/proc/fs/nfsd/nfsv4gracetime
	exportfs -i -o "rw,insecure,no_subtree_check,fsid=0,$2" "*:$1" || fail "error: exportfs"
	rpc.mountd --no-udp "${mountd[@]}" --foreground >/run/mountd.log 2>&1 &
	rpc.nfsd --no-udp "${nfsd[@]}" 4 || fail "error: nfsd does not start"
	# No client of the time before a reboot can come back.
	echo Y >/proc/fs/nfsd/v4_end_grace || true
}
