#!/usr/bin/env bash
# The power cut at every write and sync of a store's life, eight pictures of the disk each (what was not
# synced dropped, kept, torn): the summary is kept in docs/evidence/store_power_cuts.txt.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
make --no-print-directory -s "$build"/tests/unit/reports/test_power_cut
TAKT_POWER_CUTS=all "$build"/tests/unit/reports/test_power_cut 2>&1 | tee "$build/store_power_cuts.log"
{
    echo "version $(git describe --always), $(date -u +%F)"
    grep -E 'the power cut at|OK|FAILED|ERROR' "$build/store_power_cuts.log"
    echo "eight pictures of the disk at each: what was not synced dropped, kept or torn"
} >"${OUT:-docs/evidence}/store_power_cuts.txt"
