# shellcheck shell=bash disable=SC2034
# As rdma-btrfs, but the peer is another machine: a second guest, which goes on to
# write when the power of the first one is cut.
DESC="RDMA_WRITE (RoCE) from another machine, fsync and msync, power cut: btrfs"
TIMEOUT=300
STOCK=fail
PEER=1
RDMA=rxe
RDMA_SECONDS=12 # 60 with GUEST_CMDLINE=pw.rdma=60

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

requires() { rdma_requires_btrfs; }
run() { rdma_btrfs_run; }
peer() { rdma_peer; }
verify() { rdma_btrfs_verify; }
