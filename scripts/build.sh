#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/build.sh patched | debug | stock-lean | programs
# Builds one kernel, in build/BASE/NAME, with its modules; does nothing if source
# and configuration are those of the last build.
#   patched     build/BASE/tree, lean configuration (8 to 17 minutes on 2 cores)
#   debug       the same with config/debug.config on top (about 25 minutes)
#   stock-lean  the base without patches, lean configuration
#   programs    the programs of guest/src and the kernel's selftests, for the guests
# Environment: BASE, JOBS_BUILD (make -j, default: number of CPUs)
. "$(dirname "$0")/lib.sh"

cc=gcc
if command -v ccache >/dev/null; then
	cc='ccache gcc'
fi

# The kernel that is built, set by main and build_kernel.
name=''           # patched, debug or stock-lean
source='' out=''  # its source and its directory
fragments=()      # files of its configuration
log=''            # output of its build

# source_state: prints the state of the source, with what is not committed.
source_state() {
	if [[ -d $source/.git ]]; then
		git -C "$source" rev-parse 'HEAD^{tree}'
		git -C "$source" diff HEAD | sha256sum
		git -C "$source" ls-files --others --exclude-standard
	else
		readlink -f "$source"
	fi
}

# kernel_id: prints a checksum of all that the kernel is made of.
kernel_id() {
	{
		source_state
		cat "${fragments[@]}"
		if [[ ${BASE_GUEST_MODULES:-} ]]; then
			cat "$ROOT"/guest/module/*
		fi
		echo "$cc"
	} | sha256sum
}

kernel_make() { make -C "$source" O="$out" CC="$cc" "$@"; }

# configure: .config from the fragments. It keeps its time when it does not change: no
# needless rebuild.
configure() {
	local new=$out/new missing
	rm -rf "$new"
	mkdir "$new"
	cat "${fragments[@]}" >"$new/fragment"
	make -s -C "$source" O="$new" CC="$cc" KCONFIG_ALLCONFIG="$new/fragment" allnoconfig \
		>"$new/log" 2>&1 || die "configuration failed: $(tail -n 1 "$new/log")"
	# of a symbol in several fragments the last line counts
	missing=$(tac "$new/fragment" | sed -n 's/^\(CONFIG_[A-Z0-9_]*=[ymn]\)$/\1/p' |
		sort -u -s -t= -k1,1 | grep -v '=n$' | grep -vxF -f "$new/.config" |
		cut -d= -f1 | sort -u | tr '\n' ' ') || true
	if [[ $missing ]]; then
		note "not in this kernel's configuration: $missing"
	fi
	if ! cmp -s "$new/.config" "$out/.config"; then
		cp "$new/.config" "$out/.config"
	fi
	rm -rf "$new"
}

# built_files: prints how many files of a kernel build there are in its directory.
built_files() {
	find "$out" -name mods -prune -o \( -name '*.o' -o -name '*.a' -o -name '*.ko' \) -print |
		wc -l
}

# compile_kernel JOBS: bzImage and modules, with lines that say how far it is.
compile_kernel() {
	local every=30 done=0 about=$BASE_FILES
	if [[ -t 1 || ! ${CI:-} ]]; then
		every=10
	fi
	# A build that was interrupted goes on where it was; one of a few changes begins at 0.
	if [[ ! -e $out/vmlinux ]]; then
		done=$(built_files)
	fi
	if [[ -s $out/.files ]]; then
		about=$(<"$out/.files")
	fi
	if ! kernel_make -j"$1" bzImage modules 2>&1 | tee "$log" | sed -u 's/^ *//' |
		progress "$every" "kernel $name" "$done" "$about"; then
		grep -E -m 5 'error:|Error |No space' "$log" >&2 || tail -n 20 "$log" >&2
		die "kernel $name does not build: see ${log#"$ROOT/"}"
	fi
	built_files >"$out/.files"
}

# guest_modules: our own modules for the guests, beside those of the kernel.
guest_modules() {
	local dir=$out/guest-module modules=$BASE_GUEST_MODULES
	# A stock kernel lacks what these are built with.
	if [[ $name != stock-lean ]]; then
		modules+=" ${BASE_PATCHED_MODULES:-}"
	fi
	rm -rf "$dir"
	cp -r "$ROOT/guest/module" "$dir"
	kernel_make -s M="$dir" GUEST_MODULES="$modules" modules &&
		kernel_make -s M="$dir" GUEST_MODULES="$modules" \
			INSTALL_MOD_PATH="$out/mods.tmp" modules_install
}

# build_kernel SOURCE JOBS [FRAGMENT]: the kernel $name.
build_kernel() {
	local file id short=build/$BASE/$name.log
	source=$1 out=$BUILD/$name log=$ROOT/$short
	fragments=("$ROOT/config/lean.config")
	for file in "$ROOT/config/lean-$BASE.config" "${@:3}"; do
		if [[ -r $file ]]; then
			fragments+=("$file")
		fi
	done
	id=$(kernel_id)
	if [[ -r $out/arch/x86/boot/bzImage && $id == "$(cat "$out/.built" 2>/dev/null)" ]]; then
		return
	fi
	need_space 3 "a kernel build"
	mkdir -p "$out"
	rm -f "$out/.built"
	export KBUILD_BUILD_USER=pinned KBUILD_BUILD_HOST=writeback
	export KBUILD_BUILD_TIMESTAMP='2000-01-01'
	configure
	note "building kernel $name (log: $short)"
	compile_kernel "$2"
	rm -rf "$out/mods.tmp"
	kernel_make -s INSTALL_MOD_PATH="$out/mods.tmp" INSTALL_MOD_STRIP=1 modules_install \
		>>"$log" 2>&1 || die "modules of $name cannot be installed: see $short"
	if [[ ${BASE_GUEST_MODULES:-} ]]; then
		guest_modules >>"$log" 2>&1 ||
			die "guest/module does not build for $name: see $short"
	fi
	rm -rf "$out/mods"
	mv "$out/mods.tmp" "$out/mods"
	echo "$id" >"$out/.built"
	note "kernel $name is built ($SECONDS s)"
}

# Programs of the guests. Each .c file in guest/src and guest/soak is a program, and so is each
# directory in guest/src with its .c files. The headers in guest/src/lib are for all of them.
compiler=(gcc -O2 -Wall -Wextra -pthread "-I$ROOT/guest/src/lib")

# outdated TARGET FILE...: the target is missing, or older than a file or a header.
outdated() {
	local target=$1
	shift
	[[ ! -e $target || $(find "$@" -newer "$target") ||
		$(find "$ROOT"/guest/{src,soak} -name '*.h' -newer "$target") ]]
}

# build_program NAME FILE...: a program that needs more than libc says so in a line of its
# source, /* LIBS: PACKAGE: LINKER_OPTIONS */, and is linked with the libraries of this machine,
# which the guest has, too. Without the package it is not built.
build_program() {
	local program=$ROOT/build/guest/bin/$1 libs options=(-static)
	shift
	libs=$(sed -n 's|^/\* LIBS: \(.*\) \*/$|\1|p' "$@" | head -n 1)
	if [[ $libs ]]; then
		if ! "${compiler[@]}" -E "$@" >/dev/null 2>&1; then
			note "${1#"$ROOT/"} is not built: no ${libs%%:*} (make setup)"
			return
		fi
		read -ra options <<<"${libs#*:}"
	fi
	if outdated "$program" "$@"; then
		"${compiler[@]}" -o "$program.tmp" "$@" "${options[@]}" || die "$1 does not compile"
		mv "$program.tmp" "$program"
	fi
}

build_programs() {
	local path
	shopt -s nullglob
	mkdir -p "$ROOT/build/guest/bin"
	for path in "$ROOT"/guest/src/*.c "$ROOT"/guest/soak/*.c; do
		build_program "$(basename "$path" .c)" "$path"
	done
	for path in "$ROOT"/guest/src/*/; do
		if [[ $path != */lib/ ]]; then
			build_program "$(basename "$path")" "$path"*.c
		fi
	done
	"$ROOT/scripts/selftests.sh"
}

main() {
	local tree jobs
	parse_args 1 1 "$@"
	load_base
	name=$1 tree=$BUILD/tree jobs=${JOBS_BUILD:-$(nproc)}
	need_tools gcc make
	if [[ $name != stock-lean && ! -d $tree ]]; then
		die "no build/$BASE/tree: run make tree"
	fi
	case $name in
	patched) lock; build_kernel "$tree" "$jobs" ;;
	debug) lock; build_kernel "$tree" "$jobs" "$ROOT/config/debug.config" ;;
	stock-lean)
		"$ROOT/scripts/source.sh" pristine
		lock
		build_kernel "$BUILD/pristine" "$jobs"
		;;
	programs) lock; build_programs ;;
	*) die "no kernel '$name': use patched, debug, stock-lean or programs" ;;
	esac
}

main "$@"
