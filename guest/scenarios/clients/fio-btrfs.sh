# shellcheck shell=bash disable=SC2034
# fio's buffers are a mapped file, its I/O is direct and checked by checksums,
# and meanwhile the mapped file is synced over and over: bounced pages must not
# disturb what is read into them. A stock kernel passes; this guards the series.
DESC="fio with mmapshared buffers on btrfs, O_DIRECT, verify, concurrent fsync"
TIMEOUT=180
STOCK=pass

requires() { need_cmd dmsetup fio; need_mod dm-delay; requires_fs btrfs; }

run() { fio_verify btrfs; }
