# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# How far a long step is, and its results; sourced by lib.sh.

# progress SECONDS WHAT DONE ABOUT: reads the output of a kernel build, of which DONE of about
# ABOUT files are there already, and says every SECONDS how far it is.
progress() {
	local start=$SECONDS last=$SECONDS files=$3 about=$4 line
	while read -r line; do
		if [[ $line =~ ^(CC|LD|AR|AS|HOSTCC)\  ]]; then
			files=$((files + 1))
			about=$((files > about ? files : about))
		fi
		if ((SECONDS - last >= $1)); then
			last=$SECONDS
			echo "   $2: $files of about $about files, $((SECONDS - start)) s"
		fi
	done
}

# busy WHAT COMMAND...: runs a silent command and says every 10 s that it is at work.
busy() {
	local what=$1 start=$SECONDS pid code=0
	shift
	"$@" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		if (((SECONDS - start) % 10 == 9)); then
			echo "   $what: $((SECONDS - start)) s"
			sleep 1
		fi
	done
	wait "$pid" || code=$?
	return $code
}

# verdict_of KERNEL SCENARIO: prints a line "VERDICT REASON" of the last run. VERDICT is pass,
# fail, skip, or error if the scenario failed before it could look at the kernel, which proves
# nothing.
verdict_of() {
	local verdict='' reason='' file=$BUILD/results/$1/$2.verdict
	if [[ ! -r $file ]]; then
		echo "error not run"
		return
	fi
	read -r verdict reason <"$file" || true
	if [[ $verdict == fail && $reason =~ ^(error|no\ verdict|timed\ out) ]]; then
		verdict=error
	fi
	echo "${verdict:-error} $reason"
}

# complaints_in LOG: prints the lines of a console with which the kernel complains; fails if there
# are none.
complaints_in() { grep -E -f <(grep -v '^#' "$ROOT/guest/lib/complaints") "$1"; }

# wrapped_table: reads lines of three cells with tabs between them, and prints them as a table
# of at most 100 columns. Long texts in the second and third column go on in the next line.
wrapped_table() {
	awk -F '\t' '
	# cut TEXT: the first line of a text in a column; the others are left in "rest".
	function cut(text, width,   n) {
		rest = ""
		if (length(text) <= width)
			return text
		n = width + 1
		while (n > 1 && substr(text, n, 1) != " ")
			n--
		if (n == 1) {
			rest = substr(text, width + 1)
			return substr(text, 1, width)
		}
		rest = substr(text, n + 1)
		return substr(text, 1, n - 1)
	}
	{
		for (i = 1; i <= 3; i++) {
			cell[NR, i] = $i
			if (length($i) > width[i])
				width[i] = length($i)
		}
	}
	END {
		most = int((100 - width[1] - 6) / 2)
		if (width[2] > most)
			width[2] = most
		width[3] = 100 - width[1] - width[2] - 6
		for (row = 1; row <= NR; row++) {
			first = cell[row, 1]
			stock = cell[row, 2]
			patched = cell[row, 3]
			do {
				line = cut(stock, width[2])
				stock = rest
				line = sprintf("%-*s | %-*s | ", width[1], first, width[2], line)
				first = ""
				line = line cut(patched, width[3])
				patched = rest
				sub(/ +$/, "", line)
				print line
			} while (stock != "" || patched != "")
		}
	}'
}
