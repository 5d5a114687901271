# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Helpers for scenarios about btrfs, which source this file: a file whose first page can be held.
# Punching a hole that begins within that page reads it, and so the hole is not punched until the
# page is released. The filesystem is on /dev/mapper/disk: dm_linear disk /dev/vda 0 512.

requires_edge() {
	need_cmd dmsetup filefrag btrfs-map-logical
	requires_fs btrfs
}

# disk_is_read: a read of the disk is under way.
disk_is_read() {
	local inflight
	inflight=/sys/dev/block/$(stat -Lc %Hr:%Lr /dev/mapper/disk)/inflight
	(($(awk '{ print $1 }' "$inflight")))
}

# move_page SECTOR: from now on this page of the disk is in /dev/mapper/edge.
move_page() {
	local size=$((512 * 2048))
	dm_new edge "0 8 linear /dev/vda $1"
	dm_hold disk
	dmsetup reload disk <<-END
		0 $1 linear /dev/vda 0
		$1 8 linear /dev/mapper/edge 0
		$(($1 + 8)) $((size - $1 - 8)) linear /dev/vda $(($1 + 8))
	END
	dm_release disk
}

# first_sector FILE: prints where its first page is on the disk.
first_sector() {
	local page address
	page=$(filefrag -v "$1" | awk -F '[: .]+' '$2 == 0 { print $5; exit }')
	address=$(btrfs-map-logical -l $((page * 4096)) /dev/mapper/disk |
		sed -n '1s/.* physical \([0-9]*\) .*/\1/p')
	echo $((address / 512))
}

# move_first_page FILE: its first page on the disk can be held from now on, as "edge".
move_first_page() {
	local sector
	sector=$(first_sector "$1")
	((sector > 8)) || fail "error: where is the first page?"
	move_page "$sector"
}
