# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Scenarios: where their files are, and the fields of a file, read without running it.
# Sourced by lib.sh on the host, and by guest/run, both of which set ROOT.
#
# A scenario is the file guest/scenarios/GROUP/NAME.sh. A file with the word FS in its name,
# such as rdma-FS.sh, has a line FS="ext4 xfs" and is one scenario for each of these
# filesystems: rdma-ext4 and rdma-xfs.

# scenario_file NAME: prints the path of its file. Fails if there is none.
scenario_file() {
	local i file words word
	if [[ ! $1 =~ ^[a-z0-9-]+$ ]]; then
		return 1
	fi
	for file in "$ROOT"/guest/scenarios/*/"$1.sh" "$ROOT/guest/soak/$1.sh"; do
		if [[ -r $file ]]; then
			echo "$file"
			return 0
		fi
	done
	IFS=- read -ra words <<<"$1"
	for i in "${!words[@]}"; do
		word=${words[i]}
		words[i]=FS
		for file in "$ROOT"/guest/scenarios/*/"$(IFS=-; echo "${words[*]}")".sh; do
			if [[ -r $file && " $(file_field "$file" FS) " == *" $word "* ]]; then
				echo "$file"
				return 0
			fi
		done
		words[i]=$word
	done
	return 1
}

# scenario_fs NAME FILE: prints the filesystem that this scenario is the variant for; nothing
# if the file has no variants.
scenario_fs() {
	local stem=${2##*/} fs
	stem=${stem%.sh}
	if [[ $stem == *FS* ]]; then
		fs=${1#"${stem%%FS*}"}
		echo "${fs%"${stem##*FS}"}"
	fi
}

# file_field FILE FIELD: prints the value in the line FIELD=value or FIELD="value".
file_field() {
	sed -nE "/^$2=/{s/^$2=(\"([^\"]*)\"|([^\" ]*)).*/\2\3/p;q}" "$1"
}

# scenario_field NAME FIELD [DEFAULT]: prints a field of a scenario. In a file with variants
# the line FIELD_xfs=value counts instead of FIELD=value on xfs.
scenario_field() {
	local file fs value=''
	file=$(scenario_file "$1") || die "no scenario '$1': make list shows them"
	fs=$(scenario_fs "$1" "$file")
	if [[ $fs ]]; then
		value=$(file_field "$file" "$2_$fs")
	fi
	if [[ ! $value ]]; then
		value=$(file_field "$file" "$2")
	fi
	echo "${value:-${3:-}}"
}

# is_long NAME: is the line LONG of a scenario 1, or does it name its filesystem?
is_long() {
	local long fs
	long=$(scenario_field "$1" LONG)
	fs=$(scenario_fs "$1" "$(scenario_file "$1")")
	[[ $long == 1 || ($fs && " $long " == *" $fs "*) ]]
}

# scenario_table: prints a line for each scenario of each base, sorted by group and name:
# NAME GROUP ONLY STOCK DESC, with tabs between them; ONLY is "all" if it has no such line.
scenario_table() {
	awk '
	function value(name, fs, default_value) {
		if (fs != "" && (name "_" fs) in field)
			return field[name "_" fs]
		return name in field ? field[name] : default_value
	}
	function show(fs,   name, desc) {
		name = file_name
		desc = value("DESC", fs, "")
		if (fs != "") {
			sub(/FS/, fs, name)
			gsub(/FS/, fs, desc)
		}
		printf "%s\t%s\t%s\t%s\t%s\n", name, group, value("ONLY", fs, "all"),
			value("STOCK", fs, "fail"), desc
	}
	function show_all(   i, n, list) {
		n = file_name ~ /FS/ ? split(field["FS"], list, " ") : 0
		if (n == 0)
			show("")
		for (i = 1; i <= n; i++)
			show(list[i])
	}
	FNR == 1 {
		if (NR > 1)
			show_all()
		split("", field)
		n = split(FILENAME, part, "/")
		group = part[n - 1]
		file_name = part[n]
		sub(/\.sh$/, "", file_name)
	}
	match($0, /^[A-Za-z_0-9]+=/) {
		name = substr($0, 1, RLENGTH - 1)
		text = substr($0, RLENGTH + 1)
		if (text ~ /^"/) {
			sub(/^"/, "", text)
			sub(/".*/, "", text)
		} else {
			sub(/[ \t].*/, "", text)
		}
		if (!(name in field))
			field[name] = text
	}
	END { show_all() }' "$ROOT"/guest/scenarios/*/*.sh |
		LC_ALL=C sort -t "$(printf '\t')" -k 2,2 -k 1,1
}

# scenarios_of BASE|any [PATTERN...]: prints the names of the scenarios for this base that match
# one of the patterns (no pattern: all of them): NAME or GROUP/NAME with * and ?; GROUP/ is the
# whole group. Refuses a pattern that matches none.
scenarios_of() {
	local base=$1 pattern name group only table shown=' ' matched other
	shift
	table=$(scenario_table)
	if (($# == 0)); then
		set -- '*'
	fi
	for pattern; do
		matched='' other=''
		if [[ $pattern == */ ]]; then
			pattern+='*'
		fi
		while IFS=$'\t' read -r name group only _; do
			# shellcheck disable=SC2053 # it is a pattern
			if [[ $name != $pattern && $group/$name != $pattern ]]; then
				continue
			fi
			if [[ $base != any && $only != all && " $only " != *" $base "* ]]; then
				other=$only
				continue
			fi
			matched=1
			if [[ $shown != *" $name "* ]]; then
				echo "$name"
				shown+="$name "
			fi
		done <<<"$table"
		if [[ ! $matched && $other ]]; then
			die "scenario '$pattern' is only for base $other: use BASE=${other%% *}"
		elif [[ ! $matched ]]; then
			die "no scenario '$pattern': make list shows them"
		fi
	done
}

# scenarios [PATTERN...]: the same for $BASE.
scenarios() { scenarios_of "${BASE:?}" "$@"; }
