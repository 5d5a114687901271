# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
# Rows about the text of our own files.

# bash_files: prints the paths of all files in bash or sh, from the top directory.
bash_files() {
	(
		cd "$ROOT" || exit
		find scripts guest .ci -name '*.sh'
		ls guest/run guest/init .ci/run bases/*
	) | LC_ALL=C sort
}

lint() {
	local files
	cd "$ROOT" || exit
	mapfile -t files < <(bash_files)
	shellcheck -x "${files[@]}"
}

# All files that others may copy say under which license.
spdx() {
	local file
	cd "$ROOT" || exit
	{
		bash_files
		ls Makefile config/*
		find scripts guest -name '*.[ch]' -o -name '*.awk' -o -name '*.p[ly]' \
			-o -name Kbuild
	} | while read -r file; do
		head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0' ||
			echo "$file has no SPDX line"
	done >"$tmp/without"
	[[ ! -s $tmp/without ]] || fail "$(cat "$tmp/without")"
}

columns() {
	local file
	cd "$ROOT" || exit
	{
		bash_files
		ls Makefile config/*
	} | while read -r file; do
		expand "$file" | awk -v file="$file" \
			'length > 100 { print file ":" NR ": " length " columns" }'
	done >"$tmp/wide"
	[[ ! -s $tmp/wide ]] || fail "$(cat "$tmp/wide")"
}

# A program of over 100 lines has a main function.
main_functions() {
	local file
	cd "$ROOT" || exit
	find scripts -name '*.sh' -perm -u+x | while read -r file; do
		if (($(wc -l <"$file") > 100)) && ! grep -q '^main() {' "$file"; then
			echo "$file has $(wc -l <"$file") lines and no main()"
		fi
	done >"$tmp/without"
	[[ ! -s $tmp/without ]] || fail "$(cat "$tmp/without")"
}

style_rows() {
	check shellcheck lint
	check spdx spdx
	check columns columns
	check main-functions main_functions
}
