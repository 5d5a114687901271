# shellcheck shell=bash disable=SC2034
# As rdma-btrfs, on xfs, which has no checksums of data: dm-integrity has them, on a
# disk that takes 40 ms for a write.
DESC="RDMA_WRITE into a mapped file, fsync and msync for 60 s, power cut: xfs"
TIMEOUT=300
STOCK=fail
QEMUARGS="-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0"
ONLY="5.4"

# shellcheck source=guest/lib-rdma.sh
. /proj/guest/lib-rdma.sh

requires() { need_cmd dmsetup; need_mod dm-integrity dm-delay; requires_fs xfs; requires_rdma; }

run() { rdma_checker_run xfs; }

verify() { rdma_checker_verify xfs; }
