# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The buffers of fio are a mapped file, its I/O is direct and checked by checksums, and the mapped
# file is synced over and over at the same time: bounced pages must not disturb the data that is
# read into them. Whether a sync meets a read is left to chance, but it has to once.
# A stock kernel passes; this test guards the series.
FS="btrfs ext4 xfs"
DESC="fio on FS, its buffers are a mapped file that is synced"
TIMEOUT=180
LONG=1
STOCK=pass

requires() {
	need_cmd dmsetup fio
	need_mod dm-delay
	requires_fs "$FS"
}

run() { fio_verify "$FS"; }
