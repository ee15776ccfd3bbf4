#!/usr/bin/env bash
# Eight stations of four slots share a pool and give identities to virtual cameras while processes are
# killed a thousand times, the network is cut and PostgreSQL is stopped: what came of it is kept in
# docs/evidence/identity_kills.txt.
source "$(dirname "$0")/../integration/suite.bash"
STATIONS=${STATIONS:-8} SLOTS=${SLOTS:-4} KILLS=${KILLS:-1000} SEED=${SEED:-5}
source "$(dirname "$0")/../integration/identity_kills.bash"
started=$SECONDS
kills_run $((STATIONS * SLOTS)) >"$work/summary"
cat "$work/summary"
failed=$(grep -c '^  FAILED' "$work/summary") passed=$(grep -c '^  ok' "$work/summary")
{
    echo "version $(git -C "$repo" describe --always), $(date -u +%F), seed $SEED, $((SECONDS - started)) s"
    echo "$STATIONS stations of $SLOTS slots"
    cat "$work/killed"
    echo "identities in the pool by state:"
    sql "SELECT '  ' || state || ' ' || count(*) FROM takt_pool.identity GROUP BY state ORDER BY state"
    echo "(0 free, 1 reserved, 2 injected, 3 confirmed, 4 quarantined)"
    echo "units that were given one: $(wc -l <"$work/unit.txt"); labels: $(wc -l <"$work/label.txt")"
    cat "$work/summary"
} >"${OUT:-$repo/docs/evidence}/identity_kills.txt"
suite_end
