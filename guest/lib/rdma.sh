# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Helpers for the RDMA scenarios; sourced by them.
#
# rdma_rxe (RoCE) and siw (iWARP) are RDMA devices in software, over any network device; here over
# a virtio one. (Not over dummy or veth: on 5.4, rxe over a device without a parent is a WARNING.)
# They treat a registered mapping as hardware does: the pages are pinned when they are registered,
# and from then on written to without a page fault.
#
# A scenario sets RDMA=rxe or siw, and RDMA_SECONDS. With PEER=1 the peer runs in a second guest,
# in the function peer(), else beside the owner of the file; then the network device leads nowhere
# (QEMUARGS).

# 254 pages. The owner registers one more, the peer 16 times as many: of a region whose pages are
# a multiple of 256, rxe of Linux 5.4 reads one pointer behind the end of its table
# (rxe_mem_copy), which KASAN reports.
RDMA_LEN=1016k
RDMA_OWNER=192.0.2.1
RDMA_PEER=192.0.2.2

requires_rdma_device() {
	need_cmd ip rdma rdmasync fsfreeze
	need_mod "$(rdma_module)" ib_uverbs rdma_ucm virtio_net
	need_file "/etc/libibverbs.d/$RDMA.driver"
}
rdma_module() {
	if [[ $RDMA == rxe ]]; then
		echo rdma_rxe
	else
		echo "$RDMA"
	fi
}

# network_device: prints the name of the first one that has hardware.
network_device() {
	local device
	for device in /sys/class/net/*/device; do
		if [[ -e $device ]]; then
			device=${device%/device}
			echo "${device##*/}"
			return 0
		fi
	done
	return 1
}

# rdma_new [ADDRESS]: makes the device, rdma0.
rdma_new() {
	local net
	ulimit -l unlimited	# siw asks even root
	modprobe -a virtio_net ib_uverbs rdma_ucm "$(rdma_module)"
	net=$(network_device) ||
		fail "error: no network device: the scenario lacks QEMUARGS or PEER"
	ip link set "$net" mtu 9000 up
	ip address add "${1:-$RDMA_OWNER}/24" dev "$net"
	rdma link add rdma0 type "$RDMA" netdev "$net"
	wait_for 10 rdma_active ||
		fail "error: rdma0 does not come up: $(rdma link show 2>&1 | head -n 1)"
	wait_for 10 test -c /dev/infiniband/uverbs0 || fail "error: no /dev/infiniband/uverbs0"
	wait_for 10 test -c /dev/infiniband/rdma_cm || fail "error: no /dev/infiniband/rdma_cm"
}
rdma_active() { [[ $(rdma link show rdma0/1 2>/dev/null) == *'state ACTIVE'* ]]; }

# rdma_seconds: prints how long RDMA and sync run before the power cut;
# GUEST_CMDLINE=pw.rdma=N changes it. A stock kernel fails at the first sync.
rdma_seconds() {
	local seconds
	seconds=$(param rdma)
	if [[ ! $seconds ]] && ! is_patched; then
		seconds=12
	fi
	whole_duration "${seconds:-$RDMA_SECONDS}"
}

# rdma_said TEXT: rdmasync, which is $rdma_pid, has printed it. Fails the scenario if rdmasync
# has ended.
rdma_said() {
	[[ -d /proc/$rdma_pid ]] || fail "error: rdmasync: $(tail -n 1 /run/rdma)"
	grep -q "$1" /run/rdma
}

# rdma_idle: GUEST_CMDLINE=pw.idle=1, for comparison: the peer connects and writes nothing. Then
# a stock kernel has to pass, too.
rdma_idle() { [[ $(param idle) == 1 ]]; }

# rdma_end OPTION...: one of the two ends. rdma_owner FILE OPTION...: the end whose memory is
# written to; rdmasync prints to /run/rdma how far it is. rdma_writer: the other end, until the
# owner cuts the connection.
rdma_end() {
	if rdma_idle; then
		set -- -i "$@"
	fi
	rdmasync -a $RDMA_OWNER -l $RDMA_LEN "$@"
}
rdma_owner() { rdma_end "${@:2}" "$1" >/run/rdma 2>&1; }
rdma_writer() {
	rdma_end -p -t "$(limit 240)" >/run/peer 2>&1 ||
		fail "error: the peer: $(tail -n 1 /run/peer)"
	info "the peer $(tail -n 1 /run/peer)"
	pins_balanced 10 ||
		fail "the peer: $(pins_outstanding) pins acquired and not released"
}

# rdma_peer: all of the second guest, for the two connections of rdma_sync. The second connection
# ends with the power of the first guest.
rdma_peer() {
	rdma_new $RDMA_PEER
	rdma_writer
	rdma_writer
}

# rdma_last_sync FILE DEVICE: the sync whose data a power cut must leave. DEVICE, to which the
# pages of the file go, is held until the peer has changed 32 of them or more. The program dirties
# words that the peer writes, too (see rdmasync.c).
rdma_last_sync() {
	mark_bounced
	pinrace -f "$1" -l $RDMA_LEN dirty=0 changed=32 "sh=$HOLD $2" 'fsync&' wb settle=1000 \
		changed=32 "sh=$RELEASE $2" join >/run/race 2>&1 ||
		fail "error: the last sync: $(tail -n 1 /run/race)"
	grep -qx 'fsync ok' /run/race || fail "the last sync: $(cat /run/race)"
	info "the last sync: pages bounced: $(bounced_since_mark)"
}

# rdma_sync FILE: first a part of the time up to deregistration, after which no pin may be left;
# then all of it up to the power cut that follows when run() returns. Whether a page changes while
# the disk, $RDMA_DISK, has it is left to chance, but not in the last sync. A kernel without
# counters of pins (stock 5.4) is not asked about them.
rdma_sync() {
	local file=$1 seconds pages held writer
	seconds=$(rdma_seconds)
	mark_bounced

	if [[ ! ${PEER:-} ]]; then
		rdma_writer &
		writer=$!
	fi
	rdma_owner "$file" -t $(((seconds + 5) / 6)) ||
		fail "error: rdmasync: $(tail -n 1 /run/rdma)"
	info "$(tr '\n' ';' </run/rdma)"
	grep -qx deregistered /run/rdma || fail "error: rdmasync: $(tail -n 1 /run/rdma)"
	if [[ ! ${PEER:-} ]]; then
		wait "$writer"
	fi
	read -r _ pages _ held _ < <(grep '^registered' /run/rdma)
	if [[ $held != no ]]; then
		# at least: a peer in this guest has its buffer pinned as well
		((held >= pages)) || fail "$held pins while $pages pages are registered"
		pins_balanced 10 ||
			fail "$(pins_outstanding) pins acquired and not released" \
				"after deregistration"
	fi
	sync

	if [[ ! ${PEER:-} ]]; then
		rdma_writer &
	fi
	{ rdma_owner "$file" -t "$seconds" -k || true; } &
	rdma_pid=$!
	wait_for $((seconds + 120)) rdma_said '^synced' ||
		fail "error: no end of the syncs after $((seconds + 120)) s"
	if ! rdma_idle; then
		# the power cut may lose data that was written after the last sync
		wait_for 60 rdma_said '^still written' ||
			fail "error: the peer does not write any more"
	fi
	info "$(tr '\n' ';' </run/rdma) pages bounced: $(bounced_since_mark)"
	if ! rdma_idle; then
		rdma_last_sync "$file" "$RDMA_DISK"
	fi
}

# rdma_expect FILE: after the power cut every page can be read, and holds words that the program
# or the peer wrote there; some by the peer.
rdma_expect() {
	local line
	line=$(pagecheck "$1")
	expect_pages "data after the power cut" "$line" old new torn
	if ! rdma_idle; then
		(($(counted new "$line") + $(counted torn "$line"))) ||
			fail "the peer wrote nothing that is there: $line"
	fi
}

# ---- the filesystem with the file ------------------------------------------
#
# btrfs has checksums of its own. Under another filesystem the device has them (checker_new of
# dev.sh). The disk below takes 40 ms for a write.

# requires_rdma FS, rdma_run FS, rdma_verify FS: the three functions of a scenario.
requires_rdma() {
	need_cmd dmsetup
	need_mod dm-delay
	if [[ $1 != btrfs ]]; then
		need_mod dm-integrity
	fi
	requires_fs "$1"
	requires_rdma_device
}

rdma_run() {
	rdma_new_fs "$1"
	rdma_new
	rdma_sync /mnt/data
	if [[ $1 != btrfs ]]; then
		# dm-integrity without a journal does not outlast a power cut in a write, nor data
		# that was not flushed, and filesystems go on to write metadata. This does not keep
		# RDMA from writing.
		fsfreeze -f /mnt
		sync "$CHECKER"
	fi
}

rdma_verify() {
	rdma_mount_again "$1"
	rdma_expect /mnt/data
}

# rdma_new_fs FS: makes it on /mnt, with the file data; sets RDMA_DISK.
rdma_new_fs() {
	modprobe dm-delay
	if [[ $1 == btrfs ]]; then
		RDMA_DISK=disk
		dm_new disk "0 $((512 * 2048)) delay /dev/vda 0 0 /dev/vda 0 40"
		fs_new btrfs /dev/mapper/disk /mnt
	else
		RDMA_DISK=slow
		checker_new 64
		dm_hold slow
		dmsetup reload slow --table "0 $((64 * 2048)) delay /dev/vda 0 0 /dev/vda 0 40"
		dm_release slow
		fs_new "$1" "$CHECKER" /mnt
	fi
	mount -o remount,noatime /mnt # reading the file then never writes
	fillpat -l $RDMA_LEN /mnt/data
	sync
}

# rdma_mount_again FS: after the power cut.
rdma_mount_again() {
	if [[ $1 == btrfs ]]; then
		dm_linear disk /dev/vda 0 512
		mount -t btrfs /dev/mapper/disk /mnt
	else
		checker_parts 64
		checker_join 64
		mount -t "$1" "$CHECKER" /mnt
	fi
}
