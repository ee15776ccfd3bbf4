#!/usr/bin/env bash
# A thousand power cuts of the machine with UBIFS and both slots, each followed by a start and looks at
# file system, identity and recordings. What was made is kept in build/machine_cuts: a run that was
# ended goes on there, with REPLAY=SEED one cut of a round that failed is made again alone. The summary
# is kept in docs/evidence/machine_cuts.txt, and every cut in machine_cuts.journal beside it, from where a
# run that was ended goes on in another checkout as well.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
export CUTS=${CUTS:-1000} SEED=${SEED:-20261129}
export JOBS=${JOBS:-$(nproc)} STATE=${STATE:-$build/machine_cuts}
kept=${OUT:-docs/evidence}/machine_cuts.journal
mkdir -p "$STATE"
[ -e "$STATE/journal" ] || ! grep -qs "^$SEED " "$kept" || cp "$kept" "$STATE/journal" # of these seeds
[ -n "${REPLAY:-}" ] || trap 'cp "$STATE/journal" "$kept"' EXIT
trap 'exit 130' INT TERM
tests/machine/storage_cuts.sh 2>&1 | tee "$build/machine_cuts.log"
[ -z "${REPLAY:-}" ] || exit 0
# A flash that says of its latest writes that they were done, and they were not: found, found again when
# that cut is made alone, and not when the flash tells the truth.
lying=$build/machine_lies
rm -rf "$lying"
once() { env STATE="$lying" MOMENTS=record CUTS=1 SEED="$SEED" "$@" tests/machine/storage_cuts.sh; }
lies_are_found() {
    ! once LOST=64 >"$build/lies.log" 2>&1 && grep -q 'was on record, the latest is' "$build/lies.log" &&
        ! once LOST=64 REPLAY="$SEED" >"$build/lies_again.log" 2>&1 &&
        grep -q 'was on record, the latest is' "$build/lies_again.log" && once REPLAY="$SEED"
}
if lies_are_found >"$build/truth.log" 2>&1; then
    grep -hE '^ +[0-9]+ [a-z]+ [0-9]+ .*was on record' "$build/lies.log" "$build/lies_again.log" | sed 's/^ */  a flash that lies: /'
else
    echo "FAILED a flash that lies was not found"
    cat "$build/lies.log" "$build/lies_again.log" "$build/truth.log"
fi | tee -a "$build/machine_cuts.log"
{
    echo "version $(git describe --always), $(date -u +%F), seeds from $SEED"
    grep -E '^  |passed' "$build/machine_cuts.log" | grep -v '^  ok '
} >"${OUT:-docs/evidence}/machine_cuts.txt"
! grep -q FAILED "$build/machine_cuts.log"
