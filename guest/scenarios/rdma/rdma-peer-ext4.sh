# shellcheck shell=bash disable=SC2034
# As rdma-peer-btrfs, on ext4 over dm-integrity (see rdma-ext4).
DESC="RDMA_WRITE (RoCE) from another machine, fsync and msync, power cut: ext4"
TIMEOUT=300
STOCK=fail
PEER=1
RDMA=rxe
RDMA_SECONDS=12 # 60 with GUEST_CMDLINE=pw.rdma=60

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

requires() { rdma_requires_checker ext4; }
run() { rdma_checker_run ext4; }
peer() { rdma_peer; }
verify() { rdma_checker_verify ext4; }
