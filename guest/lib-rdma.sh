# shellcheck shell=bash
# Helpers for the RDMA scenarios; sourced by them.
#
# rdma_rxe is an RDMA device in software, over any network device; here a virtio
# one that leads nowhere (QEMUARGS), as both ends of the connection are on it. Not
# dummy or veth: on 5.4, rxe over a device without a parent is a WARNING. What it
# does with a registered mapping is what hardware does: the pages are pinned when
# they are registered, and from then on written to without a page fault.

RDMA_LEN=1m	# of the mapping: 256 pages

requires_rdma() {
	need_cmd ip rdma rdmasync
	need_mod rdma_rxe ib_uverbs virtio_net
	need_file /etc/libibverbs.d/rxe.driver
}

# rdma_new: the device, rxe0.
rdma_new() {
	local net
	modprobe -a virtio_net ib_uverbs rdma_rxe
	for net in /sys/class/net/*/device; do [[ ! -e $net ]] || break; done
	[[ -e $net ]] || fail "no network device: the scenario lacks QEMUARGS"
	net=${net%/device} net=${net##*/}
	ip link set "$net" mtu 9000 up
	ip address add 192.0.2.1/24 dev "$net"
	rdma link add rxe0 type rxe netdev "$net"
	wait_for 10 rdma_active || fail "rxe0 does not come up: $(rdma link show 2>&1 | head -n 1)"
	wait_for 10 test -c /dev/infiniband/uverbs0 || fail "no /dev/infiniband/uverbs0"
}
rdma_active() { [[ $(rdma link show rxe0/1 2>/dev/null) == *'state ACTIVE'* ]]; }

# rdma_seconds: how long RDMA and sync run; GUEST_CMDLINE=pw.rdma=N changes it.
rdma_seconds() {
	local n
	n=$(param rdma)
	scaled "${n:-60}" | sed 's/\..*//'
}

# rdma_said TEXT: rdmasync has printed it. rdma_alive fails the scenario if it ended.
rdma_said() { rdma_alive; grep -q "$1" /run/rdma; }
rdma_alive() { [[ -d /proc/$rdma_pid ]] || fail "rdmasync: $(tail -n 1 /run/rdma)"; }

# rdma_idle: GUEST_CMDLINE=pw.idle=1, for comparison: all is done, but the peer
# writes nothing. Then a stock kernel has to pass, too.
rdma_idle() { [[ $(param idle) != 1 ]] || echo -i; }

# rdma_sync FILE: half of the time up to deregistration, after which no pin may be
# left; and the other half up to the power cut that follows when run() returns. A
# kernel without counters of pins (stock 5.4) is not asked about them.
rdma_sync() {
	local file=$1 half pages held idle
	idle=$(rdma_idle)
	half=$((($(rdma_seconds) + 1) / 2))
	mark_bounced

	rdmasync ${idle:+-i} -d rxe0 -t $half -l $RDMA_LEN "$file" >/run/rdma 2>&1 ||
		fail "rdmasync: $(tail -n 1 /run/rdma)"
	read -r _ pages _ held _ < <(grep '^registered' /run/rdma)
	info "$(tr '\n' ';' </run/rdma)"
	grep -qx deregistered /run/rdma || fail "rdmasync: $(tail -n 1 /run/rdma)"
	if [[ $held != no ]]; then
		# at least: the peer has its buffer pinned as well
		((held >= pages)) || fail "$held pins while $pages pages are registered"
		pins_balanced 10 || fail "$(pins_outstanding) pins acquired and not released after deregistration"
	fi
	sync

	rdmasync ${idle:+-i} -d rxe0 -t $half -k -l $RDMA_LEN "$file" >/run/rdma 2>&1 &
	rdma_pid=$!
	wait_for $((half + 120)) rdma_said '^synced' || fail "no end of the syncs after $((half + 120)) s"
	info "$(grep '^synced' /run/rdma), pages bounced: $(($(bounced_now) - BOUNCED0))"
}

# rdma_expect FILE: after the power cut every page can be read, and holds words
# that the program or the peer wrote there.
rdma_expect() { expect_pages "data after the power cut" "$(pagecheck "$1")" old new torn; }

# rdma_checker SIZE_MB: like checker_new of lib-dev.sh, but the disk below the
# checksums takes 40 ms for a write instead of being held.
rdma_checker() {
	checker_new "$1"
	modprobe dm-delay
	dmsetup suspend --noflush --nolockfs slow
	dmsetup reload slow --table "0 $(($1 * 2048)) delay /dev/vda 0 0 /dev/vda 0 40"
	dmsetup resume slow
}

# rdma_checker_again SIZE_MB: the same device after the power cut.
rdma_checker_again() {
	checker_parts "$1"
	checker_join "$1"
}

# rdma_checker_run TYPE, rdma_checker_verify TYPE: run() and verify() of a file
# system that has no checksums of its own.
rdma_checker_run() {
	rdma_checker 64
	fs_new "$1" "$CHECKER" /mnt
	fillpat -l $RDMA_LEN /mnt/data
	sync
	rdma_new
	rdma_sync /mnt/data
}
rdma_checker_verify() {
	rdma_checker_again 64
	mount -t "$1" "$CHECKER" /mnt
	rdma_expect /mnt/data
}
