# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Helpers for scenarios in which writeback finds no memory for copies, so that copies for one
# device or server must not wait for copies for another. Source it on top of the scenario.

requires_nomem() {
	need_cmd dmsetup
	is_patched || skip "a stock kernel makes no bounce pages"
	need_file /sys/kernel/debug/fail_function/injectable
}

# start_pinned NAME FILE LEN STEP...: does the steps of pinrace in the background. Then it keeps the
# pages pinned until pinned_end. It prints to /run/NAME.
start_pinned() {
	local name=$1 file=$2 len=$3
	shift 3
	pinrace -f "$file" -l "$len" -s "$SOURCE" "$@" \
		'sh=until [ -e /run/done ]; do sleep 0.1; done' reap >"/run/$name" 2>&1 &
}

# As steps of pinrace: wait for the order go NAME.
pause() { echo "sh=touch /run/$1.ready; until [ -e /run/$1.go ]; do sleep 0.1; done"; }
await_pause() {
	wait_for 60 test -e "/run/$1.ready" || fail "error: not $1.ready: $(cat "/run/${1%.*}")"
}
go() { touch "/run/$1.go"; }

# synced NAME...: each of them has printed "fsync ok".
synced() {
	local name
	for name; do
		grep -qx 'fsync ok' "/run/$name" || return 1
	done
}

# copies_wait N: at least N tasks sleep until there are copies. (Functions of the scheduler are not
# in these stacks.)
copies_wait() {
	local stack n=0
	for stack in /proc/[0-9]*/task/*/stack; do
		if grep -qsE 'writeback_bounce_page|__blk_bounce_pinned' "$stack" &&
			grep -qs ') D ' "${stack%stack}stat"; then
			n=$((n + 1))
		fi
	done
	((n >= $1))
}

# pinned_end: ends all that start_pinned has started.
pinned_end() {
	no_bounce_memory 0
	touch /run/done
	dm_release source
	wait_for 60 pins_balanced 1 || fail "$(pins_outstanding) pins are left"
}

# ---- writeback on two levels -----------------------------------------------

# outer_new: ext4 on a disk that needs stable content, for the file of the inner level.
outer_new() {
	dm_linear source /dev/vdb
	want_stable /dev/vda
	fs_new ext4 /dev/vda /mnt -b 4096
}

# image_on_outer: makes /mnt/image, which becomes a block device.
image_on_outer() { dd if=/dev/zero of=/mnt/image bs=1M count=160 conv=fsync status=none; }

# inner_disk FS DEVICE: makes the filesystem on the device, which can be held as "inner", and
# /srv/data. Sets INNER_AT and INNER_LEN: new content of /srv/data goes to this part of the image.
inner_disk() {
	local type=$1 device=$2 options=()
	want_stable "$device"
	dm_linear inner "$device"
	want_stable /dev/mapper/inner
	if [[ $type == ext4 ]]; then
		options=(-b 4096)
	fi
	fs_new "$type" /dev/mapper/inner /srv "${options[@]}"
	fillpat -l 256k /srv/data
	sync
	"inner_at_$type"
}

inner_at_ext4() {
	local block
	block=$(filefrag -v -b4096 /srv/data | sed -n 's/^ *0: *0\.\. *63: *\([0-9]*\)\.\..*/\1/p')
	[[ $block ]] || fail "error: $(filefrag -v -b4096 /srv/data)"
	INNER_AT=$((block * 4096)) INNER_LEN=256k
}

# New data goes to the only chunk that has data, which holds nothing else.
inner_at_btrfs() {
	local chunk
	btrfs inspect-internal dump-tree -t chunk /dev/mapper/inner >/run/chunks
	chunk=$(awk '$1 == "length" { len = ($8 == "DATA|single") ? $2 : 0 }
		/stripe 0 devid 1 offset/ && len { print $6, len }' /run/chunks)
	[[ $chunk =~ ^([0-9]+)\ ([0-9]+)$ ]] || fail "error: chunks of btrfs: '$chunk'"
	INNER_AT=${BASH_REMATCH[1]} INNER_LEN=${BASH_REMATCH[2]}
}

# levels_race OUTER_FILE HOLD RELEASE: fsync() of /srv/data has copies on their way, which the
# command HOLD keeps there, and waits for more. Then fsync() of OUTER_FILE, from INNER_AT on, has
# pages under writeback and needs copies. After RELEASE, the inner writes change these pages, and
# wait for the end of their writeback. Both fsync() have to end.
levels_race() {
	local file=$1 hold_inner=$2 release_inner=$3
	# The outer pages are made dirty last: a flush of the inner device would write them.
	dm_hold source
	start_pinned inner /srv/data 256k read "$(pause inner)" dirty=1 fsync
	await_pause inner
	start_pinned outer "$file" "$INNER_LEN" -o "$INNER_AT" read "$(pause outer)" dirty=1 fsync
	await_pause outer
	no_bounce_memory 100
	$hold_inner
	go inner
	wait_for 60 copies_wait 1 || fail "error: the inner fsync does not wait: $(cat /run/inner)"
	go outer
	wait_for 60 outer_waits_or_synced || fail "error: the outer fsync: $(cat /run/outer)"
	$release_inner
	wait_for 15 synced inner outer ||
		fail "deadlock: inner '$(cat /run/inner)', outer '$(cat /run/outer)'"
	pinned_end
}
outer_waits_or_synced() { copies_wait 2 || synced outer; }
