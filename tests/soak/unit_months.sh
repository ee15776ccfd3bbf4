#!/usr/bin/env bash
# 1,000 simulated unit-months of the product's long run: healthy units are not flagged, planted
# degradations are found. The summary is kept in docs/evidence/unit_months.txt.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
make --no-print-directory -s "$build"/tests/unit/campaign/test_population
QA_UNIT_MONTHS=1000 "$build"/tests/unit/campaign/test_population 2>&1 | tee "$build/unit_months.log"
{
    echo "version $(git describe --always), $(date -u +%F)"
    grep -E 'unit-months|found after|was flagged|OK|FAILED|ERROR' "$build/unit_months.log"
} >"${OUT:-docs/evidence}/unit_months.txt"
