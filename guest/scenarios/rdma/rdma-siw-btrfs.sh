# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# As rdma-btrfs, with another RDMA device: iWARP, which goes over TCP and has a driver that pins
# pages in its own way.
# Stock: pages are unreadable after the power cut. Patched: none is.
# (Debian's kernel has no siw: KERNEL=lean is stock with it.)
DESC="RDMA (iWARP) into a mapped file during fsync, power cut: btrfs"
TIMEOUT=300
STOCK=fail
QEMUARGS="-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0"
RDMA=siw
RDMA_SECONDS=12 # GUEST_CMDLINE=pw.rdma=60 makes it 60

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

requires() { requires_rdma btrfs; }
run() { rdma_run btrfs; }
verify() { rdma_verify btrfs; }
