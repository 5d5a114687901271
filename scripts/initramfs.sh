#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/initramfs.sh MODULES_ROOT RELEASE OUTPUT.cpio.gz
# Makes the initramfs of the guest: busybox, guest/init and the modules that a
# kernel needs to mount its root (none for a kernel that has them built in).
# MODULES_ROOT is the directory that holds lib/modules/RELEASE.
. "$(dirname "$0")/lib.sh"
parse_args 3 3 "$@"
root=$1 release=$2 out=$3

busybox=$(command -v busybox) || die "no busybox: run make setup"
[[ -d $root/lib/modules/$release ]] ||
	die "no modules in $root/lib/modules/$release: build this kernel again"
PATH=$PATH:/usr/sbin:/sbin
if [[ ! -e $root/lib/modules/$release/modules.dep.bin ]]; then
	depmod -b "$root" "$release"
fi

tmp=$(mktemp -d "${TMPDIR:-/tmp}/initramfs.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/bin" "$tmp/modules" "$tmp/dev"
cp "$busybox" "$tmp/bin/busybox"
install -m 755 "$ROOT/guest/init" "$tmp/init"
for module in virtio_pci virtio_blk 9pnet_virtio 9p overlay; do
	modprobe -d "$root" -S "$release" --show-depends "$module" ||
		die "kernel $release has no $module, which a guest needs"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$tmp/list"
while read -r file; do
	cp "$file" "$tmp/modules/"
	echo "${file##*/}" >>"$tmp/modules/order"
done <"$tmp/list"
rm "$tmp/list"
mkdir -p "$(dirname "$out")"
(cd "$tmp" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$out.$$"
mv "$out.$$" "$out"
