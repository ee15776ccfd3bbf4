#!/usr/bin/env bash
# What a rack of cameras costs the station that watches it, and what being watched costs a camera:
# real camd processes, each asked once a minute by a campaign on the real clock.
#   RACK_UNITS="10 100 500" how many (10 100), RACK_SECONDS how long each is measured (60)
source "$(dirname "$0")/../integration/suite.bash"
hertz=$(getconf CLK_TCK)
benches=() taktd_pid=
trap '[ ${#benches[@]} = 0 ] || kill "${benches[@]}" 2>/dev/null; suite_clean' EXIT
qa() { "$takt" qa "$@" --station "$station"; }
# Seconds of processor that these processes have used.
processor() { cat $(printf '/proc/%s/stat ' "$@") 2>/dev/null | awk -v hz="$hertz" '{ sub(/^.*\) /, ""); s += $12 + $13 } END { print s / hz }'; }
memory_mib() { cat $(printf '/proc/%s/status ' "$@") | awk '/^VmRSS/ { s += $2 } END { print s / 1024 }'; }
watched() { [ "$(qa status --json | jq '[.units[] | select(.state == "watched")] | length')" = "$1" ]; }
gaps_are() { [ "$(store "select count(*) from campaign_event where kind = 'gap'")" = "$1" ]; }
station_processes() { echo "$taktd_pid"; pgrep -P "$taktd_pid"; }

# N cameras on as many benches as they take, with the keys of the first; the station is the first's.
rack_up() {
    local left=$1 i=0 dir n
    benches=()
    while [ "$left" -gt 0 ]; do
        n=$((left < 60 ? left : 60)) dir=$work/rack$1.$i
        mkdir -p "$dir"
        [ $i = 0 ] || cp -a "$work/rack$1.0/keys" "$dir/keys"
        nice "$takt" bench up --units $n --dir "$dir" --seed $((i + 1)) 2>"$dir/bench.log" &
        benches+=($!)
        until_true 60 test -e "$dir/station.json" || return 1
        station=$dir/station.json
        for ((k = 1; k <= n; k++)); do printf 'APPL CH%d,5,2\nOUTP ON,(@%d)\n' $k $k; done >"$dir/on"
        mapfile -t on <"$dir/on"
        scpi psu "${on[@]}" || return 1
        left=$((left - n)) i=$((i + 1))
    done
    bench_dir=$work/rack$1.0 station=$work/rack$1.0/station.json
    jq -s '.[0] + {rack: [.[].slots[].port], slots: [.[0].slots[0]]}' "$work/rack$1."*/station.json >"$station.new" &&
        mv "$station.new" "$station"
}

cat >"$work/rack.json" <<'C'
{ "campaign": "rack", "plan": "ptz-indoor-3mp/rack", "duration_h": 10,
  "watch": { "health": { "every_s": 60 } },
  "figures": { "health.rss_bytes": { "unit": "B", "max_percent": 100 } },
  "own_start": { "after_s": 0, "samples": 1 }, "failure": { "confirm": 3, "silent_min": 60 } }
C

measure() { # N
    local cameras before after idle_before idle_after seconds=${RACK_SECONDS:-60} pids began resumed
    cameras=$(for b in "${benches[@]}"; do pgrep -P "$b" -x camd; done)
    until_true 120 [ "$(wc -w <<<"$cameras")" = "$1" ] || cameras=$(for b in "${benches[@]}"; do pgrep -P "$b" -x camd; done)
    idle_before=$(processor $cameras)
    sleep "$((seconds / 2))"
    idle_after=$(processor $cameras)
    qa run "$work/rack.json" --slots "" >/dev/null || return 1
    until_true 600 watched "$1" || { qa status | head -5 >&2; return 1; }
    taktd_pid=$("$takt" station status --station "$station" --json | jq -r .pid)
    pids=$(station_processes)
    before=$(processor $pids) cameras_before=$(processor $cameras)
    sleep "$seconds"
    after=$(processor $pids) cameras_after=$(processor $cameras)
    jq -nc --argjson n "$1" --argjson s "$seconds" --argjson used "$(awk "BEGIN { print $after - $before }")" \
        --argjson mib "$(memory_mib $pids)" \
        --argjson idle "$(awk "BEGIN { print ($idle_after - $idle_before) / ($seconds / 2) }")" \
        --argjson watched "$(awk "BEGIN { print ($cameras_after - $cameras_before) / $seconds }")" '
        {bench: "station watching \($n) units", value: (100 * $used / $s), unit: "% of a core", method: "utime and stime of taktd and its processes over \($s) s; each unit asked once a minute"},
        {bench: "the same, a unit", value: (1000 * $used / $s / $n), unit: "ms/s", method: "divided by units: flat when the cost a unit is"},
        {bench: "station memory, \($n) units", value: $mib, unit: "MiB", method: "VmRSS of taktd and its processes"},
        {bench: "a unit, for being watched (\($n))", value: (100 * ($watched - $idle) / $n), unit: "% of a core", reference: 1, peer: "the bar", method: "utime and stime of every camd while watched, less while not"}'
    began=$(date +%s%N)
    kill -KILL "$taktd_pid"
    qa resume >/dev/null 2>&1 && until_true 120 gaps_are 1 || return 1
    resumed=$(awk "BEGIN { print ($(date +%s%N) - $began) / 1e9 }")
    jq -nc --argjson n "$1" --argjson s "$resumed" \
        '{bench: "resume after kill -9, \($n) units", value: $s, unit: "s", reference: 5, peer: "the bar", method: "kill -9 of taktd to the campaign'"'"'s gap on record"}'
    qa stop >/dev/null 2>&1
}

# A plan without instruments: units of a rack stand in no slot.
mkdir -p "$work/products/ptz-indoor-3mp"
cp "$repo"/station/products/ptz-indoor-3mp/{product,limits}.json "$work/products/ptz-indoor-3mp/"
cat >"$work/products/ptz-indoor-3mp/rack.json" <<'P'
{ "plan": "rack", "product": "ptz-indoor-3mp", "part": true,
  "steps": [ { "id": "connect", "step": "connect", "deadline_s": 60 },
             { "id": "health", "step": "health", "deadline_s": 30, "params": { "load": "idle" } } ],
  "teardown": [] }
P
for n in ${RACK_UNITS:-10 100}; do
    rack_up "$n" >&2 || exit 1
    sed -i "s#\"products_dir\":[[:space:]]*\"[^\"]*\"#\"products_dir\": \"$work/products\"#" "$station"
    measure "$n" || exit 1
    station_stop
    kill "${benches[@]}"
    wait "${benches[@]}" 2>/dev/null
    benches=()
done
exit 0
