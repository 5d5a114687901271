#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/selftests.sh
# Builds the kernel selftests of the series, tools/testing/selftests/gup in the
# tree of the base, as static programs in build/BASE/selftests, where the
# scenario selftests-gup finds them. Builds nothing that is up to date.
# Environment: BASE, SELFTESTS_SRC (another tools/testing/selftests)
. "$(dirname "$0")/lib.sh"
parse_args 0 0 "$@"
load_base

src=${SELFTESTS_SRC:-$BUILD/tree/tools/testing/selftests}
out=$BUILD/selftests
[[ -r $src/gup/Makefile ]] || die "no $src/gup: run make tree"

mkdir -p "$out"
log=$out/build.log
if ! make -s -C "$src/gup" OUTPUT="$out" USERCFLAGS=-Werror USERLDFLAGS=-static \
	KHDR_INCLUDES=' ' >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	die "the selftests do not build: see ${log#"$ROOT/"}"
fi
