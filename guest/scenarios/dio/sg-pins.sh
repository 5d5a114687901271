# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# SG_IO maps user pages for the disk (block/blk-map.c). It gives back every page it took, and on a
# patched kernel it takes pins. A stock kernel takes references and passes.
DESC="SG_IO has the right data and leaves no pin"
TIMEOUT=120
STOCK=pass

requires() { need_mod scsi_debug; }

run() {
	local sg=/dev/sg0
	dif_new 16
	modprobe -q sg || true
	ln -sf "$(command -v dioprobe)" /run/sgprobe
	/run/sgprobe "$DIF" >/run/probe 2>&1 || fail "$DIF: $(grep -m 1 -v '^ok' /run/probe)"
	cat /run/probe
	info "$DIF: $(grep -c '^ok' /run/probe) cases"
	if [[ ! -c $sg ]]; then
		info "no $sg in this kernel"
		return
	fi
	echo 1 >/proc/scsi/sg/allow_dio 2>/dev/null || true
	/run/sgprobe $sg >/run/probe 2>&1 || fail "$sg: $(grep -m 1 -v '^ok' /run/probe)"
	info "$sg: $(grep -c '^ok' /run/probe) cases"
}
