# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A mapped file is registered as an RDMA memory region, and a peer writes to it (real verbs,
# soft-RoCE) without pause, while it is synced by fsync() and msync(); then the power is cut. btrfs
# takes the checksum of a page and submits it; under ext4 and XFS, which have no checksums of data,
# dm-integrity does. The disk takes 40 ms to write the page.
# Stock: the page changes in between: fsync() returns 0, and after the power cut most pages are
# unreadable (EIO; EILSEQ from dm-integrity). Patched: none is; and no pin is left after
# deregistration.
FS="btrfs ext4 xfs"
DESC="RDMA (RoCE) into a mapped file during fsync, power cut: FS"
TIMEOUT=300
LONG="ext4 xfs"
STOCK=fail
QEMUARGS="-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0"
RDMA=rxe
RDMA_SECONDS=12 # GUEST_CMDLINE=pw.rdma=60 makes it 60
RDMA_SECONDS_btrfs=24

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

requires() { requires_rdma "$FS"; }
run() { rdma_run "$FS"; }
verify() { rdma_verify "$FS"; }
