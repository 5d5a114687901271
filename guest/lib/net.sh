# shellcheck shell=bash
# Helpers for scenarios about direct I/O on network filesystems: real servers inside
# the guest, on a disk that can be held. Sourced by those scenarios, after dev.sh.
#
# While the disk of the server is held, a direct read is on its way: the client has
# sent it, and whoever fills the pages has not got the data yet.

NET=/mnt/net		# where the client mounts
NET_DISK=/srv/net	# what the server serves
NET_LEN=256k		# of the file "source", 64 pages
NET_PAGES=64

# net_disk: a file system on the second disk for the server, on the device "server".
# Its files "data" (for dioprobe) and "source" hold the source pattern.
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

# net_cold: nothing of the files is in memory, on either side, but where they are.
net_cold() {
	sync
	cat $NET_DISK/source >/dev/null
	stat $NET/source >/dev/null
	echo 1 >/proc/sys/vm/drop_caches
}

# ---- NFS -------------------------------------------------------------------

# shellcheck source=guest/lib/nfs.sh
. /proj/guest/lib/nfs.sh

requires_net_nfs() { requires_nfsd; need_cmd rpcbind; need_mod nfsv3; }

net_nfs_server() {
	etc_names localhost guest
	nfsd_start $NET_DISK no_root_squash version3
}

# net_nfs_mount VERSION [OPTION]
net_nfs_mount() {
	local lock=
	local from=127.0.0.1:/
	if [[ $1 == 3 ]]; then
		from=127.0.0.1:$NET_DISK lock=,nolock
	fi
	mount -t nfs -o "vers=$1,proto=tcp$lock${2:+,$2}" $from $NET ||
		fail "error: mount of NFS version $1: $(tail -n 1 /run/mountd.log)"
}

# ---- SMB -------------------------------------------------------------------

# shellcheck source=guest/lib/smb.sh
. /proj/guest/lib/smb.sh

net_smb_server() { smbd_start net $NET_DISK; }

# net_smb_mount OPTIONS
net_smb_mount() { smbd_mount $NET net "$1"; }

# ---- FUSE ------------------------------------------------------------------

requires_net_fuse() { need_cmd fuse-overlayfs; need_fs fuse; }

# net_fuse_mount: fuse-overlayfs answers, by libfuse 3, so direct I/O is asynchronous.
net_fuse_mount() {
	modprobe -q fuse || true
	mkdir -p /run/fuse-lower $NET_DISK/work
	fuse-overlayfs -o lowerdir=/run/fuse-lower,upperdir=$NET_DISK,workdir=$NET_DISK/work $NET ||
		fail "error: fuse-overlayfs does not start"
}

# ---- what is shown ---------------------------------------------------------

# net_probe WHAT PROGRAM ARGUMENT...
net_probe() {
	local what=$1
	shift
	"$@" >/run/probe 2>&1 || fail "$what: $(grep -m 1 -v '^ok' /run/probe)"
	info "$what: $(grep -c '^ok' /run/probe) cases"
	cat /run/probe
}

# net_fio WHAT FILE: written and read back asynchronously, through buffers that are
# anonymous memory, then a file that is mapped.
net_fio() {
	local mem
	truncate -s 8m "$2"
	fillpat -l 4m /mnt/scratch/mem
	for mem in malloc mmapshared:/mnt/scratch/mem; do
		fio --name=verify --filename="$2" --size=8m --direct=1 --rw=randwrite --bsrange=4k-256k \
			--ioengine=libaio --iodepth=4 --iomem=$mem --verify=crc32c --verify_fatal=1 --do_verify=1 \
			--randseed=3 --thread --eta=never >/out/fio.txt 2>&1 ||
			fail "$1: fio: $(grep -m 1 -E 'verify: bad|verify failed|error=|err= *[1-9]' /out/fio.txt)"
	done
	info "$1: fio verified"
	rm "$2"
}

pins_at_least() { (($(pins_outstanding) >= $1)); }
is_gone() { ! grep -qs '^State:.[^Z]' "/proc/$1/status"; }

# net_pinned killable|unkillable: a reader whose data does not come holds pins on its pages. It is
# killed, which ends it where it is killable; the pins stay until the answer has come.
net_pinned() {
	local pid n limit=15
	is_patched || limit=4 # it has to run out there
	net_cold
	dm_hold server
	dd if=$NET/source of=/dev/null bs=$NET_LEN count=1 iflag=direct 2>/run/dd &
	pid=$!
	if ! wait_for $limit pins_at_least $NET_PAGES; then
		n=$(pins_outstanding)
		dm_release server
		fail "$n of $NET_PAGES pages that are being read into are pinned"
	fi
	sleep "$(scaled 1)"
	kill -9 $pid
	if [[ $1 == killable ]]; then
		wait_for 15 is_gone $pid || fail "a reader that was killed waits for its server"
	else
		sleep "$(scaled 1)"
	fi
	n=$(pins_outstanding)
	dm_release server
	((n >= NET_PAGES)) || fail "$n of $NET_PAGES pages are pinned while the server may still write to them"
	wait $pid || true
	wait_for 30 pins_balanced 1 || fail "$(pins_outstanding) pins left when the server has answered"
	info "killed: pins kept until the answer"
}

# net_race: F1 with the source on a server: the direct read is held by
# the server while fsync() submits its writes, and lands before these go out.
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

# net_scratch: /mnt/scratch, a local file system for buffers.
net_scratch() { fs_new ext4 /dev/vda /mnt/scratch; }
