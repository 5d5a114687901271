# shellcheck shell=bash disable=SC2034
# As rdma-btrfs, on xfs, which has no checksums of data: dm-integrity has them, on a
# disk that takes 40 ms for a write.
DESC="RDMA_WRITE (RoCE) into a mapped file, fsync and msync, power cut: xfs"
TIMEOUT=300
STOCK=fail
QEMUARGS="-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0"
RDMA=rxe
RDMA_SECONDS=12 # 60 with GUEST_CMDLINE=pw.rdma=60

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

requires() { rdma_requires_checker xfs; }
run() { rdma_checker_run xfs; }
verify() { rdma_checker_verify xfs; }
