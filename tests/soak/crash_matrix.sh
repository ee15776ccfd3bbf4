#!/usr/bin/env bash
# taktd killed, and the PC's power cut, at every point between two transactions of a whole run: the
# summary is kept in docs/evidence/crash_matrix.txt.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
make --no-print-directory -s "$build"/tests/unit/engine/test_crash_points
SEED=${SEED:-20261129}
export SEED
status=0
TAKT_CRASH_POINTS=all "$build"/tests/unit/engine/test_crash_points >"$build/crash_matrix.log" 2>&1 || status=$?
grep -E 'points|OK|FAILED|ERROR' "$build/crash_matrix.log"
{
    echo "version $(git describe --always), $(date -u +%F), seed $SEED"
    grep -E 'points|OK|FAILED|ERROR' "$build/crash_matrix.log"
    echo "two units, each: power, flash beside audio, identity, a group retried, label, teardown"
    echo "after each: both runs pass, every attempt once, nothing committed done again, one identity a"
    echo "unit and the others free, the audit chain holds, the teardown is the last thing done"
} >"${OUT:-docs/evidence}/crash_matrix.txt"
exit $status
