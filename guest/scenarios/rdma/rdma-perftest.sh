# shellcheck shell=bash disable=SC2034
# As rdma-btrfs, but it is ib_write_bw of perftest that registers the mapped file and
# writes to it. It takes one half of its buffer for what it sends and the other half
# for what it gets, so the second half of the file is written to. What it sends comes
# from a file, too (in memory, and half a buffer ahead, so that a position in one file
# is the same in the other); some pages of that one change all the time. Whether one
# does while the disk has it is left to chance, but not under the last sync.
DESC="ib_write_bw of perftest, with a mapped file as its buffer, fsync and msync, power cut: btrfs"
TIMEOUT=300
STOCK=fail
ONLY="6.1"
QEMUARGS="-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0"
RDMA=rxe
RDMA_SECONDS=12 # 60 with GUEST_CMDLINE=pw.rdma=60

# shellcheck source=guest/lib/rdma.sh
. /proj/guest/lib/rdma.sh

SOURCE_FILE=/run/source
HALF=$((127 * 4096)) # of RDMA_LEN

requires() { need_cmd ib_write_bw stdbuf; rdma_requires_btrfs; }

# bw FILE OFFSET OPTION...: one end. (-R: by the connection manager; -F: do not ask for
# the CPU's frequency.)
bw() { stdbuf -oL ib_write_bw -R -F -t 4 -s $HALF --mmap="$1" --mmap-offset="$2" "${@:3}" 2>&1; }

# perftest OPTION...: both ends, and the pattern where perftest put random data.
perftest() {
	bw /mnt/data 0 "$@" >/out/server.txt &
	server=$!
	wait_for 30 grep -q 'Waiting for client to connect' /out/server.txt || fail "error: ib_write_bw: $(tail -n 1 /out/server.txt)"
	bw $SOURCE_FILE $HALF "$@" $RDMA_OWNER >/out/client.txt &
	client=$!
	wait_for 30 connected || fail "error: ib_write_bw: $(tail -n 1 /out/client.txt)"
	fillpat -l $RDMA_LEN /mnt/data
	fillpat -o $HALF -l $RDMA_LEN $SOURCE_FILE
}

# change_source: a few pages of it, of those that are sent, but the first. (Were
# it many at once, all might by chance be what they were before.)
change_source() {
	local who=(S F)
	fillpat -w "${who[RANDOM % 2]}" -o $((HALF + (1 + RANDOM % 126) * 4096)) -l $(((1 + RANDOM % 8) * 4096)) $SOURCE_FILE
}

# pinned: both buffers are, or this kernel does not count pins.
pinned() {
	bounced_now >/dev/null
	[[ ! $(vmstat nr_foll_pin_acquired) ]] || (($(pins_outstanding) >= 508))
}
connected() { grep -q 'remote address' /out/server.txt && grep -q 'remote address' /out/client.txt; }

run() {
	local seconds
	seconds=$(rdma_seconds)
	rdma_btrfs_new
	rdma_new
	mark_bounced
	fillpat -l 2m $SOURCE_FILE

	# Up to its end: it says how much it wrote, and leaves no pin.
	perftest -D $(((seconds + 5) / 6 + 8))
	rdmasync -n -t $(((seconds + 5) / 6)) -l $RDMA_LEN /mnt/data >/run/rdma || fail "error: rdmasync"
	wait "$client" || fail "error: ib_write_bw: $(tail -n 1 /out/client.txt)"
	wait "$server" || fail "error: ib_write_bw: $(tail -n 1 /out/server.txt)"
	read -r _ times _ average _ < <(grep "^ $HALF" /out/client.txt)
	info "ib_write_bw: $times writes of $HALF bytes, $average MB/s"
	((times)) || fail "error: ib_write_bw wrote nothing"
	pins_balanced 10 || fail "$(pins_outstanding) pins acquired and not released"
	sync

	# Up to the power cut.
	perftest -D 3600
	wait_for 10 pinned || fail "$(pins_outstanding) pins while two buffers of 254 pages are registered"
	# This page is always that of the source, so that some are when the power is cut.
	fillpat -w S -o $HALF -l 4096 $SOURCE_FILE
	while [[ ! -e /run/stop ]]; do change_source; done &
	changing=$!
	rdmasync -n -t "$seconds" -l $RDMA_LEN /mnt/data >/run/rdma || fail "error: rdmasync"
	info "$(cat /run/rdma), pages bounced: $(($(bounced_now) - BOUNCED0))"
	rdma_last_sync /mnt/data disk
	touch /run/stop
	wait $changing
}

verify() {
	rdma_btrfs_again
	rdma_expect /mnt/data
}
