# A station whose outbox waits: source it after suite.bash and bench_start; then: outbox JSON UNITS
# [pictures], comes_to WHAT COUNT [seconds], is_count WHAT COUNT, says PATTERN.
as_made=$station.as-made
cp "$station" "$as_made"

up() { "$takt" station status --station "$station" --json >/dev/null 2>&1; }
# A station whose outbox is this, with runs of so many units that wait in a store of its own.
outbox() { # JSON UNITS [pictures]
    station_stop
    rm -rf "$bench_dir/state/store.db"*
    jq --argjson outbox "$1" '. + {outbox: $outbox}' "$as_made" >"$station" &&
        "$build/tests/integration/queue_runs" "$station" "${@:2}" || return 1
    runs=$(store "select count(*) from outbox")
    serials=$(store "select serial from run order by id")
    "$build/taktd" --station "$station" >>"$bench_dir/taktd.out" 2>&1 &
    until_true 15 up
}
waiting() { "$takt" outbox status --station "$station" --json | jq -r ".destinations[0].$1"; }
is_count() { [ "$(waiting "$1")" = "$2" ]; }
comes_to() { until_true "${3:-30}" is_count "$1" "$2" || { "$takt" outbox status --station "$station"; return 1; }; }
says() { "$takt" outbox status --station "$station" | grep -qE "$1"; }
