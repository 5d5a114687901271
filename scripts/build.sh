#!/bin/bash
# Usage: scripts/build.sh patched | debug | stock-lean | programs
# Builds one kernel, in build/BASE/NAME, with its modules; does nothing if source
# and configuration are those of the last build.
#   patched     build/BASE/tree, lean configuration (8 to 17 minutes on 2 cores)
#   debug       the same with config/debug.config on top (about 25 minutes)
#   stock-lean  the base without patches, lean configuration
#   programs    the programs of guest/src and the kernel's selftests, for the guests
# Environment: BASE, JOBS_BUILD (make -j, default: number of CPUs)
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
load_base
name=${1:-}
need_tools gcc make
jobs=${JOBS_BUILD:-$(nproc)}
if [[ -t 1 || ! ${CI:-} ]]; then every=10; else every=30; fi
tree=$BUILD/tree

# source_id DIR: a name for the state of a source tree, with what is not committed.
source_id() {
	if [[ -d $1/.git ]]; then
		git -C "$1" rev-parse 'HEAD^{tree}'
		git -C "$1" diff HEAD | sha256sum
		git -C "$1" ls-files --others --exclude-standard
	else
		readlink -f "$1"
	fi
}

cc=gcc
! command -v ccache >/dev/null || cc='ccache gcc'

kernel() {
	local src=$1 out=$BUILD/$name id fragments=("$ROOT/config/lean.config") f missing
	shift
	for f in "$ROOT/config/lean-$BASE.config" "$@"; do
		[[ ! -r $f ]] || fragments+=("$f")
	done
	id=$({ source_id "$src"; cat "${fragments[@]}"; [[ ! ${BASE_GUEST_MODULES:-} ]] || cat "$ROOT"/guest/module/*; echo "$cc"; } | sha256sum)
	[[ -r $out/arch/x86/boot/bzImage && $id == "$(cat "$out/.built" 2>/dev/null)" ]] && return
	need_space 3 "a kernel build"
	mkdir -p "$out"
	rm -f "$out/.built"
	export KBUILD_BUILD_USER=pinned KBUILD_BUILD_HOST=writeback KBUILD_BUILD_TIMESTAMP='2000-01-01'
	kmake() { make -C "$src" O="$out" CC="$cc" "$@"; }

	# .config keeps its time when nothing changed: no needless rebuild.
	rm -rf "$out/new"
	mkdir "$out/new"
	cat "${fragments[@]}" >"$out/new/fragment"
	make -s -C "$src" O="$out/new" CC="$cc" KCONFIG_ALLCONFIG="$out/new/fragment" allnoconfig >"$out/new/log" 2>&1 ||
		die "configuration failed: $(tail -n 1 "$out/new/log")"
	# of a symbol in several fragments the last line counts
	missing=$(tac "$out/new/fragment" | sed -n 's/^\(CONFIG_[A-Z0-9_]*=[ymn]\)$/\1/p' | sort -u -s -t= -k1,1 | grep -v '=n$' |
		grep -vxF -f "$out/new/.config" | cut -d= -f1 | sort -u | tr '\n' ' ') || true
	[[ ! $missing ]] || note "not in this kernel's configuration: $missing"
	cmp -s "$out/new/.config" "$out/.config" || cp "$out/new/.config" "$out/.config"
	rm -rf "$out/new"

	note "building kernel $name (log: build/$BASE/$name.log)"
	kmake -j"$jobs" bzImage modules 2>&1 | tee "$BUILD/$name.log" | sed -u 's/^ *//' | progress "$every" "kernel $name" ||
		{ grep -E -m 5 'error:|Error |No space' "$BUILD/$name.log" >&2 || tail -n 20 "$BUILD/$name.log" >&2
		die "kernel $name does not build: see build/$BASE/$name.log"; }
	rm -rf "$out/mods.tmp"
	kmake -s INSTALL_MOD_PATH="$out/mods.tmp" INSTALL_MOD_STRIP=1 modules_install >>"$BUILD/$name.log" 2>&1 ||
		die "modules of $name cannot be installed: see build/$BASE/$name.log"
	if [[ ${BASE_GUEST_MODULES:-} ]]; then
		guest_modules >>"$BUILD/$name.log" 2>&1 ||
			die "guest/module does not build for $name: see build/$BASE/$name.log"
	fi
	rm -rf "$out/mods"
	mv "$out/mods.tmp" "$out/mods"
	echo "$id" >"$out/.built"
	note "kernel $name is built ($SECONDS s)"
}

# Modules of our own for the guests, beside those of the kernel.
guest_modules() {
	local dir=$out/guest-module modules=$BASE_GUEST_MODULES
	# what a stock kernel has nothing to build with
	[[ $name == stock-lean ]] || modules+=" ${BASE_PATCHED_MODULES:-}"
	rm -rf "$dir"
	cp -r "$ROOT/guest/module" "$dir"
	kmake -s M="$dir" GUEST_MODULES="$modules" modules &&
		kmake -s M="$dir" GUEST_MODULES="$modules" INSTALL_MOD_PATH="$out/mods.tmp" modules_install
}

# A program that needs more than libc says so in a line of its source,
# /* LIBS: PACKAGE: LINKER_OPTIONS */, and is linked with what the guest has: the
# libraries of this machine. Without the package it is not built.
programs() {
	local f bin=$ROOT/build/guest/bin libs opts
	mkdir -p "$bin"
	for f in "$ROOT"/guest/src/*.c; do
		[[ -e $f ]] || continue
		libs=$(sed -n 's|^/\* LIBS: \(.*\) \*/$|\1|p' "$f")
		opts=(-static)
		if [[ $libs ]]; then
			if ! gcc -E "$f" >/dev/null 2>&1; then
				note "${f#"$ROOT/"} is not built: no ${libs%%:*} (make setup)"
				continue
			fi
			read -ra opts <<<"${libs#*:}"
		fi
		compile "$f" "$bin/$(basename "$f" .c)" "${opts[@]}"
	done
	"$ROOT/scripts/selftests.sh"
}

compile() {
	local src=$1 out=$2 newer
	shift 2
	newer=$(find "$(dirname "$src")" -newer "$out" \( -name '*.h' -o -path "$src" \) 2>/dev/null) || newer=all
	[[ ! -e $out || $newer ]] || return 0
	gcc -O2 -Wall -Wextra -pthread -o "$out.tmp" "$src" "$@" || die "$src does not compile"
	mv "$out.tmp" "$out"
}

case $name in
patched | debug | programs)
	[[ -d $tree ]] || die "no build/$BASE/tree: run make tree"
	;;
esac
case $name in
patched) lock; kernel "$tree" ;;
debug) lock; kernel "$tree" "$ROOT/config/debug.config" ;;
stock-lean)
	"$ROOT/scripts/source.sh" pristine
	lock
	kernel "$BUILD/pristine"
	;;
programs) lock; programs ;;
*) usage 2 >&2 ;;
esac
