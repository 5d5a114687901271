#!/bin/bash
# Usage: scripts/check.sh
# Checks patches/BASE. Each patch: git am on the base and the patches before; what it
# touches builds, without a warning that the base does not have, on x86 or the machine
# that it is for; checkpatch --strict. The series as a whole: everything it touches
# builds, on i386 and on a kernel without options, too; sparse and kernel-doc say nothing
# that they do not say of the base; what modules use is exported; the table of callers
# is complete. And shellcheck on our scripts. One line a check; what cannot be built here
# is listed as "not built" with the reason, and never counted as ok.
# Results of a patch are kept in build/BASE/check-done until the patch, a patch before
# it, a function here or a tool changes; an interrupted check goes on where it was.
# Environment: BASE; CHECK_ALL=1 does everything again
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
load_base
"$ROOT/scripts/setup.sh" full
"$ROOT/scripts/tree.sh"
wt=$BUILD/check log=$BUILD/check.log results=$BUILD/check-done
passed=0 failed=0 unbuilt=0
mapfile -t patches < <(find "$ROOT/patches/$BASE" -name '*.patch' | sort)
((${#patches[@]})) || die "patches/$BASE is empty: run make refresh"

keep=/dev/null
ok() { passed=$((passed + 1)); echo "ok    $*" | tee -a "$keep"; }
not_built() { unbuilt=$((unbuilt + 1)); echo "not built  $1: $2" | tee -a "$keep"; } # WHAT WHY
bad() { # WHAT OUTPUT
	failed=$((failed + 1))
	echo "FAIL  $1" | tee -a "$keep"
	head -n 30 <<<"$2" | sed 's/^/      /'
}

key() { printf '%s\n' "$tools" "$@" | sha256sum | cut -c 1-40; }

# begin KEY: from here to end, what is printed is kept under this key. Fails if there
# is something: it is printed again and counted.
begin() {
	local line
	keep=$results/$1
	if [[ -e $keep.ok && ! ${CHECK_ALL:-} ]]; then
		touch "$keep.ok"
		while read -r line; do
			case $line in
			ok\ *) passed=$((passed + 1)) ;;
			not\ built*) unbuilt=$((unbuilt + 1)) ;;
			esac
			echo "$line"
		done <"$keep.ok"
		keep=/dev/null
		return 1
	fi
	: >"$keep"
}

end() { # a failure is not kept
	if grep -q '^FAIL' "$keep"; then rm "$keep"; else mv "$keep" "$keep.ok"; fi
	keep=/dev/null
}

# A machine is an architecture with a configuration: allmodconfig, which has drivers of
# all kinds, those of other machines with COMPILE_TEST; config/check.config takes out
# what only costs time. i386 (32 bits, highmem) and tiny (everything optional left
# out) build what is not a driver, once at the end.
declare -A arch=([x86]=x86_64 [i386]=i386 [tiny]=x86_64 [ppc64]=powerpc [ppc64e]=powerpc
	[s390]=s390 [sparc64]=sparc64 [arm64]=arm64)
declare -A prefix=([ppc64]=powerpc64-linux-gnu [ppc64e]=powerpc64-linux-gnu
	[s390]=s390x-linux-gnu [sparc64]=sparc64-linux-gnu [arm64]=aarch64-linux-gnu)
declare -A options=([ppc64]='CONFIG_PPC64=y CONFIG_PPC_BOOK3S_64=y'
	[ppc64e]='CONFIG_PPC64=y CONFIG_PPC_BOOK3E_64=y' [sparc64]=CONFIG_64BIT=y)

# machine_of FILE: the machine that builds it, in $machine.
machine_of() {
	case $1 in
	arch/powerpc/kvm/e500* | drivers/virt/fsl_hypervisor.c) machine=ppc64e ;;
	arch/powerpc/* | drivers/vfio/*spapr*) machine=ppc64 ;;
	arch/s390/* | drivers/s390/*) machine=s390 ;;
	arch/sparc/* | drivers/sbus/*) machine=sparc64 ;;
	arch/x86/*) machine=x86 ;;
	arch/*) machine=${1#arch/} machine=${machine%%/*} ;;
	*) machine=x86 ;;
	esac
}

# can_build MACHINE: if not, the reason is in $why.
can_build() {
	why=
	if [[ ! ${arch[$1]:-} ]]; then
		why="no compiler and configuration for $1 in scripts/check.sh"
	elif [[ ${prefix[$1]:-} ]] && ! command -v "${prefix[$1]}-gcc" >/dev/null; then
		why="no ${prefix[$1]}-gcc (Debian: gcc-${prefix[$1]})"
	fi
	[[ ! $why ]]
}

ccache=
! command -v ccache >/dev/null || ccache='ccache '
objects_of() { # MACHINE: its object directory
	if [[ $1 == x86 ]]; then echo "$BUILD/check-obj"; else echo "$BUILD/check-obj-$1"; fi
}
kmake() { # MACHINE TARGET...
	local m=$1 p=${prefix[$1]:+${prefix[$1]}-}
	shift
	LC_ALL=C make -s -C "$wt" O="$(objects_of "$m")" ARCH="${arch[$m]}" CROSS_COMPILE="$p" \
		CC="$ccache${p}gcc" CHECK='sparse -fdiagnostic-prefix' -j"$(nproc)" "$@"
}

# configure MACHINE: once a run, and only if there is something to build.
declare -A configured=()
configure() {
	local m=$1 out all=allmodconfig prepare=modules_prepare o
	[[ ! ${configured[$m]:-} ]] || return 0
	configured[$m]=1
	[[ $m != tiny ]] || all=allnoconfig
	out=$(objects_of "$m")
	mkdir -p "$out"
	{
		cat "$ROOT/config/check.config"
		for o in ${options[$m]:-}; do echo "$o"; done
	} >"$out/allconfig"
	kmake "$m" KCONFIG_ALLCONFIG="$out/allconfig" $all >>"$log" 2>&1 ||
		die "the base cannot be configured for $m: see $log"
	[[ $m != tiny ]] || prepare=prepare # has no modules
	kmake "$m" "$prepare" >>"$log" 2>&1 ||
		die "the base cannot be prepared for building on $m: see $log"
}

# warnings: of the output of a build those lines, without what a change elsewhere moves
# (line numbers, offsets) and without our directories; those of a header once.
warnings() {
	grep -E '(warning|WARNING|error): ' |
		sed -E "s,$wt/,,g; s,^(\.\.?/)*,,; s/:[0-9]+:([0-9]+:)?/:/g; s/\+?0x[0-9a-f]+//g; s/ on line [0-9]+//" |
		LC_ALL=C sort | awk -F: '$1 ~ /\.[co]$/ || !seen[$0]++' || true
}

# compile MACHINE FLAGS FILE...: of .c files the objects. What make says is in $text, the
# warnings in $warned; in $norule what there is no rule for, in $broken what else was
# not made. Objects are removed before, so that warnings are seen again, and so that
# make does not decide (for i915/gem/ it finds a rule in i915/ and misses one in gem/).
# For what make does not mention it is asked again: it only says that it has no rule for a
# file if all went well in the directories below it.
compile() {
	local m=$1 flags=$2 out o said todo again
	shift 2
	configure "$m"
	out=$(objects_of "$m")
	todo=("${@/%.c/.o}")
	(cd "$out" && rm -f "${todo[@]}")
	text='' norule='' broken=''
	while :; do
		# shellcheck disable=SC2086 # no flags, no word
		said=$(kmake "$m" -k $flags "${todo[@]}" 2>&1) || true
		printf '%s\n' "== $m: ${todo[*]}" "$said" >>"$log"
		text+=$said$'\n'
		again=()
		for o in "${todo[@]}"; do
			if [[ -e $out/$o ]]; then
				continue
			elif grep -qE "(No rule to make target|Nothing to be done for) ['\`]$o'" <<<"$said"; then
				norule+=" $o"
			elif grep -qF ": $o] Error" <<<"$said"; then
				broken+=" $o"
			else
				again+=("$o")
			fi
		done
		((${#again[@]})) || break
		if ((${#again[@]} == ${#todo[@]})); then
			broken+=" ${again[*]}"
			break
		fi
		todo=("${again[@]}")
	done
	warned=$(warnings <<<"$text")
}

# The base's own warnings of these files, in $results/base.MACHINE, and what does not
# build there, in $results/base.MACHINE-broken. Linux 5.4 has some warnings with a newer
# compiler, and sparse finds more: what the series adds is told by comparing lines, each
# may come as often as in the base.
base_warnings() {
	local m k text norule broken warned old sparse
	rm -f "$results"/base.*
	for m in "${!files[@]}" i386 tiny; do
		can_build "$m" || continue
		mapfile -t old < <(files_of "$m")
		((${#old[@]})) || continue
		k=$results/$(key "$m" "$(git -C "$wt" rev-parse 'HEAD^{tree}')" "${old[@]}").base
		if [[ ! -e $k || ${CHECK_ALL:-} ]]; then
			note "the warnings of the base itself, $m: ${#old[@]} files"
			[[ $m == i386 || $m == tiny ]] && sparse='' || sparse=C=2
			compile "$m" "$sparse" "${old[@]}"
			echo "$broken" >"$k-broken"
			echo "$warned" >"$k.tmp"
			mv "$k.tmp" "$k"
		fi
		touch "$k" "$k-broken"
		cp "$k" "$results/base.$m"
		cp "$k-broken" "$results/base.$m-broken"
	done
}

# files_of MACHINE: of the .c files of the series, those it builds and that are there by
# now. Drivers are not for i386 and tiny.
files_of() {
	local m=$1 f
	[[ $1 != i386 && $1 != tiny ]] || m=x86
	for f in ${files[$m]:-}; do
		[[ -e $wt/$f ]] || continue
		[[ $m == "$1" || $f =~ ^(block|fs|kernel|lib|mm)/ ]] || continue
		echo "$f"
	done
}

# build WHAT FLAGS FILE...: the objects of .c files, each on its machine.
build() {
	local what=$1 flags=$2 f m
	local -A on=()
	shift 2
	for f; do
		machine_of "$f"
		on[$machine]+=" $f"
	done
	for m in "${!on[@]}"; do
		if can_build "$m"; then
			# shellcheck disable=SC2086 # a list of files
			build_on "$m" "$what" "$flags" ${on[$m]}
		else
			for f in ${on[$m]}; do not_built "$what: $f" "$why"; done
		fi
	done
}

build_on() { # MACHINE WHAT FLAGS FILE...
	local m=$1 what=$2 text norule broken warned o n=$(($# - 3)) known=$results/base.$1
	[[ -e $known ]] || known=/dev/null
	[[ $m == x86 ]] || what+=" ($m)"
	compile "$m" "${@:3}"
	shift 3
	# Of a file that the series does not touch only an error counts, not a warning.
	warned=$(LC_ALL=C comm -13 "$known" - <<<"$warned" | awk -F: -v list="${series_c[*]}" '
		BEGIN { split(list, l, " "); for (i in l) series[l[i]] }
		{ f = $1; sub(/\.o$/, ".c", f) }
		$0 != "" && (f !~ /\.c$/ || f in series)')
	if [[ $m == i386 || $m == tiny ]]; then
		n=$((n - $(wc -w <<<"$norule"))) norule='' # not everything is there
		# make builds what is configured out, too, if it can: the base says if so
		for o in $broken; do
			[[ "$(cat "$results/base.$m-broken" 2>/dev/null) " == *" $o "* ]] || continue
			broken=${broken/ $o/} n=$((n - 1))
		done
	fi
	for o in $norule; do
		[[ " ${series_c[*]} " != *" ${o%.o}.c "* ]] || continue
		not_built "$what: ${o%.o}.c" "not of the series, and no rule for it in this configuration"
		norule=${norule/ $o/} n=$((n - 1))
	done
	[[ ! $broken ]] || bad "build      $what:$broken" \
		"$(grep -vE 'No rule to make target|not remade because of errors' <<<"$text")"
	[[ ! $warned ]] || bad "build      $what: warnings that the base does not have" "$warned"
	[[ ! $norule ]] || bad "build      $what: no rule for$norule" \
		"machine_of() in scripts/check.sh says which machine builds a file"
	if [[ $broken$warned$norule ]]; then
		return
	elif ((n > 8 || n < $#)); then
		ok "build      $what: $n objects"
	else
		ok "build      $what: ${*/%.c/.o}"
	fi
}

# changed_names HEADER SIGN: the declarations that HEAD adds to (+) or takes from (-) it.
changed_names() {
	git -C "$wt" diff -U0 HEAD^ HEAD -- "$1" |
		sed -nE "s/^\\$2#[[:space:]]*define[[:space:]]+(\w+).*/\1/p; s/^\\$2[A-Za-z_][^(]*\b(\w+)[[:space:]]*\(.*/\1/p" | sort -u
}

# What the patch in HEAD has to build: the .c files that it touches. For a header: of the
# whole tree what names a declaration that is taken away or changed, at most 24; and
# of the series up to three files that name something new in it, or one that includes it.
# All that includes it would be the whole kernel at each change of mm.h; the end of the
# series is built with every file, and by make test with every object of a kernel.
to_build() {
	local h n some
	git -C "$wt" diff --name-only --diff-filter=d HEAD^ HEAD -- '*.c'
	while read -r h; do
		while read -r n; do
			git -C "$wt" grep -lw -e "$n" -- '*.c' | head -n 24 || true
		done < <(changed_names "$h" -)
		some=$(changed_names "$h" + | (cd "$wt" && grep -lwFf - -- "${present[@]}") | head -n 3) || true
		[[ $some ]] || some=$(cd "$wt" && grep -lE "^#include [<\"](.*/)?${h##*/}[>\"]" -- "${present[@]}" | head -n 1) || true
		echo "${some:-mm/gup.c}"
	done < <(git -C "$wt" diff --name-only --diff-filter=d HEAD^ HEAD -- '*.h' ':!tools')
}

check_patch() { # PATCH NAME
	local text present=() sources=()
	begin "$(key "$2" "$(git -C "$wt" rev-parse 'HEAD^{tree}' 'HEAD^^{tree}')" "$(sha256sum <"$1")")" || return 0
	mapfile -t present < <(cd "$wt" && ls -- "${series_c[@]}" 2>/dev/null)
	mapfile -t sources < <(to_build | grep -vE "$not_kernel" | LC_ALL=C sort -u)
	((${#sources[@]} == 0)) || build "$2" '' "${sources[@]}"

	if text=$(cd "$wt" && PATH=/usr/bin:/bin perl scripts/checkpatch.pl --strict --quiet --no-summary \
		--ignore MISSING_SIGN_OFF,NO_AUTHOR_SIGN_OFF,FILE_PATH_CHANGES "$1" 2>&1) && [[ ! $text ]]; then
		ok "checkpatch $2"
	else
		bad "checkpatch $2" "$text"
	fi

	# Only what a patch should be, and no more: who signs off is who submits.
	if grep -q '^Signed-off-by:' "$1"; then
		bad "sign-off   $2" "has a Signed-off-by: it is for whoever submits"
	fi
	end
}

# kernel_doc COMMIT FILE...: what kernel-doc says of the files there.
kernel_doc() {
	local at=$1 f tmp opt=()
	shift
	! grep -q -- '-Wall' "$wt/scripts/kernel-doc" || opt=(-Wall)
	tmp=$(mktemp -d)
	for f; do
		mkdir -p "$tmp/${f%/*}"
		git -C "$wt" show "$at:$f" >"$tmp/$f" 2>/dev/null || continue
		(cd "$tmp" && perl "$wt/scripts/kernel-doc" -none -v "${opt[@]+"${opt[@]}"}" "$f" 2>&1) || true
	done | grep -v ': info: ' | warnings
	rm -rf "$tmp"
}

# Modules and what they use of the kernel proper are built apart from each other, so an
# EXPORT_SYMBOL that is missing shows only here.
check_exports() { # FILE...
	local out f o text
	out=$(objects_of x86)
	text=$(for f; do
		o=$out/${f%.c}.o
		[[ -e $o ]] || continue
		if grep -qw -- -DMODULE "${o%/*}/.${o##*/}.cmd"; then
			nm -u "$o" | awk '{ print "used", $NF }'
		else
			nm "$o" | awk '$3 ~ /^__ksymtab_/ { print "exported", substr($3, 11) }
				$2 ~ /^[TDBR]$/ { print "defined", $3 }'
		fi
	done | awk '{ have[$1, $2] = 1 } $1 == "used" { used[$2] = 1 }
		END { for (s in used) if ((("defined", s) in have) && !(("exported", s) in have)) print s }')
	if [[ ! $text ]]; then ok "exports    for the modules of the series"; else bad "exports    missing for modules" "$text"; fi
}

check_series() {
	local present=() touched=() old=() text m
	mapfile -t present < <(cd "$wt" && ls -- "${series_c[@]}" 2>/dev/null)
	begin "$(key series "$(git -C "$wt" rev-parse 'HEAD^{tree}')" "${present[@]}")" || return 0
	build "all of the series" C=2 "${present[@]}"
	for m in i386 tiny; do
		mapfile -t old < <(files_of "$m")
		((${#old[@]} == 0)) || build_on "$m" "all of the series" '' "${old[@]}"
	done
	check_exports "${present[@]}"
	mapfile -t touched < <(git -C "$wt" diff --diff-filter=d --name-only base HEAD -- '*.[ch]' | grep -vE "$not_kernel")
	text=$(LC_ALL=C comm -13 <(kernel_doc base "${touched[@]}") <(kernel_doc HEAD "${touched[@]}"))
	if [[ ! $text ]]; then ok "kernel-doc ${#touched[@]} files"; else bad "kernel-doc says this only of the series" "$text"; fi
	end
}

echo "== checking ${#patches[@]} patches for $BASE (up to half a minute each; what is unchanged since the last check, a second)"
base_worktree check
mkdir -p "$results"
: >"$log"
not_kernel='^(tools|Documentation|samples)/'
mapfile -t series_c < <(sed -n 's,^+++ b/\(.*\.c\)$,\1,p' "${patches[@]}" | grep -vE "$not_kernel" | LC_ALL=C sort -u)
declare -A files=()
for f in "${series_c[@]}"; do
	machine_of "$f"
	files[$machine]+=" $f"
done
tools=$(
	declare -f
	declare -p arch prefix options
	cat "$ROOT/config/check.config"
	gcc --version | head -n 1
	sparse --version
	for p in "${prefix[@]}"; do command -v "$p-gcc" || true; done
)
find "$results" -type f -mtime +30 -delete
base_warnings

for p in "${patches[@]}"; do
	name=$(basename "$p" .patch)
	am=$(plain_git -C "$wt" am -q "$p" 2>&1) || {
		plain_git -C "$wt" am --abort >/dev/null 2>&1 || true
		bad "git am     $name" "$am"
		echo "$passed ok, $failed failed"
		exit 1
	}
	ok "git am     $name"
	check_patch "$p" "$name"
done
check_series

export_series "$wt" base HEAD "$BUILD/check.export"
text=$(diff -rq "$BUILD/check.export" "$ROOT/patches/$BASE" || true)
rm -rf "$BUILD/check.export"
if [[ ! $text ]]; then ok "round trip patches/$BASE"; else bad "round trip patches/$BASE" "$text"; fi

# Who takes user pages, and how, is known of each caller.
if [[ -r $ROOT/docs/callers-$BASE.md ]]; then
	if text=$("$ROOT/scripts/callers.sh" "$wt" "$ROOT/docs/callers-$BASE.md" 2>&1); then
		ok "callers    $text"
	else
		bad "callers    docs/callers-$BASE.md" "$text"
	fi
fi

# What the bases share is the same in each, or it is said where it is not.
for b in "$ROOT"/bases/*; do
	b=${b##*/} other=$ROOT/build/$b/tree
	[[ $b != "$BASE" && -n $(git -C "$other" tag -l base 2>/dev/null) ]] || continue
	while read -r f; do
		if ! git -C "$other" cat-file -e "series:$f" 2>/dev/null; then
			echo "drift $f: not in base $b"
		elif ! git -C "$other" show "series:$f" | cmp -s - "$wt/$f"; then
			echo "drift $f: not as in base $b"
		fi
	done < <(git -C "$wt" ls-files tools/testing/selftests/gup)
done

cd "$ROOT"
for f in scripts/*.sh guest/*/*.sh guest/run guest/init guest/scenarios/*/*.sh .ci/run bases/*; do
	if text=$(shellcheck -x "$f" 2>&1); then ok "shellcheck $f"; else bad "shellcheck $f" "$text"; fi
done
((unbuilt == 0)) || echo "not built here: $unbuilt (see above)"
echo "$passed ok, $failed failed"
((failed == 0)) || exit 1
