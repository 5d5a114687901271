# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A user who may only read a page of a file pins it a million times: direct writes of this page to a
# device that does not answer. The owner of the file goes on using the page: direct writes of it
# (iomap, and fs/direct-io.c with vfat), a direct read into it, process_vm_readv() and
# process_vm_writev(). Then the owner himself takes the pins that are left for writers. Now what
# writes to the page is refused with ENOMEM, and what only reads it still works.
# Stock passes, as direct I/O does not pin there. With the pins of the series, but without a way to
# do without them, all uses by the owner fail: ENOMEM and EFAULT.
DESC="one user cannot take the pins of a page from others"
TIMEOUT=300
STOCK=pass
ONLY="6.1"

requires() {
	need_cmd dmsetup setpriv mkfs.vfat
	requires_fs ext4
	need_fs vfat
}

# fill COMMAND UID REQUESTS: starts pinlimit as this user, and waits until it has taken its pins.
filled() { grep -q '^filled: ' "/run/$1"; }
fill() {
	setpriv "--reuid=$2" --clear-groups /run/pinlimit "$1" /srv/held/file /srv/other/page "$3" \
		>"/run/$1" 2>&1 &
	pids+=($!)
	wait_for 60 filled "$1" || fail "error: $1: $(tail -n 1 "/run/$1")"
	info "$(cat "/run/$1")"
}

# use COMMAND WHEN: the owner uses the page.
use() {
	setpriv --reuid=1001 --clear-groups /run/pinlimit "$1" /srv/other/page /srv/other/out \
		/srv/vfat/out >/run/use 2>&1 || {
		cat /run/use
		fail "$2: $(grep -c '^not ok' /run/use) of $(grep -c 'ok' /run/use) uses failed," \
			"first: $(grep -m 1 -v '^ok' /run/use)"
	}
	info "$2: $(grep -c '^ok' /run/use) uses are right"
}

run() {
	local pids=()
	mkdir -p /srv/held /srv/other /srv/vfat
	dm_linear held /dev/vda 0 64
	fs_new ext4 /dev/mapper/held /srv/held -O ^has_journal
	fillpat -l 4m /srv/held/file
	chmod 666 /srv/held/file
	fs_new ext4 /dev/vdb /srv/other
	dm_linear vfat /dev/vda 64 64
	mkfs.vfat /dev/mapper/vfat >/dev/null
	mount -t vfat -o uid=1001 /dev/mapper/vfat /srv/vfat
	fillpat -l 16k /srv/other/page
	chown 1001 /srv/other /srv/other/page
	chmod 644 /srv/other/page
	cp "$(command -v pinlimit)" /run/pinlimit
	chmod 755 /run /run/pinlimit
	sync
	use use "before"

	dm_hold held
	fill fill 1000 1040
	use use "pins for reading taken"
	if is_patched; then
		fill fill-read 1001 600
		use use-full "all pins taken"
	fi
	dm_release held
	kill "${pids[@]}"
	wait
	pins_balanced || fail "$(pins_outstanding) pins are left"
	use use "after"
	umount /srv/vfat /srv/held
}
