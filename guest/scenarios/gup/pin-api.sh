# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A module built against the headers of this kernel (guest/module) pins pages of the process that
# loads it, with every function there is, writes to them, and looks at page_maybe_dma_pinned()
# before and after it unpins them, with every function there is.
# Stock: not run, as it has no such functions.
DESC="a module uses every function of the pin_user_pages() family"
TIMEOUT=60
STOCK=skip
ONLY="5.4"

run() {
	modinfo pinapi >/dev/null ||
		fail "no module pinapi: guest/module did not build with this kernel"
	modprobe pinapi || fail "$(dmesg | grep -o 'pinapi: .*' | head -n 1)"
	dmesg | grep -o 'pinapi: .*' >/run/note
	modprobe -r pinapi
}
