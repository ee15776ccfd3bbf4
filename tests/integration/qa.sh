#!/usr/bin/env bash
# Campaigns on the bench's cameras, on simulated time: planted degradations are found and a healthy
# unit is not flagged; killed at any moment, nothing taken in is lost; interlocks outrank everything.
source "$(dirname "$0")/suite.bash"
make -C "$repo" --no-print-directory -s build/tests/integration/chamber_hand || exit 1
hand=$build/tests/integration/chamber_hand

bench_start 3 --chamber --simulated-time --defect 2:leaking_memory --defect 3:loosening_lens || exit 1
chamber=$(jq -r .instruments.chamber.address "$station" | sed 's/.*://')
qa() { "$takt" qa "$@" --station "$station"; }
status() { qa status --json; }
field() { status | jq -r ".$1"; }
unit() { status | jq -r ".units[] | select(.number == $1) | .$2"; }
state_is() { [ "$(field state)" = "$1" ]; }
unit_is() { [ "$(unit "$1" state)" = "$2" ]; }
gaps_are() { [ "$(store "select count(*) from campaign_event where kind = 'gap'")" = "$1" ]; }
past_hours() { [ "$(field elapsed_ms | cut -d. -f1)" -ge $(($1 * 3600000)) ]; }
daemon() { "$takt" station status --station "$station" --json | jq -r .pid; }

cat >"$bench_dir/c.json" <<'C'
// 120 h at 50 degC, in as long as the cameras take to be looked at
{ "campaign": "trial", "plan": "ptz-indoor-3mp/endurance", "duration_h": 120,
  "conditions": { "chamber_c": { "start": 25, "tolerance": 2, "reach_h": 2,
                                 "profile": [ { "to": 50, "over_min": 25 } ] } },
  "watch": { "health": { "every_h": 2 }, "picture": { "every_h": 24 }, "image": { "every_h": 12 } },
  "figures": {
    "health.rss_bytes": { "unit": "B", "max_percent": 25 },
    "health.uptime_s": { "unit": "s", "max_falls": 0 },
    "health.soc_c": { "unit": "degC", "max": 105 },
    "picture.same_ratio": { "unit": "ratio", "max": 0.9 },
    "picture.bright_luma": { "unit": "DN", "min": 20 },
    "image.mtf50_centre": { "unit": "cycles/px", "min_percent": -12 } },
  "own_start": { "after_h": 2, "samples": 3 },
  "failure": { "confirm": 2, "silent_h": 6 },
  "interlocks": { "chamber_c_max": 65, "contact_h": 1, "every_min": 15 } }
C

refused() {
    sed 's/"every_h": 24/"every_hours": 24/' "$bench_dir/c.json" >"$bench_dir/bad.json"
    qa run "$bench_dir/bad.json" >"$work/out" 2>&1
    [ $? = 2 ] && grep -q "bad.json:5: .*every_hours" "$work/out" || { cat "$work/out"; return 1; }
    qa run no-such-campaign >"$work/out" 2>&1
    [ $? = 2 ] && qa status >"$work/out" 2>&1
    [ $? = 2 ]
}
begins() {
    bytes_before=$(store_bytes)
    qa run "$bench_dir/c.json" --order LOT-7 && until_true 400 past_hours 5 &&
        unit_is 1 watched
}
another_is_refused() {
    qa run "$bench_dir/c.json" >"$work/out" 2>&1
    [ $? = 3 ] && grep -q "has not ended" "$work/out" &&
        ! "$takt" run --station "$station" --plan ptz-indoor-3mp/line --order X >"$work/out" 2>&1
}
killed() { # what was on record stays, campaign time does not go back, the gap is told
    local before rows began
    before=$(field elapsed_ms) rows=$(store "select count(*) from campaign_row")
    kill -KILL "$(daemon)" || return 1
    began=$(date +%s%N)
    qa resume || return 1
    until_true 240 gaps_are 1 || return 1
    echo "gone on with after $((($(date +%s%N) - began) / 1000000)) ms" | tee "$work/resumed"
    [ "$(field elapsed_ms)" -ge "$before" ] &&
        [ "$(store "select count(*) from campaign_row")" -ge "$rows" ] &&
        until_true 400 past_hours $((${before%.*} / 3600000 + 3)) && unit_is 1 watched
}
killed_conductor() { # its process alone
    local pid
    pid=$(pgrep -P "$(daemon)" -f . | while read -r p; do grep -q taktd-campaign "/proc/$p/comm" && echo "$p"; done)
    [ -n "$pid" ] && kill -KILL "$pid" &&
        until_true 240 gaps_are 2
}
leaves_and_joins() {
    qa leave 1 || return 1; until_true 240 unit_is 1 left && qa join 1 &&
        until_true 240 unit_is 1 watched
}
supply_is() { # of every slot of the campaign: 0 off, 1 on
    [ "$(scpi psu "OUTP? (@1)" "OUTP? (@2)" "OUTP? (@3)" | tr -d '\n')" = "$1$1$1" ]
}
events_of() { store "select count(*) from campaign_event where kind = '$1'"; }
paused() { # everything off, campaign time stands still, and it stays so until a person resumes it
    local before resumed
    qa pause && until_true 120 state_is paused && until_true 60 supply_is 0 || { status; return 1; }
    before=$(field elapsed_ms) resumed=$(events_of gap)
    [ "$(events_of paused)" = 1 ] && qa status | grep paused || return 1
    qa pause >"$work/out" 2>&1 && { echo "paused twice"; return 1; }
    # Hours go by in a second on simulated time: those of a campaign that is paused do not.
    sleep 3
    [ "$(field elapsed_ms)" = "$before" ] && supply_is 0 || { status; return 1; }
    qa resume && until_true 240 state_is running && until_true 240 unit_is 1 watched &&
        [ "$(events_of gap)" = $((resumed + 1)) ] &&
        until_true 400 past_hours $((${before%.*} / 3600000 + 3))
}
door() { # off at once, and it stays off until a person says so
    "$hand" "$chamber" 1 1 && until_true 240 state_is held && field reason | grep "door is open" || return 1
    "$hand" "$chamber" 1 0 && [ "$(store "select count(*) from campaign_event where kind = 'interlock'")" = 1 ] &&
        qa resume && until_true 240 state_is running
}
degradations() {
    until_true 1200 state_is finished || { status; return 1; }
    status | jq -c '.units[] | [.number, .state, .watched_ms / 3600000, .cause]'
    [ "$(unit 1 state)" = ended ] && [ "$(unit 2 state)" = failed ] && [ "$(unit 3 state)" = failed ] &&
        unit 2 cause | grep "health.rss_bytes drifted" && unit 3 cause | grep "image.mtf50_centre"
}
on_record() { # a run of its own for each unit, conditions as commanded and as measured
    [ "$(store "select group_concat(v.name) from run r join verdict v on v.id = r.verdict where r.mode = 'qa' order by r.id" | tr , '\n' | sort | uniq -c | tr -s ' \n' ' ')" = " 2 fail 1 pass " ] &&
        [ "$(store "select count(*) from campaign_row where unit = 0 and figure = 1")" -ge 100 ] &&
        [ "$(store "select round(max(mean)) from campaign_row where unit = 0 and figure = 1")" = 50.0 ] &&
        [ "$(store "select certificate is not null from campaign_instrument where class = 'chamber'")" = 1 ] &&
        "$takt" store check --station "$station"
}
store_bytes() { store "select sum(pgsize) from dbstat where name like '%campaign%'"; }
# What a day of a unit takes once its samples are rolled up, whole pages counted.
grows_by_little() {
    jq -n --argjson before "$bytes_before" --argjson after "$(store_bytes)" \
        --argjson watched "$(status | jq '[.units[].watched_ms] | add')" \
        '(($after - $before) / ($watched / 86400000)) as $day | "store: \($day / 1000 | round) kB a unit-day", $day < 1000000' |
        tr -d '"' | tee "$work/growth"
    [ "$(tail -n 1 "$work/growth")" = true ]
}
reported() { # 2 of 3 failed: the product-limit estimate ends at a third
    qa report 1 --json >"$work/report.json" && qa report 1 | tee "$work/report" &&
        jq -e '.summary | .failures == 2 and (.survival | length) >= 1 and
            (.survival[-1].good * 3 - 1 | fabs) < 1e-9 and .unit_hours > 200 and .mtbf_bound_h > 10 and
            ([.causes[].cause] | sort) == ["health.rss_bytes", "image.mtf50_centre"]' "$work/report.json" &&
        grep -q "interlock: the chamber's door is open" "$work/report" && grep -q "chamber chamber" "$work/report"
}

check "a wrong campaign is refused with file and line" refused
check "it begins on every idle slot" begins
check "a second one, and a run in its slots, are refused" another_is_refused
check "taktd killed: it goes on, with the gap on record" killed
check "its own process killed: likewise" killed_conductor
check "a unit is taken out and put back" leaves_and_joins
check "paused by a person, resumed by a person" paused
check "an open door switches off and holds it" door
check "leak and loose lens are found, the healthy unit is not flagged" degradations
check "it is all on record" on_record
check "the store grows by less than 1 MB a unit-day" grows_by_little
check "the report has survival, causes, bound, instruments and events" reported
cat "$work/resumed" "$work/growth" 2>/dev/null | grep -v true
suite_end
