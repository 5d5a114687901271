#!/bin/bash
# Usage: scripts/initramfs.sh MODULES_ROOT RELEASE OUTPUT.cpio.gz
# Makes the initramfs of the guest: busybox, guest/init and the modules that a
# kernel needs to mount its root (none for a kernel that has them built in).
# MODULES_ROOT is the directory that holds lib/modules/RELEASE.
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
(($# == 3)) || usage 2 >&2
root=$1 rel=$2 out=$3

busybox=$(command -v busybox) || die "no busybox: run make setup"
[[ -d $root/lib/modules/$rel ]] || die "no modules in $root/lib/modules/$rel: build this kernel again"
PATH=$PATH:/usr/sbin:/sbin
[[ -e $root/lib/modules/$rel/modules.dep.bin ]] || depmod -b "$root" "$rel"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/initramfs.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/bin" "$tmp/modules" "$tmp/dev"
cp "$busybox" "$tmp/bin/busybox"
install -m 755 "$ROOT/guest/init" "$tmp/init"
for m in virtio_pci virtio_blk 9pnet_virtio 9p overlay; do
	modprobe -d "$root" -S "$rel" --show-depends "$m" ||
		die "kernel $rel has no $m, which a guest needs"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$tmp/list"
while read -r f; do
	cp "$f" "$tmp/modules/"
	echo "${f##*/}" >>"$tmp/modules/order"
done <"$tmp/list"
rm "$tmp/list"
mkdir -p "$(dirname "$out")"
(cd "$tmp" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$out.$$"
mv "$out.$$" "$out"
