#!/usr/bin/env bash
# 72 simulated hours of a station of 64 slots, at 400 times the speed (11 minutes): no growth of
# memory, descriptors, threads or processes. The summary is kept in docs/evidence/shifts.txt.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
make --no-print-directory -s "$build"/tests/unit/engine/test_shifts
SEED=${SEED:-20261129} TAKT_SHIFT_HOURS=${TAKT_SHIFT_HOURS:-72}
export SEED TAKT_SHIFT_HOURS
status=0
"$build"/tests/unit/engine/test_shifts >"$build/shifts.log" 2>&1 || status=$?
grep -aE ' h(:| of) |OK|FAILED|more than|ERROR' "$build/shifts.log"
{
    echo "version $(git describe --always), $(date -u +%F), seed $SEED"
    grep -aE ' h(:| of) |OK|FAILED|more than|ERROR' "$build/shifts.log"
    echo "each round a unit in every slot: good ones, some that hang in a step, crash or are aborted; a"
    echo "client that watches and goes; an outbox that sends. Looked at when all slots are idle again;"
    echo "the first figures are a quarter of the way in, when pools and caches are full"
} >"${OUT:-docs/evidence}/shifts.txt"
exit $status
