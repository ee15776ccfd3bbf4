#!/usr/bin/env bash
# A thousand power cuts of the machine with UBIFS and both slots, each followed by a start and looks at
# file system, identity and recordings. What was made is kept in build/machine_cuts: a run that was
# ended goes on there, with REPLAY=SEED one cut of a round that failed is made again alone. The summary
# is kept in docs/evidence/machine_cuts.txt.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
export MOMENTS="record identity update switch format" CUTS=${CUTS:-1000} SEED=${SEED:-20261129} JOBS=${JOBS:-$(nproc)} STATE=${STATE:-$build/machine_cuts}
tests/machine/storage_cuts.sh 2>&1 | tee "$build/machine_cuts.log"
[ -n "${REPLAY:-}" ] || {
    echo "version $(git describe --always), $(date -u +%F), seeds from $SEED"
    grep -E '^  |passed' "$build/machine_cuts.log" | grep -v '^  ok '
} >"${OUT:-docs/evidence}/machine_cuts.txt"
