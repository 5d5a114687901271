# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# ext4 on a loop device, whose image is a file on ext4, pinned pages on both levels, and no memory
# for copies but a reserve. The inner fsync() has copies on their way to the loop device, which is
# held. Then the outer fsync() has pages of the image under writeback and needs copies. When the
# device goes on, the worker of the loop device has to write to these pages, and waits for their
# writeback. So copies of the outer level must not wait for copies of the inner level.
# Stock: not run, as it makes no copies. Patched: both fsync() finish.
# (Without CONFIG_FAIL_FUNCTION this is skipped.)
DESC="ext4 on a loop device, pinned on both levels, no memory"
TIMEOUT=120
STOCK=skip
ONLY="6.1"

requires() {
	need_cmd dmsetup losetup filefrag
	requires_fs ext4
	need_mod loop
	is_patched || skip "a stock kernel makes no bounce pages"
	need_file /sys/kernel/debug/fail_function/injectable
}

# bouncing N: N tasks wait for copies.
bouncing() { (($(grep -ls __blk_bounce_pinned /proc/[0-9]*/task/*/stack | wc -l) >= $1)); }
synced() { [[ $(cat "$@" | grep -cx 'fsync ok') == "$#" ]]; }
outer_waits_or_synced() { bouncing 2 || synced /run/outer; }

# start NAME FILE OFFSET STEP...: pins 64 pages of FILE, and does the steps when NAME.go exists.
start() {
	local name=$1 file=$2 offset=$3
	shift 3
	pinrace -f "$file" -o "$offset" -l 256k -s "$SOURCE" read \
		"sh=touch /run/$name.ready; until [ -e /run/$name.go ]; do sleep 0.1; done" \
		"$@" reap >"/run/$name" 2>&1 &
	wait_for 30 test -e "/run/$name.ready" || fail "error: $(cat "/run/$name")"
}

run() {
	local block until_done='sh=until [ -e /run/done ]; do sleep 0.1; done'
	dm_linear source /dev/vdb
	want_stable /dev/vda
	fs_new ext4 /dev/vda /mnt -b 4096
	dd if=/dev/zero of=/mnt/image bs=1M count=40 conv=fsync status=none
	modprobe loop
	losetup /dev/loop0 /mnt/image
	want_stable /dev/loop0
	dm_linear inner /dev/loop0
	want_stable /dev/mapper/inner
	fs_new ext4 /dev/mapper/inner /srv -b 4096
	fillpat -l 256k /srv/data
	sync
	block=$(filefrag -v -b4096 /srv/data | sed -n 's/^ *0: *0\.\. *63: *\([0-9]*\)\.\..*/\1/p')
	[[ $block ]] || fail "error: $(filefrag -v -b4096 /srv/data)"

	# The pages of the image are made dirty last: a flush of the loop device would write them.
	dm_hold source
	start inner /srv/data 0 dirty=1 fsync "$until_done"
	start outer /mnt/image $((block * 4096)) dirty=1 fsync "$until_done"
	no_bounce_memory 100
	dm_hold inner
	touch /run/inner.go
	wait_for 60 bouncing 1 || fail "error: the inner fsync does not wait: $(cat /run/inner)"
	touch /run/outer.go
	wait_for 60 outer_waits_or_synced || fail "error: the outer fsync: $(cat /run/outer)"
	dm_release inner
	wait_for 15 synced /run/inner /run/outer ||
		fail "deadlock: inner '$(cat /run/inner)', outer '$(cat /run/outer)'," \
			"$(grep -ls loop_process_work /proc/[0-9]*/stack | wc -l) loop workers wait"
	no_bounce_memory 0
	touch /run/done
	dm_release source
	wait_for 60 pins_balanced 1 || fail "$(pins_outstanding) pins are left"
}
