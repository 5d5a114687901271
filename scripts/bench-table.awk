# SPDX-License-Identifier: GPL-2.0
# The table of scripts/bench.sh:
#   awk -v runs=N -v kib=LIMIT -v bounce=LIMIT -f bench-table.awk figures cases
#   kib      limit of the memory that the series takes at boot, in KiB
#   bounce   limit of the instructions to bounce 1 MiB, as a multiple of the bare copy, or -
#   figures  lines KERNEL RUN NAME INSTRUCTIONS
#   cases    lines NAME LIMIT TEXT
# Exit code 1: a limit is broken, a figure is missing, or the runs differ.

function shown(x) { return x == "" ? "-" : sprintf(x < 100 ? "%.1f" : "%.0f", x) }

# The difference between two figures, as a part of the first.
function change(x, y) {
	x = y / x - 1
	return x < 0 ? -x : x
}

# A line on how much more a pin takes than a plain reference.
function against(get, pin,   g, p) {
	g = v["patched", 1, get]
	p = v["patched", 1, pin]
	if (g && p)
		printf "%-42s %10s %10s %8.4f\n", text[pin], shown(g), shown(p), p / g
}

# The line of a case, with the worst ratio of all runs and the largest difference between runs.
function compare(name, limit,   s, p, r, d, differ, worst, ok) {
	s = v["stock", 1, name]
	p = v["patched", 1, name]
	if (!p || (!s && name !~ /pin/)) {
		printf "%-42s missing\n", text[name]
		bad = 1
		return
	}
	differ = worst = 0
	for (r = 1; r <= runs; r++) {
		d = change(p, v["patched", r, name])
		if (d > differ)
			differ = d
		if (!s)
			continue
		d = change(s, v["stock", r, name])
		if (d > differ)
			differ = d
		d = v["patched", r, name] / v["stock", r, name]
		if (d > worst)
			worst = d
	}
	if (!s)
		limit = "-"
	ok = limit == "-" ? "" : worst <= limit + 0 ? "ok" : "NOT OK"
	if (differ >= 0.005)
		ok = "NOT OK (runs differ)"
	if (ok ~ /^NOT/)
		bad = 1
	printf "%-42s %10s %10s %8s %7s %7.3f%%  %s\n", text[name], shown(s), shown(p),
		s ? sprintf("%.4f", worst) : "-", limit, 100 * differ, ok
}

function memory(   r, d, taken, ok) {
	taken = 0
	for (r = 1; r <= runs; r++) {
		d = v["stock", r, "boot_free_kib"] - v["patched", r, "boot_free_kib"]
		if (r == 1 || d > taken)
			taken = d
	}
	ok = taken <= kib + 0 ? "ok" : "NOT OK"
	if (ok != "ok")
		bad = 1
	printf "%-42s %10d %10d %8s %7s %8s  %s\n", "KiB of memory free when init starts",
		v["stock", 1, "boot_free_kib"], v["patched", 1, "boot_free_kib"], taken " KiB",
		kib, "", ok
}

# One write of 1 MiB, all of it pinned: the copies with all that they need, against the bare copy.
function bounces(   r, copy, cost, ratio, worst, ok) {
	if (v["patched", 1, "bounced_pages"] + 0 != 256) {
		printf "bounced pages for 256 pinned pages: %d  NOT OK\n",
			v["patched", 1, "bounced_pages"]
		bad = 1
		return
	}
	for (r = 1; r <= runs; r++) {
		copy = 256 * v["patched", r, "copy_4k"]
		cost = 256 * v["patched", r, "bounced_page"]
		ratio = cost / copy
		if (ratio > worst)
			worst = ratio
	}
	ok = bounce == "-" ? "" : worst <= bounce + 0 ? "ok" : "NOT OK"
	if (ok ~ /^NOT/)
		bad = 1
	printf "%-42s %10.0f %10.0f %8.4f %7s %8s  %s\n", "bounce of 1 MiB (left: the bare copy)",
		copy, cost, worst, bounce, "", ok
	printf "a bounced page: %.0f instructions; a bare copy of 4 KiB: %.0f (rep movsq), ",
		v["patched", 1, "bounced_page"], v["patched", 1, "copy_4k"]
	printf "%.0f (load and store 8 bytes)\n", v["patched", 1, "copy_4k_loop"]
}

BEGIN {
	printf "%-42s %10s %10s %8s %7s %8s\n", "instructions", "stock", "patched", "ratio",
		"limit", "runs +-"
}
FILENAME ~ /figures$/ {
	v[$1, $2, $3] = $4
	next
}
{
	name = $1
	limit = $2
	sub(/^[^ ]* [^ ]* /, "")
	text[name] = $0
	compare(name, limit)
}
END {
	memory()
	bounces()
	printf "\n%-42s %10s %10s %8s\n", "patched: a pin against a plain reference", "get", "pin",
		"ratio"
	n = split("fast_4k_1 fast_4k_512 fast_thp_1 fast_thp_512 " \
		"slow_4k_1 slow_4k_512 slow_thp_1 slow_thp_512", way)
	for (i = 1; i <= n; i++)
		against("get_" way[i], "pin_" way[i])
	against("put_4k", "unpin_4k")
	against("put_thp", "unpin_thp")
	exit bad
}
