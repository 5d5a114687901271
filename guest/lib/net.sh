# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Helpers for scenarios about direct I/O on network filesystems: real servers inside the guest,
# on a disk that can be held. Sourced by these scenarios.
#
# While the disk of the server is held, a direct read is under way: the client has sent the
# request, and the server has no data to fill the pages with.

NET=/mnt/net		# where the client mounts
NET_DISK=/srv/net	# the directory that the server serves
NET_LEN=256k		# of the file "source", 64 pages
NET_PAGES=64

# net_disk: makes a filesystem for the server on the second disk, on the device "server". Its
# files "data" (for dioprobe) and "source" hold the source pattern.
net_disk() {
	dm_linear server /dev/vdb 0 256
	fs_new ext4 /dev/mapper/server $NET_DISK
	mount -o remount,noatime $NET_DISK
	chmod 777 $NET_DISK
	fillpat -w S -l 5243904 $NET_DISK/data
	fillpat -w S -l $NET_LEN $NET_DISK/source
	chmod 666 $NET_DISK/*
	sync
	mkdir -p $NET
}

# net_cold: no data of the files is in memory, on either side, but the inodes and extents are.
net_cold() {
	sync
	cat $NET_DISK/source >/dev/null
	stat $NET/source >/dev/null
	echo 1 >/proc/sys/vm/drop_caches
}

# ---- NFS -------------------------------------------------------------------

# shellcheck source=guest/lib/nfs.sh
. /proj/guest/lib/nfs.sh

requires_net_nfs() {
	requires_nfsd
	need_cmd rpcbind
	need_mod nfsv3
}

net_nfs_server() {
	etc_names localhost guest
	nfsd_start $NET_DISK no_root_squash version3
}

# net_nfs_mount VERSION [OPTION]
net_nfs_mount() {
	local from=127.0.0.1:/ options="vers=$1,proto=tcp"
	if [[ $1 == 3 ]]; then
		from=127.0.0.1:$NET_DISK
		options+=,nolock
	fi
	mount -t nfs -o "$options${2:+,$2}" $from $NET ||
		fail "error: mount of NFS version $1: $(tail -n 1 /run/mountd.log)"
}

# ---- SMB -------------------------------------------------------------------

# shellcheck source=guest/lib/smb.sh
. /proj/guest/lib/smb.sh

net_smb_server() { smbd_start net $NET_DISK; }

# net_smb_mount OPTIONS
net_smb_mount() { smbd_mount $NET net "$1"; }

# ---- FUSE ------------------------------------------------------------------

requires_net_fuse() {
	need_cmd fuse-overlayfs
	need_fs fuse
}

# net_fuse_mount: the daemon is fuse-overlayfs with libfuse 3, so direct I/O is asynchronous.
net_fuse_mount() {
	local options=lowerdir=/run/fuse-lower,upperdir=$NET_DISK,workdir=$NET_DISK/work
	modprobe -q fuse || true
	mkdir -p /run/fuse-lower $NET_DISK/work
	fuse-overlayfs -o $options $NET || fail "error: fuse-overlayfs does not start"
}

# ---- probes and races ------------------------------------------------------

# net_probe WHAT PROGRAM ARGUMENT...: runs a program that prints a line "ok" for each case.
net_probe() {
	local what=$1
	shift
	"$@" >/run/probe 2>&1 || fail "$what: $(grep -m 1 -v '^ok' /run/probe)"
	info "$what: $(grep -c '^ok' /run/probe) cases"
	cat /run/probe
}

# net_fio WHAT FILE: the file is written and read back asynchronously, through buffers that are
# anonymous memory, then a file that is mapped.
net_fio() {
	local mem
	truncate -s 8m "$2"
	fillpat -l 4m /mnt/scratch/mem
	for mem in malloc mmapshared:/mnt/scratch/mem; do
		fio --name=verify --filename="$2" --size=8m --direct=1 --rw=randwrite \
			--bsrange=4k-256k --ioengine=libaio --iodepth=4 --iomem=$mem \
			--verify=crc32c --verify_fatal=1 --do_verify=1 \
			--randseed=3 --thread --eta=never >/out/fio.txt 2>&1 ||
			fail "$1: fio: $(fio_error /out/fio.txt)"
	done
	info "$1: fio verified"
	rm "$2"
}

pins_at_least() { (($(pins_outstanding) >= $1)); }
is_gone() { ! grep -qs '^State:.[^Z]' "/proc/$1/status"; }

# net_pinned killable|unkillable: a reader whose data does not arrive holds pins on its pages. It
# is killed, which ends it where it is killable; the pins stay until the answer has come.
net_pinned() {
	local pid pins limit_seconds=15
	if ! is_patched; then
		limit_seconds=4 # a stock kernel has to run out of it
	fi
	net_cold
	dm_hold server
	dd if=$NET/source of=/dev/null bs=$NET_LEN count=1 iflag=direct 2>/run/dd &
	pid=$!
	if ! wait_for $limit_seconds pins_at_least $NET_PAGES; then
		pins=$(pins_outstanding)
		dm_release server
		fail "$pins of $NET_PAGES pages that are being read into are pinned"
	fi
	sleep "$(duration 1)"
	kill -9 $pid
	if [[ $1 == killable ]]; then
		wait_for 15 is_gone $pid || fail "a reader that was killed waits for its server"
	else
		sleep "$(duration 1)"
	fi
	pins=$(pins_outstanding)
	dm_release server
	((pins >= NET_PAGES)) ||
		fail "$pins of $NET_PAGES pages are pinned while the server may still write to them"
	wait $pid || true
	wait_for 30 pins_balanced 1 ||
		fail "$(pins_outstanding) pins left when the server has answered"
	info "killed: pins kept until the answer"
}

# net_race: F1 with the source on a server: the server holds the direct read while fsync()
# submits its writes, and the read lands before these go out.
net_race() {
	dm_linear disk /dev/vda 0 512
	fs_new btrfs /dev/mapper/disk /mnt/local
	fillpat -l $NET_LEN /mnt/local/data
	net_cold
	pinrace -f /mnt/local/data -l $NET_LEN -s $NET/source \
		dirty=1 "sh=$HOLD server" read "sh=$HOLD disk" 'fsync&' wb settle=1000 \
		"sh=$RELEASE server" reap "sh=$RELEASE disk" join | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
}

net_race_verify() {
	dm_linear disk /dev/vda 0 512
	mount -t btrfs /dev/mapper/disk /mnt
	expect_pages "data after the power cut" "$(pagecheck -g 1 /mnt/data)" old new torn
}

# net_scratch: makes /mnt/scratch, a local filesystem for buffers.
net_scratch() { fs_new ext4 /dev/vda /mnt/scratch; }

# are_stopped PID...: they have stopped themselves, by the step "stop" of pinrace.
are_stopped() {
	local pid
	for pid; do
		grep -q '^State:.T' "/proc/$pid/status" || return 1
	done
}
