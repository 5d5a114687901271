#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/new-scenario.sh [GROUP/]NAME
# Makes guest/scenarios/GROUP/NAME.sh from a template that says what to edit. Without a group the
# scenario gets the group that its name begins with (net-x: net), or misc. NAME consists of small
# letters, digits and "-"; the word FS in it (x-FS) stands for filesystems, see the template.
. "$(dirname "$0")/lib.sh"
parse_args 0 1 "$@"

# with_fs: the template for a name with FS.
with_fs() {
	# shellcheck disable=SC2016 # $FS is for the scenario
	sed -e 's/^DESC=.*/FS="ext4 xfs"\nDESC="EDIT: what this shows, on FS"/' \
		-e 's/\(requires_fs\|fs_new\|mount -t\) ext4/\1 "$FS"/' "$1"
}

main() {
	local name=${1:-} group='' groups file other word
	local template=$ROOT/guest/scenarios/template.sh
	groups=$(sed -n 's/^\([a-z0-9]*\) .*/\1/p' "$ROOT/guest/scenarios/GROUPS" | tr '\n' ' ')
	[[ $name ]] || die "which name? use make scenario NAME=[GROUP/]NAME"
	if [[ $name == */* ]]; then
		group=${name%%/*} name=${name#*/}
		[[ " $groups" == *" $group "* ]] ||
			die "no group '$group': use one of: $groups(guest/scenarios/GROUPS)"
	else
		group=${name%%-*}
		if [[ " $groups" != *" $group "* ]]; then
			group=misc
		fi
	fi
	[[ $name =~ ^[a-z0-9]+(-([a-z0-9]+|FS))*$ ]] ||
		die "'$name' is not a name: use small letters, digits and '-', as in net-pins-nfs"
	case $name in
	none | shell | soak | template) die "'$name' has another meaning: use another name" ;;
	esac
	# A name with FS stands for several names.
	for word in FS ext4 xfs btrfs; do
		other=${name/FS/$word}
		for file in "$ROOT"/guest/scenarios/*/"$other.sh" \
			"$(scenario_file "$other" || true)"; do
			[[ ! -e $file ]] || die "$other is there already: ${file#"$ROOT/"}"
		done
	done

	file=$ROOT/guest/scenarios/$group/$name.sh
	mkdir -p "${file%/*}"
	if [[ $name == *FS* ]]; then
		with_fs "$template" >"$file"
		name=${name/FS/ext4}
	else
		cp "$template" "$file"
	fi
	echo "made ${file#"$ROOT/"}: edit the lines that say EDIT, then"
	echo "    make test SCENARIO=$name KERNEL=patched"
	echo "    make test SCENARIO=$name    (on stock, too)"
	echo "    make shell SCENARIO=$name   (to try its commands)"
}

main "$@"
