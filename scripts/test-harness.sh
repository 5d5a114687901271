#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/test-harness.sh [ROW...]
# Tests of the harness itself: bad input gives one clear line and changes nothing, patches
# survive a round trip, a guest that ends or hangs is reported. The rows are in
# scripts/test-harness/; ROW is the name of one of them, with * and ? (default: all).
# The rows guest-ends and guest-hangs boot the patched kernel.
# Results are added to $TEST_SUMMARY when that is set. Environment: BASE
. "$(dirname "$0")/lib.sh"
parse_args 0 999 "$@"
# shellcheck source=scripts/test-harness/lib.sh
. "$ROOT/scripts/test-harness/lib.sh"
# shellcheck source=scripts/test-harness/input.sh
. "$ROOT/scripts/test-harness/input.sh"
# shellcheck source=scripts/test-harness/packages.sh
. "$ROOT/scripts/test-harness/packages.sh"
# shellcheck source=scripts/test-harness/scenarios.sh
. "$ROOT/scripts/test-harness/scenarios.sh"
# shellcheck source=scripts/test-harness/series.sh
. "$ROOT/scripts/test-harness/series.sh"
# shellcheck source=scripts/test-harness/guests.sh
. "$ROOT/scripts/test-harness/guests.sh"
# shellcheck source=scripts/test-harness/style.sh
. "$ROOT/scripts/test-harness/style.sh"

load_base
wanted_rows=("$@")
input_rows
packages_rows
scenarios_rows
series_rows
guests_rows
style_rows
((rows > 0)) || die "no row named ${wanted_rows[*]}"
exit "$failed"
