# shellcheck shell=bash disable=SC2034
# What GUP is asked for by mistake: FOLL_PIN by callers of get_user_pages*(), who would
# put the page; FOLL_GET by callers of pin_user_pages*(), who would unpin it; both at
# once. Each function is called twice in each wrong way, by a module. It has to say
# -EINVAL, take nothing, and warn the first time only.
DESC="wrong flags for GUP: refused, with one warning"
TIMEOUT=180
STOCK=skip
ONLY="5.4"
SPLAT="12 WARNING: .* at mm/gup\.c:"

requires() { need_file /sys/kernel/debug/clear_warn_once; }

run() {
	local n out rc why warnings
	modinfo pinapi >/dev/null || fail "no module pinapi: guest/module did not build with this kernel"
	for ((n = 0; ; n++)); do
		# Functions may share the place that warns.
		echo 1 >/sys/kernel/debug/clear_warn_once
		dmesg -C
		rc=0
		out=$(modprobe pinapi "misuse=$n" 2>&1) || rc=$?
		[[ $out != *'out of range'* ]] || break
		dmesg | grep -o 'pinapi: .*' || fail "misuse=$n: $out"
		if ((rc != 0)); then
			why=$(dmesg | grep -m 1 -o 'pinapi: .*was not refused\|pinapi: .*has taken.*') || why=$out
			fail "$why"
		fi
		warnings=$(dmesg | grep -c 'WARNING: .* at mm/gup\.c:') || true
		((warnings == 1)) || fail "$warnings warnings: $(dmesg | grep -o 'pinapi: .*' | head -n 1)"
		modprobe -r pinapi
	done
	((n > 0)) || fail "$out"
	echo "$n misuses refused, one warning each" >/run/note
}
