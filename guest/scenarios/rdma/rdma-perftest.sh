# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# As rdma-btrfs, but ib_write_bw of perftest registers the mapped file and writes to it (--mmap).
# It uses one half of its buffer for the data that it sends and the other half for the data that it
# receives, so the second half of the file is written to. The data that it sends is in a file, too
# (in memory, and half a buffer ahead, so that a position in one file is the same in the other);
# some pages of that file change all the time. Whether a page changes while the disk has it is left
# to chance, but not under the last sync.
# Stock: pages are unreadable after the power cut. Patched: none is.
DESC="RDMA by perftest into a mapped file during fsync, power cut"
TIMEOUT=300
STOCK=fail
ONLY="6.1"
QEMUARGS="-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0"
RDMA=rxe
RDMA_SECONDS=12 # GUEST_CMDLINE=pw.rdma=60 makes it 60

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

SENT_FILE=/run/source
HALF=$((127 * 4096)) # of RDMA_LEN

requires() {
	need_cmd ib_write_bw stdbuf
	requires_rdma btrfs
}

# write_bw FILE OFFSET OPTION...: one end. (-R: by the connection manager; -F: do not ask for the
# CPU's frequency.)
write_bw() {
	stdbuf -oL ib_write_bw -R -F -t 4 -s $HALF --mmap="$1" --mmap-offset="$2" "${@:3}" 2>&1
}

# start_perftest OPTION...: both ends ($server and $client), and the pattern in place of the random
# data of perftest.
start_perftest() {
	write_bw /mnt/data 0 "$@" >/out/server.txt &
	server=$!
	wait_for 30 grep -q 'Waiting for client to connect' /out/server.txt ||
		fail "error: ib_write_bw: $(tail -n 1 /out/server.txt)"
	write_bw $SENT_FILE $HALF "$@" $RDMA_OWNER >/out/client.txt &
	client=$!
	wait_for 30 is_connected || fail "error: ib_write_bw: $(tail -n 1 /out/client.txt)"
	fillpat -l $RDMA_LEN /mnt/data
	fillpat -o $HALF -l $RDMA_LEN $SENT_FILE
}
is_connected() {
	grep -q 'remote address' /out/server.txt && grep -q 'remote address' /out/client.txt
}

# change_source: a few pages of those that are sent, but not the first. (If many were changed at
# once, all might by chance get the content they had before.)
change_source() {
	local patterns=(S F)
	fillpat -w "${patterns[RANDOM % 2]}" -o $((HALF + (1 + RANDOM % 126) * 4096)) \
		-l $(((1 + RANDOM % 8) * 4096)) $SENT_FILE
}

# both_pinned: both buffers are, or this kernel does not count pins.
both_pinned() {
	bounced_now >/dev/null
	[[ ! $(vmstat nr_foll_pin_acquired) ]] || (($(pins_outstanding) >= 508))
}

run() {
	local seconds times average changing
	seconds=$(rdma_seconds)
	rdma_new_fs btrfs
	rdma_new
	mark_bounced
	fillpat -l 2m $SENT_FILE

	# Up to its end: it says how much it wrote, and leaves no pin.
	start_perftest -D $(((seconds + 5) / 6 + 8))
	rdmasync -n -t $(((seconds + 5) / 6)) -l $RDMA_LEN /mnt/data >/run/rdma ||
		fail "error: rdmasync"
	wait "$client" || fail "error: ib_write_bw: $(tail -n 1 /out/client.txt)"
	wait "$server" || fail "error: ib_write_bw: $(tail -n 1 /out/server.txt)"
	read -r _ times _ average _ < <(grep "^ $HALF" /out/client.txt)
	info "ib_write_bw: $times writes of $HALF bytes, $average MB/s"
	((times)) || fail "error: ib_write_bw wrote nothing"
	pins_balanced 10 || fail "$(pins_outstanding) pins acquired and not released"
	sync

	# Up to the power cut.
	start_perftest -D 3600
	wait_for 10 both_pinned ||
		fail "$(pins_outstanding) pins while two buffers of 254 pages are registered"
	# This page always has the pattern of the source, so some pages have when the power is cut.
	fillpat -w S -o $HALF -l 4096 $SENT_FILE
	while [[ ! -e /run/stop ]]; do
		change_source
	done &
	changing=$!
	rdmasync -n -t "$seconds" -l $RDMA_LEN /mnt/data >/run/rdma || fail "error: rdmasync"
	info "$(cat /run/rdma), pages bounced: $(bounced_since_mark)"
	rdma_last_sync /mnt/data disk
	touch /run/stop
	wait $changing
}

verify() { rdma_verify btrfs; }
