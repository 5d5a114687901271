#!/bin/bash
# Usage: scripts/callers.sh [-l] [TREE [TABLE]]
# Compares the callers of get_user_pages*() and their relatives in a kernel tree with
# the table that says of each what it does with the pages and whether it pins them.
# Prints one line for each caller that has no row, and for each row without a caller.
#   -l     only lists the callers: file, function and what is called, separated by tabs
#   TREE   a kernel tree (default: build/BASE/tree)
#   TABLE  a Markdown file with tables whose first two columns are file and function, or
#          several with commas between (default: docs/callers-BASE.md)
# Exit code: 0 they agree, 1 they do not, 2 not run.
# Environment: BASE
. "$(dirname "$0")/lib.sh"

list=
while getopts hl o; do
	case $o in
	h) usage 0 ;;
	l) list=1 ;;
	*) usage 2 >&2 ;;
	esac
done
shift $((OPTIND - 1))
(($# <= 2)) || usage 2 >&2
[[ ${1:-} && ( ${2:-} || $list ) ]] || load_base
tree=${1:-${BUILD:-}/tree} table=${2:-$ROOT/docs/callers-$BASE.md}
[[ -r $tree/mm/gup.c ]] || die "$tree is not a kernel tree: it has no mm/gup.c"

# What counts as a call. follow_page() without FOLL_GET is among them, since the flags
# are often in a variable: the table says of such a caller that it takes nothing.
names='(__)?get_user_pages?[a-z_]*|(__)?pin_user_pages?[a-z_]*|put_user_page[a-z_]*'
names+='|iov_iter_(get|extract|hold)_pages[a-z0-9_]*|follow_page|get_vaddr_frames'

# callers FILE...: file, function, callee of each call, as lines with tabs.
# A function begins with a line in column 0 that has a "(" and comes before a "{", and
# ends with a "}" in column 0. What is neither in a function nor in a macro is a
# declaration or a definition.
callers() {
	awk -v names="$names" '
	FNR == 1 { comment = body = macro = 0; header = fn = "" }

	# Comments, strings and character constants go, so that the rest is code.
	function code(s,   out, m) {
		out = ""
		while (s != "") {
			if (comment) {
				m = index(s, "*/")
				if (!m)
					return out
				s = substr(s, m + 2)
				comment = 0
				out = out " "
			} else if (match(s, /\/\*|\/\/|"|\047/)) {
				out = out substr(s, 1, RSTART - 1)
				m = substr(s, RSTART, RLENGTH)
				s = substr(s, RSTART)
				if (m == "//")
					return out
				if (m == "/*") {
					s = substr(s, 3)
					comment = 1
				} else if (m == "\"") {
					if (!match(s, /^"(\\.|[^"\\])*"/))
						return out
					s = substr(s, RLENGTH + 1)
					out = out "\"\""
				} else {
					if (!match(s, /^\047(\\.|[^\047\\])*\047/))
						return out
					s = substr(s, RLENGTH + 1)
					out = out "0"
				}
			} else {
				out = out s
				s = ""
			}
		}
		return out
	}

	# The name of the function that a line in column 0 is the header of, or "".
	function header_name(s,   before) {
		gsub(/__attribute__ *\(\([^)]*(\([^)]*\))?[^)]*\)\)/, "", s)
		if (s !~ /^[A-Za-z_].*\(/ || s ~ /^[^(]*=/)
			return ""
		if (match(s, /^(COMPAT_)?SYSCALL_DEFINE[0-9]\([a-z0-9_]+/)) {
			sub(/^[^(]*\(/, "", s)
			match(s, /^[a-z0-9_]+/)
			return substr(s, 1, RLENGTH)
		}
		before = substr(s, 1, index(s, "(") - 1)
		sub(/[ \t]+$/, "", before)
		if (!match(before, /[A-Za-z_][A-Za-z0-9_]*$/))
			return ""
		return substr(before, RSTART)
	}

	# A name at the end of a line has its "(" in the next one.
	function calls(s, where,   name) {
		while (match(s, "(^|[^A-Za-z0-9_])(" names ")[ \t]*(\\(|$)")) {
			name = substr(s, RSTART, RLENGTH)
			s = substr(s, RSTART + RLENGTH)
			gsub(/[^A-Za-z0-9_]/, "", name)
			print FILENAME "\t" where "\t" name
		}
	}

	{
		line = code($0)
		if (macro || line ~ /^[ \t]*#/) {
			# A macro that calls is a caller by the name of the macro.
			if (!macro && line ~ /^[ \t]*#[ \t]*define[ \t]/) {
				macro_name = line
				sub(/^[ \t]*#[ \t]*define[ \t]+/, "", macro_name)
				sub(/[^A-Za-z0-9_].*/, "", macro_name)
				sub(/^[ \t]*#[ \t]*define[ \t]+[A-Za-z0-9_]+(\([^)]*\))?/, "", line)
				calls(line, macro_name)
			} else if (macro)
				calls(line, macro_name)
			macro = (line ~ /\\$/)
			next
		}
		if (body) {
			calls(line, fn)
			if (line ~ /^}/)
				body = 0
			next
		}
		if (line ~ /^[A-Za-z_]/) {
			name = header_name(line)
			if (name != "")
				header = name
		}
		if (header != "" && line ~ /{/) {
			fn = header
			header = ""
			calls(substr(line, index(line, "{") + 1), fn)
			body = (line !~ /}[ \t]*$/)
		} else if (line ~ /;[ \t]*$/)
			header = ""
	}' "$@"
}

# Of architectures and drivers all, not only those that can be built here; programs in
# tools/ and samples/ do not count.
find_callers() {
	cd "$tree"
	grep -rlE --include='*.[ch]' "\b($names)[[:space:]]*(\(|$)" \
		arch block certs crypto drivers fs include init io_uring ipc kernel lib mm net security sound usr virt 2>/dev/null |
		LC_ALL=C sort >"$tmp/files" || true
	[[ -s $tmp/files ]] || die "$tree: no callers at all; is it complete?"
	mapfile -t files <"$tmp/files"
	callers "${files[@]}" | LC_ALL=C sort -u
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
(find_callers) >"$tmp/calls"
if [[ $list ]]; then
	cat "$tmp/calls"
	exit 0
fi
[[ -r $table ]] || die "no table $table"

# Rows of the table: | file | function, function | ...; the head and the line under it
# have no "/".
awk -F'|' '
	/^\|/ && $2 ~ /\// {
		gsub(/[ `]/, "", $2); gsub(/[ `()]/, "", $3)
		n = split($3, fn, ",")
		for (i = 1; i <= n; i++)
			print $2 "\t" fn[i]
	}' "$table" | LC_ALL=C sort >"$tmp/rows"
[[ -s $tmp/rows ]] || die "$table has no rows: | file | function | ..."
cut -f 1,2 "$tmp/calls" | LC_ALL=C sort -u >"$tmp/callers"

bad=0
report() { # FORMAT, lines of file, tab, function
	local file fn callees
	while IFS=$'\t' read -r file fn; do
		callees=$(awk -F'\t' -v f="$file" -v n="$fn" '$1 == f && $2 == n { print $3 }' "$tmp/calls" | sort -u | paste -sd ' ')
		# shellcheck disable=SC2059 # the format is ours
		printf "$1\n" "$file" "$fn" "$callees"
		bad=$((bad + 1))
	done
}
report '%s: %s() has no row in the table (it calls %s)' < <(LC_ALL=C comm -23 "$tmp/callers" <(uniq "$tmp/rows"))
report '%s: %s() has a row in the table and calls nothing of the kind%.0s' < <(LC_ALL=C comm -13 "$tmp/callers" <(uniq "$tmp/rows"))
report '%s: %s() has more than one row in the table%.0s' < <(uniq -d "$tmp/rows")
((bad == 0)) || { echo "${table##*/}: $bad lines to mend"; exit 1; }
echo "${table##*/}: $(wc -l <"$tmp/callers") callers, each with its row"
