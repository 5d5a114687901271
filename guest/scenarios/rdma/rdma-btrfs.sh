# shellcheck shell=bash disable=SC2034
# A mapped file is registered as an RDMA memory region, and a peer writes to it
# without pause. btrfs takes the checksum of a page and submits it; the disk takes
# 40 ms to write it. On a stock kernel the page changes in between: fsync() returns
# 0, and after a power cut most pages are unreadable (EIO). RDMA writes to the end.
DESC="RDMA_WRITE (RoCE) into a mapped file, fsync and msync for 60 s, power cut: btrfs"
TIMEOUT=300
STOCK=fail
QEMUARGS="-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0"
RDMA=rxe
RDMA_SECONDS=60

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

requires() { rdma_requires_btrfs; }
run() { rdma_btrfs_run; }
verify() { rdma_btrfs_verify; }
