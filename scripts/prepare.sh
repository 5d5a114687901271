#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/prepare.sh tree | kernel
# From nothing to build/BASE/tree, or to the patched kernel in build/BASE/patched: installs
# the packages that are missing, gets the base source, applies the series, builds.
# Environment: BASE
. "$(dirname "$0")/lib.sh"
parse_args 1 1 "$@"
if [[ $1 != tree && $1 != kernel ]]; then
	die "nothing named '$1' to prepare: use tree or kernel"
fi
load_base
"$ROOT/scripts/setup.sh" demo
"$ROOT/scripts/tree.sh"
if [[ $1 == kernel ]]; then
	"$ROOT/scripts/build.sh" patched
fi
