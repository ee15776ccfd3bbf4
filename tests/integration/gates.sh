#!/usr/bin/env bash
# Gates a session has to pass before a unit gives or takes anything: what is refused there ends the
# run with the reason, reaches no identity, and is on the station's audit chain.
source "$(dirname "$0")/suite.bash"
make -C "$repo" --no-print-directory -s build/tests/integration/station_peer || exit 1
peer=$repo/build/tests/integration/station_peer

bench_start 1 || exit 1
products=$bench_dir/products
mkdir -p "$products/gates"
echo '{ "product": "gates", "board": "ssc337de-nand128", "limits": "limits.json" }' \
    >"$products/gates/product.json"
echo '{}' >"$products/gates/limits.json"
cat >"$products/gates/line.json" <<'P'
{ "plan": "line", "product": "gates",
  "steps": [ { "id": "power_on", "step": "power_on", "deadline_s": 30 },
             { "id": "connect", "step": "connect", "deadline_s": 20 },
             { "id": "identity", "step": "identity", "deadline_s": 40 } ],
  "teardown": [ { "id": "power_off", "step": "power_off", "deadline_s": 10 } ] }
P
sed 's/"plan": "line"/"plan": "final"/; s/"deadline_s": 40 } \]/"deadline_s": 40 },\n             { "id": "lock", "step": "lock", "deadline_s": 40 } ]/' \
    "$products/gates/line.json" >"$products/gates/final.json"
jq --arg products "$products" '.products_dir = $products' "$station" >"$work/good" && cp "$work/good" "$station"
bundle_make && identities_import 2 || exit 1
"$peer" keys "$work/other" || exit 1
chip=$(jq -r '.[0].chip_id' "$bench_dir/units.json")

refusals() { store "SELECT count(*) FROM audit WHERE action = 'session.refuse'"; }
given() { store "SELECT count(*) FROM identity WHERE state > 0"; }
# A run that must not get to an identity: the words it ends with, and one entry more of that gate.
refused_at() { # GATE WORDS [environment...]
    local gate=$1 words=$2 before has
    shift 2
    before=$(refusals) has=$(given)
    env "$@" "$takt" run --station "$station" --plan gates/line --order GATES --serial GOOD --json \
        >"$work/run.json" 2>"$work/progress"
    cat "$work/run.json" "$work/progress"
    [ "$(given)" = "$has" ] && jq -e '.runs[0].verdict == "error"' "$work/run.json" && jq -r '.runs[0].failures[0].message' "$work/run.json" | grep -F -- "$words" &&
        [ "$(refusals)" = $((before + 1)) ] || return 1
    store "SELECT detail FROM audit WHERE action = 'session.refuse' AND subject = '$chip' ORDER BY n DESC LIMIT 1" |
        tee /dev/stderr | jq -e --arg gate "$gate" --arg words "$words" \
        '.gate == $gate and .order == "GATES" and .slot == 1 and (.why | contains($words))'
}
with() { # JQ-FILTER: the station as it would be with other keys
    station_stop
    jq --arg other "$work/other" "$1" "$work/good" >"$station"
}
station_of_another_factory() {
    with '.credentials.certificate = $other + "/station.pem" | .credentials.key = $other + "/station.key"' &&
        refused_at certificate "the unit refused us: tlsv1 alert unknown ca"
}
token_of_another_factory() {
    with '.credentials.token_key = $other + "/token.key"' && refused_at token "not one of this factory"
}
# The station's clock is two hours behind the unit's: what it signs is over when it arrives.
expired_token() {
    with . && refused_at token "the token expired at" FAKETIME=-2h FAKETIME_DONT_FAKE_MONOTONIC=1 \
        LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1
}
let_in() {
    with . && "$takt" run --station "$station" --plan gates/line --order GATES --serial GOOD &&
        [ "$(given)" = 1 ]
}
finalized() {
    with . && "$takt" run --station "$station" --plan gates/final --order GATES --serial GOOD &&
        refused_at "factory mode" "nobody listens there"
}
chain_holds() { "$takt" identity audit --station "$station"; }

check "a station of another factory is refused by its certificate" station_of_another_factory
check "a token of another factory is refused" token_of_another_factory
check "an expired token is refused" expired_token
check "the right station with the right token is let in" let_in
check "a unit that is finalized lets nobody in" finalized
check "the audit chain holds" chain_holds
suite_end
