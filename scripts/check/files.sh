# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The files of this project; sourced by check.sh.

# project_files: all files that are not ignored, whether committed or not.
project_files() {
	local file
	cd "$ROOT" || exit
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		find . -path ./build -prune -o -type f -print | sed 's,^\./,,'
	fi | LC_ALL=C sort -u | while read -r file; do
		if [[ -f $file ]]; then
			echo "$file"
		fi
	done
}

# is_shell FILE: by its name, its first line, or a directive for shellcheck.
is_shell() {
	[[ $1 == *.sh ]] || head -n 1 "$1" | grep -qE '^#!.*\b(ba|da)?sh\b' ||
		head -n 3 "$1" | grep -q '^# shellcheck .*\bshell='
}

check_shellcheck() { # FILE...
	local file text
	for file; do
		if is_shell "$file"; then
			text=$(shellcheck -x "$file" 2>&1) || text=${text:-shellcheck failed}
			verdict shellcheck "$file" "$text"
		fi
	done
}

# has_spdx FILE: a license line among the first three, of a document the first.
has_spdx() {
	if [[ $1 == *.md ]]; then
		[[ $(head -n 1 "$1") == '<!-- SPDX-License-Identifier: GPL-2.0 -->' ]]
	else
		head -n 3 "$1" | grep -q 'SPDX-License-Identifier: '
	fi
}

check_spdx() { # FILE...
	local file count=0 found=0
	for file; do
		case $file in
		patches/* | VERSION | COPYING | *.txt | .gitignore | .shellcheckrc) continue ;;
		esac
		count=$((count + 1))
		if ! has_spdx "$file"; then
			bad "spdx       $file: no SPDX-License-Identifier at its beginning"
			found=$((found + 1))
		fi
	done
	if ((found == 0)); then
		ok "spdx       $count files"
	fi
}

check_files() {
	local -a all
	mapfile -t all < <(project_files)
	cd "$ROOT" || exit
	check_spdx "${all[@]}"
	check_shellcheck "${all[@]}"
}
