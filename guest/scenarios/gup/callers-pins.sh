# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The kernel writes to user pages in many ways that are neither a fault of their owner nor direct
# I/O: a debugger, AF_ALG, TLS, uprobes, RDS, process_vm_writev() and others. Each has to pin
# exactly the pages that it writes to, unpin them, and leave them dirty even if fsync() came in
# between; a caller that only reads takes no pin.
# Stock: some pin (process_vm_writev(), RDS, io_uring), most do not.
DESC="every caller that writes to user pages pins exactly these"
TIMEOUT=120
STOCK=fail
ONLY="6.1"

requires() {
	need_fs ext4
	need_cmd sha256sum
}

# The modules of these callers. A case without its module is skipped by name.
MODULES=(algif_skcipher algif_hash algif_aead xts gcm pcrypt sha256_generic tls rds rds_tcp)

run() {
	local module
	for module in "${MODULES[@]}"; do
		modprobe -q "$module" || true
	done
	mkfs.ext4 -q -F /dev/vda 64m
	mount -t ext4 /dev/vda /mnt
	# uprobes need a file of a filesystem from which they can read pages.
	cp "$(command -v pincallers)" /mnt/pincallers
	chmod 755 /mnt/pincallers
	sync
	/mnt/pincallers /mnt/buffer >/run/cases 2>&1 || {
		cat /run/cases
		fail "$(grep -c '^not ok' /run/cases) cases: $(grep -m 1 '^not ok' /run/cases)"
	}
	cat /run/cases
	if grep -q '^skip' /run/cases; then
		info "not in this kernel: $(sed -n 's/^skip //p' /run/cases | paste -sd ,)"
	fi
	info "$(grep -c '^ok' /run/cases) cases"
	# Pages of every case went through the file.
	umount /mnt
	fsck.ext4 -fn /dev/vda >/run/fsck 2>&1 || fail "fsck: $(tail -n 1 /run/fsck)"
}
