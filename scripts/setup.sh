#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/setup.sh [demo|full]
# Installs the Debian packages that are missing: those that build and boot a kernel (demo), or
# also those of make test and make check (full, the default). Says now and then how far it is;
# all that apt-get prints is in build/setup.log.
# Environment: BASE
. "$(dirname "$0")/lib.sh"

demo_packages=(
	build-essential flex bison bc libelf-dev libssl-dev xz-utils rsync git ccache
	qemu-system-x86 busybox-static cpio kmod
	dmsetup e2fsprogs btrfs-progs xfsprogs
)
full_packages=(
	fio mdadm dosfstools f2fs-tools
	exfatprogs udftools nilfs-tools jfsutils mtd-utils ecryptfs-utils diod
	libibverbs-dev librdmacm-dev ibverbs-providers iproute2 perftest
	nfs-kernel-server rpcbind samba cifs-utils bindfs fuse3 fuse-overlayfs
	krb5-kdc krb5-admin-server
	stress-ng qemu-utils mariadb-server-core mariadb-client-core
	sparse shellcheck perl python3-ply python3-git
)
log=$ROOT/build/setup.log

# missing PACKAGE...: prints those that are not installed.
missing() {
	local installed name
	installed=$(dpkg-query -W -f '${Package} ${Status}\n' "$@" 2>/dev/null |
		sed -n 's/ install ok installed$//p') || true
	for name; do
		if ! grep -qxF -- "$name" <<<"$installed"; then
			echo "$name"
		fi
	done
}

# show_progress: reads what apt-get prints, keeps it in the log and says each 10 s how far it
# is, and at once that it waits for a lock.
show_progress() {
	local line code downloaded=0 installed=0 count='' last=$SECONDS waiting=''
	while :; do
		code=0
		IFS= read -r -t 10 line || code=$?
		if ((code > 0 && code <= 128)); then
			break
		elif ((code == 0)); then
			echo "$line" >>"$log"
			case $line in
			Get:*) downloaded=$((downloaded + 1)) ;;
			'Setting up '*) installed=$((installed + 1)) ;;
			*' newly installed'*)
				count=${line%% newly installed*}
				count="${count##* } "
				;;
			*'Could not get lock'*)
				if [[ ! $waiting ]]; then
					waiting=1
					note "another program holds the lock of dpkg" \
						"($(lock_holder)), waiting up to 2 minutes"
				fi
				;;
			esac
		fi
		if ((SECONDS - last >= 10)); then
			last=$SECONDS
			echo "   ${count}packages: $downloaded downloaded," \
				"$installed installed, $SECONDS s"
		fi
	done
}

# lock_holder: prints the process that apt-get named as the holder of the lock.
lock_holder() {
	local text
	text=$(sed -n 's/.*\(held by process [0-9]* ([^)]*)\).*/\1/p' "$log" | tail -n 1)
	echo "${text:-apt-get does not say which}"
}

# die_of_apt: ends the script with the reason why apt-get failed.
die_of_apt() {
	local reason advice
	reason=$(grep -m 1 '^E: ' "$log" | cut -c 4-103) || true
	case $reason in
	*'get lock'* | *'frontend lock'*)
		die "another program holds the lock of dpkg ($(lock_holder)):" \
			"wait until it has ended, then run the same make again"
		;;
	*'Failed to fetch'* | *'resolv'* | *'onnect'* | *'Unable to locate'* | *'no installation'*)
		advice="check the network and run the same make again"
		;;
	*) advice="mend that and run the same make again" ;;
	esac
	die "apt-get could not install them (${reason:-no reason given}): $advice;" \
		"all of it is in build/setup.log"
}

main() {
	local packages=("${demo_packages[@]}") list sudo=()
	parse_args 0 1 "$@"
	case ${1:-full} in
	demo) ;;
	full) packages+=("${full_packages[@]}") ;;
	*) die "no set of packages '$1': use demo or full" ;;
	esac
	load_base

	command -v dpkg-query >/dev/null ||
		die "this machine has no dpkg: install these yourself: ${packages[*]}"
	mapfile -t list < <(missing "${packages[@]}")
	if ((${#list[@]} == 0)); then
		exit 0
	fi
	if ((EUID != 0)); then
		sudo=(sudo -n)
		sudo -n true 2>/dev/null ||
			die "packages are missing; run this, then the same make again:" \
				"sudo apt-get install --no-install-recommends ${list[*]}"
	fi
	sudo+=(env LC_ALL=C DEBIAN_FRONTEND=noninteractive)
	note "installing: ${list[*]} (log: build/setup.log)"
	mkdir -p "$ROOT/build"
	: >"$log"
	"${sudo[@]}" apt-get -q update >>"$log" 2>&1 ||
		note "apt-get update failed, trying with the package lists that are here"
	: >"$log"
	if ! "${sudo[@]}" apt-get -q -y -o DPkg::Lock::Timeout=120 \
		install --no-install-recommends "${list[@]}" </dev/null 2>&1 | show_progress; then
		die_of_apt
	fi
	note "packages are installed ($SECONDS s)"
}

main "$@"
