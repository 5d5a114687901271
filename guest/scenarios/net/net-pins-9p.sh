# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Reads and writes of more than 1 KiB on 9p over virtio hand user pages to QEMU, which is the
# server and cannot be held.
# Stock: the pages are only referenced, and not marked dirty by a read.
# Patched: they are pinned, marked dirty, and none is left pinned.
DESC="9p: right data, pages pinned and dirty, no pin left"
TIMEOUT=180
STOCK=fail
ONLY="6.1"

# shellcheck source=guest/lib/net.sh
. /proj/guest/lib/net.sh

requires() {
	need_cmd fio
	requires_fs ext4
}

run() {
	local taken
	net_scratch
	# /out, where the results of the scenario go, is a share mounted with cache=none.
	fillpat -w S -l 5243904 /out/data
	taken=$(vmstat nr_foll_pin_acquired)
	dd if=/out/data of=/dev/null bs=64k count=16 2>&1
	taken=$(($(vmstat nr_foll_pin_acquired) - taken))
	((taken >= 256)) || fail "$taken of 256 pages that were read into were pinned"
	net_probe "9p" dioprobe -bw -s /mnt/scratch/map /out/data
	net_probe "9p, odd" oddprobe -p -s /mnt/scratch/map /out/data
	net_fio "9p" /out/fio
	rm /out/data
}
