#!/usr/bin/env bash
# Every row of the product's reliability table, whole, on simulated time: two emulated cameras each,
# one of them with what the row is there to find. The summary is kept in docs/evidence/campaigns.txt.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
WHOLE=1 PATIENCE_S=${PATIENCE_S:-14400} tests/integration/campaigns.sh 2>&1 | tee "$build/campaigns.log"
{
    echo "version $(git describe --always), $(date -u +%F)"
    grep -E '^  |passed' "$build/campaigns.log"
} >"${OUT:-docs/evidence}/campaigns.txt"
