# shellcheck shell=bash disable=SC2034
# As rdma-btrfs, with another RDMA device: iWARP, which goes over TCP and has a driver
# that pins pages in its own way.
DESC="RDMA_WRITE (iWARP) into a mapped file, fsync and msync, power cut: btrfs"
TIMEOUT=300
STOCK=fail
QEMUARGS="-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0"
RDMA=siw
RDMA_SECONDS=12 # 60 with GUEST_CMDLINE=pw.rdma=60

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

requires() { rdma_requires_btrfs; }
run() { rdma_btrfs_run; }
verify() { rdma_btrfs_verify; }
