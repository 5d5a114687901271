# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The machines that make check builds for; sourced by check.sh.
#
# A machine is an architecture with a configuration: allmodconfig, which has drivers of
# all kinds, with COMPILE_TEST those of other machines, too. config/check.config takes
# options out that only cost time. i386 (32 bits, highmem) and tiny (nothing optional) build
# files that are not drivers, once at the end. noblock (no block layer, either) is linked.
declare -A ARCHITECTURE=([x86]=x86_64 [i386]=i386 [tiny]=x86_64 [noblock]=x86_64 [ppc64]=powerpc
	[ppc64e]=powerpc [s390]=s390 [sparc64]=sparc64 [arm64]=arm64)
declare -A PREFIX=([ppc64]=powerpc64-linux-gnu [ppc64e]=powerpc64-linux-gnu
	[s390]=s390x-linux-gnu [sparc64]=sparc64-linux-gnu [arm64]=aarch64-linux-gnu)
declare -A OPTIONS=([noblock]='CONFIG_EXPERT=y CONFIG_BLOCK=n'
	[ppc64]='CONFIG_PPC64=y CONFIG_PPC_BOOK3S_64=y'
	[ppc64e]='CONFIG_PPC64=y CONFIG_PPC_BOOK3E_64=y' [sparc64]=CONFIG_64BIT=y)
declare -A MACHINE_FILES=() # the .c files of the series that a machine builds
declare -A CONFIGURED=()    # the machines that are configured in this run

# machine_of FILE: the machine that builds it.
machine_of() {
	local machine
	case $1 in
	arch/powerpc/kvm/e500* | drivers/virt/fsl_hypervisor.c) echo ppc64e ;;
	arch/powerpc/* | drivers/vfio/*spapr*) echo ppc64 ;;
	arch/s390/* | drivers/s390/*) echo s390 ;;
	arch/sparc/* | drivers/sbus/*) echo sparc64 ;;
	arch/x86/*) echo x86 ;;
	arch/*)
		machine=${1#arch/}
		echo "${machine%%/*}"
		;;
	*) echo x86 ;;
	esac
}

# on_machine MACHINE: the words " (MACHINE)" of a line, or nothing for x86.
on_machine() {
	if [[ $1 != x86 ]]; then
		echo " ($1)"
	fi
}

# why_not_on MACHINE: the reason why nothing can be built for it here, or nothing.
why_not_on() {
	local prefix=${PREFIX[$1]:-}
	if [[ ! ${ARCHITECTURE[$1]:-} ]]; then
		echo "no compiler and configuration for $1 in scripts/check/machines.sh"
	elif [[ $prefix ]] && ! command -v "$prefix-gcc" >/dev/null; then
		echo "no $prefix-gcc (Debian: gcc-$prefix)"
	fi
}

# is_partial MACHINE: whether its configuration leaves out files that others build.
is_partial() { [[ $1 == i386 || $1 == tiny ]]; }

# by_machine RESULT FILE...: sets in the associative array RESULT the files of each machine.
by_machine() {
	local -n by_machine_result=$1
	local file
	shift
	for file; do
		by_machine_result[$(machine_of "$file")]+=" $file"
	done
}

# files_of MACHINE: the .c files of the series that it builds and that are in the worktree at
# this point of the series. i386 and tiny build no drivers.
files_of() {
	local machine=$1 file
	if is_partial "$1"; then
		machine=x86
	fi
	for file in ${MACHINE_FILES[$machine]:-}; do
		if [[ ! -e $WORKTREE/$file ]]; then
			continue
		fi
		if [[ $machine == "$1" || $file =~ ^(block|fs|kernel|lib|mm)/ ]]; then
			echo "$file"
		fi
	done
}

# objects_of MACHINE: its object directory.
objects_of() {
	if [[ $1 == x86 ]]; then
		echo "$BUILD/check-obj"
	else
		echo "$BUILD/check-obj-$1"
	fi
}

# kmake MACHINE TARGET...: make in the worktree for a machine.
kmake() {
	local machine=$1 prefix=${PREFIX[$1]:+${PREFIX[$1]}-} ccache=''
	shift
	if command -v ccache >/dev/null; then
		ccache='ccache '
	fi
	LC_ALL=C make -s -C "$WORKTREE" O="$(objects_of "$machine")" \
		ARCH="${ARCHITECTURE[$machine]}" CROSS_COMPILE="$prefix" CC="$ccache${prefix}gcc" \
		CHECK='sparse -fdiagnostic-prefix' -j"${JOBS_BUILD:-$(nproc)}" "$@" </dev/null
}

# configure MACHINE: once in a run, and only if there is something to build.
configure() {
	local machine=$1 directory all=allmodconfig prepare=modules_prepare option
	if [[ ${CONFIGURED[$machine]:-} ]]; then
		return
	fi
	CONFIGURED[$machine]=1
	if [[ $machine == tiny || $machine == noblock ]]; then
		all=allnoconfig prepare=prepare # it has no modules
	fi
	directory=$(objects_of "$machine")
	mkdir -p "$directory"
	{
		cat "$ROOT/config/check.config"
		for option in ${OPTIONS[$machine]:-}; do echo "$option"; done
	} >"$directory/allconfig"
	kmake "$machine" KCONFIG_ALLCONFIG="$directory/allconfig" $all >>"$LOG" 2>&1 ||
		die "the base cannot be configured for $machine: see $LOG"
	kmake "$machine" "$prepare" >>"$LOG" 2>&1 ||
		die "the base cannot be prepared for building on $machine: see $LOG"
}
