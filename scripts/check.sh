#!/bin/bash
# Usage: scripts/check.sh
# Checks patches/BASE: git am on a clean base; after each patch, the objects it
# touches build without a warning; checkpatch --strict; sparse and kernel-doc on
# the files the series adds; shellcheck on our scripts. One line per check.
# Environment: BASE
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
load_base
"$ROOT/scripts/setup.sh" full
"$ROOT/scripts/tree.sh"
wt=$BUILD/check out=$BUILD/check-obj log=$BUILD/check.log
passed=0 failed=0
mapfile -t patches < <(find "$ROOT/patches/$BASE" -name '*.patch' | sort)
((${#patches[@]})) || die "patches/$BASE is empty: run make refresh"
: >"$log"

ok() { passed=$((passed + 1)); echo "ok    $*"; }
bad() { # WHAT OUTPUT
	failed=$((failed + 1))
	echo "FAIL  $1"
	head -n 20 <<<"$2" | sed 's/^/      /'
}

cc=gcc
! command -v ccache >/dev/null || cc='ccache gcc'
kmake() { make -s -C "$wt" O="$out" CC="$cc" -j"$(nproc)" "$@"; }

configure() {
	mkdir -p "$out"
	if ! kmake KCONFIG_ALLCONFIG="$ROOT/config/lean.config" allnoconfig >>"$log" 2>&1 ||
		! kmake prepare modules_prepare >>"$log" 2>&1; then
		die "the base cannot be prepared for building: see $log"
	fi
}

# What the patch in HEAD has to build: the .c files it touches; for headers the .c
# files of the series that are there by now and include them.
objects() {
	local f h
	while read -r f; do
		case $f in
		tools/* | Documentation/*) ;;
		*.c) [[ ! -e $wt/$f ]] || echo "${f%.c}.o" ;;
		*.h)
			h=${f#include/}
			for c in "${series_c[@]}"; do
				if [[ -e $wt/$c ]] && grep -qE "^#include [<\"](.*/)?$(basename "$h")[>\"]" "$wt/$c"; then
					echo "${c%.c}.o"
				fi
			done
			# widely included headers reach these without being named
			case $h in linux/bio.h | linux/blk*.h | linux/mm*.h | linux/uio.h) echo block/bio.o ;; esac
			;;
		esac
	done < <(git -C "$wt" diff --name-only HEAD^ HEAD) | sort -u
}

echo "== checking ${#patches[@]} patches for $BASE (about half a minute each)"
base_worktree check
mapfile -t series_c < <(sed -n 's,^+++ b/\(.*\.c\)$,\1,p' "${patches[@]}" | grep -v '^tools/' | sort -u)
configure

for p in "${patches[@]}"; do
	name=$(basename "$p" .patch)
	am=$(plain_git -C "$wt" am -q "$p" 2>&1) || {
		plain_git -C "$wt" am --abort >/dev/null 2>&1 || true
		bad "git am     $name" "$am"
		echo "$passed ok, $failed failed"
		exit 1
	}
	ok "git am     $name"

	mapfile -t objs < <(objects)
	if ((${#objs[@]})); then
		if text=$(kmake "${objs[@]}" 2>&1) && ! grep -q 'warning:' <<<"$text"; then
			ok "build      $name: ${objs[*]}"
		else
			bad "build      $name: ${objs[*]}" "$text"
		fi
	fi

	if text=$(cd "$wt" && PATH=/usr/bin:/bin perl scripts/checkpatch.pl --strict --quiet --no-summary \
		--ignore MISSING_SIGN_OFF,NO_AUTHOR_SIGN_OFF,FILE_PATH_CHANGES "$p" 2>&1) && [[ ! $text ]]; then
		ok "checkpatch $name"
	else
		bad "checkpatch $name" "$text"
	fi

	# Only what a patch should be, and no more: who signs off is who submits.
	if grep -q '^Signed-off-by:' "$p"; then
		bad "sign-off   $name" "has a Signed-off-by: it is for whoever submits"
	fi
done

mapfile -t new < <(git -C "$wt" diff --diff-filter=A --name-only base HEAD | grep -E '\.[ch]$' | grep -v '^tools/' || true)
for f in "${new[@]}"; do
	if [[ $f == *.c ]]; then
		rm -f "$out/${f%.c}.o"
		text=$(kmake C=2 CHECK='sparse -fdiagnostic-prefix' "${f%.c}.o" 2>&1) || text+=$'\nbuild failed'
		text=$(grep -F "$f" <<<"$text" | grep -E 'warning|error' || true)
		if [[ ! $text ]]; then ok "sparse     $f"; else bad "sparse     $f" "$text"; fi
	fi
	opt=()
	! grep -q -- '-Wall' "$wt/scripts/kernel-doc" || opt=(-Wall)
	text=$(perl "$wt/scripts/kernel-doc" -none -v "${opt[@]+"${opt[@]}"}" "$wt/$f" 2>&1 | grep -vE ': info: |^$') || true
	if [[ ! $text ]]; then ok "kernel-doc $f"; else bad "kernel-doc $f" "$text"; fi
done
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
for f in scripts/*.sh guest/*.sh guest/run guest/init guest/scenarios/*.sh .ci/run bases/*; do
	if text=$(shellcheck -x "$f" 2>&1); then ok "shellcheck $f"; else bad "shellcheck $f" "$text"; fi
done
echo "$passed ok, $failed failed"
((failed == 0)) || exit 1
