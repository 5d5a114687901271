# shellcheck shell=bash disable=SC2034
# As rdma-peer-btrfs, on xfs over dm-integrity (see rdma-xfs).
DESC="RDMA_WRITE (RoCE) from another machine, fsync and msync, power cut: xfs"
TIMEOUT=300
STOCK=fail
PEER=1
RDMA=rxe
RDMA_SECONDS=12 # 60 with GUEST_CMDLINE=pw.rdma=60

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

requires() { rdma_requires_checker xfs; }
run() { rdma_checker_run xfs; }
peer() { rdma_peer; }
verify() { rdma_checker_verify xfs; }
