# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# As rdma-btrfs, rdma-ext4 and rdma-xfs, but the peer is another machine: a second guest, which goes
# on to write when the power of the first one is cut.
# Stock: pages are unreadable after the power cut. Patched: none is.
FS="btrfs ext4 xfs"
DESC="RDMA (RoCE) from a second guest during fsync, power cut: FS"
TIMEOUT=300
LONG="ext4 xfs"
STOCK=fail
PEER=1
RDMA=rxe
RDMA_SECONDS=12 # GUEST_CMDLINE=pw.rdma=60 makes it 60

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

requires() { requires_rdma "$FS"; }
run() { rdma_run "$FS"; }
peer() { rdma_peer; }
verify() { rdma_verify "$FS"; }
