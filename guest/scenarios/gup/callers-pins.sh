# shellcheck shell=bash disable=SC2034
# The kernel writes to user pages in many ways that are neither a fault of their owner
# nor direct I/O: a debugger, AF_ALG, TLS, uprobes, RDS, process_vm_writev(). Each has to
# pin exactly the pages that it writes to, and let go of them; what only reads takes no
# pin. A stock kernel pins some (process_vm_writev(), RDS, io_uring) and not the others.
DESC="callers that write to user pages pin them, exactly, and have the right data"
TIMEOUT=120
ONLY="6.1"

requires() { need_fs ext4; need_cmd sha256sum; }

run() {
	local m
	# What this kernel has as modules; a case without its module is skipped by name.
	for m in algif_skcipher algif_hash algif_aead xts gcm pcrypt sha256_generic tls rds rds_tcp; do
		modprobe -q "$m" || true
	done
	mkfs.ext4 -q -F /dev/vda 64m
	mount -t ext4 /dev/vda /mnt
	# uprobes want a file of a file system that they can read pages from
	cp "$(command -v pincallers)" /mnt/pincallers
	chmod 755 /mnt/pincallers
	sync
	/mnt/pincallers /mnt/buffer >/run/cases 2>&1 || {
		cat /run/cases
		fail "$(grep -c '^not ok' /run/cases) cases: $(grep -m 1 '^not ok' /run/cases)"
	}
	cat /run/cases
	! grep -q '^skip' /run/cases || info "not in this kernel: $(sed -n 's/^skip //p' /run/cases | paste -sd ,)"
	info "$(grep -c '^ok' /run/cases) cases"
	# pages of every case went through the file: nothing is lost
	umount /mnt
	fsck.ext4 -fn /dev/vda >/run/fsck 2>&1 || fail "fsck: $(tail -n 1 /run/fsck)"
}
