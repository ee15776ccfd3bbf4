#!/usr/bin/env bash
# Units that vanish, answer late, answer rubbish or answer another request, beside a good one: each
# a clear error on its own slot, and nothing on the other. And units whose card is the fault.
source "$(dirname "$0")/suite.bash"
make -C "$repo" --no-print-directory -s build/tests/integration/rogue_unit || exit 1
rogue_pid=
rogue_stop() {
    [ -n "$rogue_pid" ] && kill -9 "$rogue_pid" 2>/dev/null && wait "$rogue_pid" 2>/dev/null
    rogue_pid=
}
trap 'rogue_stop; suite_clean' EXIT

bench_start 2
products=$bench_dir/products
port=unix:$bench_dir/rogue
mkdir -p "$products/rogue"
jq --arg p "$products" --arg u "$port" \
    '.products_dir = $p | .slots |= map(if .slot == 1 then .port = $u else . end)' \
    "$station" >"$station.new" && mv "$station.new" "$station"
echo '{ "product": "rogue", "board": "ssc337de-nand128", "limits": "limits.json" }' \
    >"$products/rogue/product.json"
echo '{ "card": { "write_mb_s": { "min": 10, "unit": "MB/s" } },
  "identity": { "read_back_matches": { "min": 1, "unit": "bool" } } }' >"$products/rogue/limits.json"
cat >"$products/rogue/line.json" <<'P'
{ "plan": "line", "product": "rogue", "part": true,
  "steps": [ { "id": "power_on", "step": "power_on", "deadline_s": 30 },
             { "id": "connect", "step": "connect", "deadline_s": 20 },
             { "id": "card", "step": "card", "deadline_s": 60, "params": { "mib": 1 } } ],
  "teardown": [ { "id": "power_off", "step": "power_off", "deadline_s": 10 } ] }
P
of_slot() { jq -r ".runs[] | select(.slot == $1) | $2" "$work/run.json"; }
nobody_draws_power() { ! pgrep -f -- "camd .*$bench_dir/slot" >/dev/null; }

sed 's/"plan": "line"/"plan": "twin"/; s/"id": "card".*/"id": "identity", "step": "identity", "deadline_s": 40 } ],/' \
    "$products/rogue/line.json" >"$products/rogue/twin.json"
rogue_start() { # CHIP_ID MODE
    rogue_stop
    rm -f "${port#unix:}"
    "$build/tests/integration/rogue_unit" "$port" "$bench_dir/keys/factory-ca.pem" "$1" "$2" &
    rogue_pid=$!
    until_true 5 test -S "${port#unix:}"
}
rogue_beside_a_good_one() { # MODE WORDS: what slot 1 must say; slot 2 passes
    local code
    rogue_start 5cc3360000000000000000000000bad1 "$1" || return 1
    "$takt" run --station "$station" --plan rogue/line --order ROGUE --serial "R-$1" --serial "G-$1" \
        --json >"$work/run.json"
    code=$?
    cat "$work/run.json"
    [ $code = 3 ] || { echo "exit status $code, expected 3"; return 1; }
    [ "$(of_slot 2 .verdict)" = pass ] || { echo "slot 2 suffered"; return 1; }
    [ "$(of_slot 1 .verdict)" = error ] || return 1
    [ "$(of_slot 1 '.failures[0].step')" = connect ] || return 1
    of_slot 1 '.failures[0].message' | grep -E -- "$2" || { echo "expected: $2"; return 1; }
    until_true 5 nobody_draws_power || { echo "a unit was left on"; return 1; }
}
# The chip of the camera in slot 2 is claimed in slot 1 too, and there first.
twin_gets_nothing_twice() {
    local chip
    chip=$(jq -r '.[1].chip_id' "$bench_dir/units.json")
    bundle_make && identities_import 4 && rogue_start "$chip" twin || return 1
    "$takt" run --station "$station" --plan rogue/twin --order TWIN --serial R-twin --serial G-twin \
        --json >"$work/run.json"
    cat "$work/run.json"
    [ "$(of_slot 2 .verdict)" = error ] &&
        of_slot 2 '.failures[0].message' | grep "in slot 1 at the same time" &&
        [ "$(of_slot 1 .verdict)" = fail ] &&
        [ "$(store "select state from identity where chip_id = '$chip'")" = 4 ] && # quarantined
        [ "$(store "select count(*) from identity where chip_id is not null")" = 1 ]
}

check "a unit that vanishes is an error of its slot alone" \
    rogue_beside_a_good_one vanish "unit\.info: .*(closed|gone|went)"
check "a unit that answers late is an error of its slot alone" \
    rogue_beside_a_good_one late "unit\.info: .*(no answer|5000 ms|in time)"
check "a unit that sends rubbish is an error of its slot alone" \
    rogue_beside_a_good_one rubbish "unit\.info: .*(frame|rubbish|no frame)"
check "a unit that answers another request is an error of its slot alone" \
    rogue_beside_a_good_one wrong-id "unit\.info: .*answered request [0-9]+, which was never made"
check "a unit whose message is no JSON is an error of its slot alone" \
    rogue_beside_a_good_one no-json "unit\.info: .*JSON"
check "a unit whose answer is too large is an error of its slot alone" \
    rogue_beside_a_good_one huge "unit\.info: .*(bytes|large)"
check "two units that say they are one chip do not share an identity" twin_gets_nothing_twice
suite_end
