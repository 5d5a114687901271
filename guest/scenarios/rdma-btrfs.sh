# shellcheck shell=bash disable=SC2034
# A mapped file is registered as an RDMA memory region, and a peer writes to it
# without pause. btrfs takes the checksum of a page and submits it; the disk takes
# 40 ms to write it. On a stock kernel the page changes in between: fsync() returns
# 0, and after a power cut most pages are unreadable (EIO). RDMA writes to the end.
DESC="RDMA_WRITE into a mapped file, fsync and msync for 60 s, power cut: btrfs"
TIMEOUT=300
STOCK=fail
QEMUARGS="-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0"
ONLY="5.4"

# shellcheck source=guest/lib-rdma.sh
. /proj/guest/lib-rdma.sh

requires() { need_cmd dmsetup; need_mod dm-delay; requires_fs btrfs; requires_rdma; }

run() {
	modprobe dm-delay
	dm_new disk "0 $((512 * 2048)) delay /dev/vda 0 0 /dev/vda 0 40"
	fs_new btrfs /dev/mapper/disk /mnt
	fillpat -l $RDMA_LEN /mnt/data
	sync
	rdma_new
	rdma_sync /mnt/data
}

verify() {
	dm_linear disk /dev/vda 0 512
	mount -t btrfs /dev/mapper/disk /mnt
	rdma_expect /mnt/data
}
