#!/bin/bash
# Usage: scripts/setup.sh [demo|full]
# Installs the Debian packages that are missing: those that build and boot a
# kernel (demo), or also those of make test and make check (full, the default).
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0

packages=(
	build-essential flex bison bc libelf-dev libssl-dev xz-utils rsync git ccache
	qemu-system-x86 busybox-static cpio kmod
	dmsetup e2fsprogs btrfs-progs xfsprogs
)
case ${1:-full} in
demo) ;;
full)
	packages+=(
		fio mdadm dosfstools f2fs-tools
		libibverbs-dev librdmacm-dev ibverbs-providers iproute2 perftest
		nfs-kernel-server rpcbind samba cifs-utils bindfs fuse3 fuse-overlayfs krb5-kdc krb5-admin-server
		stress-ng qemu-utils mariadb-server-core mariadb-client-core
		sparse shellcheck perl python3-ply python3-git
	)
	;;
*) usage 2 >&2 ;;
esac

command -v dpkg-query >/dev/null ||
	die "this machine has no dpkg: install these yourself: ${packages[*]}"
missing=()
for p in "${packages[@]}"; do
	[[ $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) == *' installed' ]] || missing+=("$p")
done
((${#missing[@]})) || exit 0

sudo=()
if ((EUID != 0)); then
	sudo=(sudo -n)
	sudo -n true 2>/dev/null ||
		die "packages are missing; run this, then the same make again: sudo apt-get install --no-install-recommends ${missing[*]}"
fi
note "installing: ${missing[*]}"
mkdir -p "$ROOT/build"
log=$ROOT/build/setup.log
: >"$log"
"${sudo[@]}" apt-get -q update >/dev/null 2>>"$log" ||
	note "apt-get update failed, trying with the package lists that are here"
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}" 2>>"$log" ||
	die "apt-get could not install them ($(grep -m 1 '^E: ' "$log" | cut -c 4-103)): check the network and run the same make again; all of it is in build/setup.log"
