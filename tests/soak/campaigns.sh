#!/usr/bin/env bash
# Every row of the product's reliability table, whole, on simulated time: two emulated cameras each,
# one of them with what the row is there to find. The summary is kept in docs/evidence/campaigns.txt.
# Rows wait far more than they compute (a second of traffic, a start), so they run side by side, each at
# a bench of its own.  ROWS="cold-start power-loss" takes these alone.
set -u
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
rows=${ROWS:-cold-start hot-aging supply-fluctuation wifi-attenuation wifi-roaming wifi-access-points work-cycles power-loss long-run}
make --no-print-directory -s "$build/tests/integration/unit_says" || exit 1
for row in $rows; do
    ROWS=$row WHOLE=1 LOOK_S=3 PATIENCE_S=${PATIENCE_S:-14400} tests/integration/campaigns.sh >"$build/campaigns.$row.log" 2>&1 &
done
wait
{
    echo "version $(git describe --always), $(date -u +%F)"
    for row in $rows; do
        grep -E '^  |passed' "$build/campaigns.$row.log"
    done
} | tee "${OUT:-docs/evidence}/campaigns.txt"
! grep -E 'FAILED|[1-9][0-9]* failed' "${OUT:-docs/evidence}/campaigns.txt" >&2
