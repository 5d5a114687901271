# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Mistakes in the use of GUP: FOLL_PIN given to get_user_pages*(), whose caller would put the page;
# FOLL_GET given to pin_user_pages*(), whose caller would unpin it; both at once. A module calls
# each function twice in each wrong way. The function has to return -EINVAL, take nothing, and
# warn the first time only.
# Stock: not run, as it has no such functions.
DESC="GUP refuses wrong flags, with one warning"
TIMEOUT=180
STOCK=skip
ONLY="5.4"
SPLAT="12 WARNING: .* at mm/gup\.c:"

requires() { need_file /sys/kernel/debug/clear_warn_once; }

run() {
	local number output code reason warnings
	modinfo pinapi >/dev/null ||
		fail "no module pinapi: guest/module did not build with this kernel"
	for ((number = 0; ; number++)); do
		# Functions may share the place that warns.
		echo 1 >/sys/kernel/debug/clear_warn_once
		dmesg -C
		code=0
		output=$(modprobe pinapi "misuse=$number" 2>&1) || code=$?
		if [[ $output == *'out of range'* ]]; then
			break
		fi
		dmesg | grep -o 'pinapi: .*' || fail "misuse=$number: $output"
		if ((code != 0)); then
			reason=$(dmesg |
				grep -m 1 -o 'pinapi: .*was not refused\|pinapi: .*has taken.*') ||
				reason=$output
			fail "$reason"
		fi
		warnings=$(dmesg | grep -c 'WARNING: .* at mm/gup\.c:') || true
		((warnings == 1)) ||
			fail "$warnings warnings: $(dmesg | grep -o 'pinapi: .*' | head -n 1)"
		modprobe -r pinapi
	done
	((number > 0)) || fail "$output"
	echo "$number misuses refused, one warning each" >/run/note
}
