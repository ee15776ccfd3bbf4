#!/usr/bin/env bash
# The power cut, and the disk full, at every write and sync of a record's life, eight pictures of
# the disk at each cut (what was not synced dropped, kept, torn): the summary is kept in
# docs/evidence/store_power_cuts.txt.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
make --no-print-directory -s "$build"/tests/unit/reports/test_power_cut
TAKT_POWER_CUTS=all "$build"/tests/unit/reports/test_power_cut 2>&1 | tee "$build/store_power_cuts.log"
{
    echo "version $(git describe --always), $(date -u +%F)"
    grep -E 'the power cut at|the disk full at|OK|FAILED|ERROR' "$build/store_power_cuts.log"
    echo "a record's life: opened, 12 steps, closed and queued for two destinations, sent to one, refused by the"
    echo "other; eight pictures of the disk at each cut: what was not synced dropped, kept or torn"
} >"${OUT:-docs/evidence}/store_power_cuts.txt"
