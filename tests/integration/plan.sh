#!/usr/bin/env bash
# takt plan: what is wrong with a plan, and what a line by it would make.
. "$(dirname "$0")/suite.bash"

products=$work/products
mkdir -p "$products/cam"
echo '{ "product": "cam", "board": "ssc337de-nand128", "limits": "limits.json" }' >"$products/cam/product.json"
echo '{}' >"$products/cam/limits.json"
cat >"$products/cam/line.json" <<'P'
{ "plan": "line", "product": "cam",
  "steps": [ { "id": "on", "step": "power_on", "deadline_s": 40 },
             { "id": "image", "step": "image", "deadline_s": 40, "needs": ["light"], "parts": ["camera"] },
             { "id": "speaker", "step": "speaker", "deadline_s": 40, "after": ["on"], "parts": ["sound"] } ],
  "teardown": [ { "id": "off", "step": "power_off", "deadline_s": 4 } ] }
P
simulate() { "$takt" plan simulate cam/line --products "$products" "$@" 2>/dev/null; }
times=(--time on=10 --time image=20 --time speaker=15 --time off=1 --change 9)

the_plan_holds() { "$takt" plan check cam/line --products "$products" --boards "$repo/firmware/boards"; }
by_hand() { # a slot's round is 10 + 20 (speaker beside it) + 1 + 9 = 40 s: 90 units/h
    simulate --slots 1 "${times[@]}" --json |
        jq -e '.lines[0] | (.units_per_hour - 90 | fabs) < 0.5 and .bottleneck == "slots"'
}
by_the_light() { # one light for 20 s a unit: 180 units/h, whatever the slots
    simulate --slots 16 "${times[@]}" --instrument light=1 --json |
        jq -e '.lines[0] | .bound_per_hour == 180 and .of_bound > 0.98 and .of_bound < 1.02 and .bottleneck == "light"
               and .instruments[0].busy > 0.98'
}
a_row_for_each_size() {
    [ "$(simulate "${times[@]}" --instrument light=1 --json | jq -c '[.lines[].slots]')" = '[1,2,4,8,16,32,64]' ] &&
        simulate "${times[@]}" --instrument light=1 | grep -qE '^ *64 +1[78][0-9]\.[0-9] +180\.0 .*light'
}
a_chart_in_text() { simulate --slots 2 "${times[@]}" | grep -qE '^ +2 +A+B+D\.*A'; }
a_drawing() { # well formed, a row a slot, a bar a step of three units
    simulate --slots 3 "${times[@]}" --out "$work/g.svg" >/dev/null &&
        python3 - "$work/g.svg" <<'E'
import sys, xml.etree.ElementTree as tree
titles = [t.text for t in tree.parse(sys.argv[1]).iter('{http://www.w3.org/2000/svg}title')]
sys.exit(not (len(titles) == 3 * 3 * 4 and any(t.startswith('slot 3, unit 1: image, 10.0 to 30.0') for t in titles)))
E
}
refused() { # words, then options
    local words=$1
    shift
    "$takt" plan simulate cam/line --products "$products" "$@" >"$work/out" 2>&1
    [ $? = 2 ] && grep -qF -- "$words" "$work/out" || { cat "$work/out"; return 1; }
}
a_circle() {
    sed 's/"after": \["on"\]/"after": ["speaker"]/' "$products/cam/line.json" >"$products/cam/round.json"
    sed -i 's/"plan": "line"/"plan": "round"/' "$products/cam/round.json"
    "$takt" plan check cam/round --products "$products" >"$work/out" 2>&1
    [ $? = 2 ] && grep -q "round.json:4: step 'speaker' cannot wait for itself" "$work/out"
}

# ---- signed by an engineer, accepted by a technician, at a station that asks for both ----------

bench_start 1 && bundle_make || exit 1
mkdir -p "$products/signed"
echo '{ "product": "signed", "board": "ssc337de-nand128", "limits": "limits.json" }' >"$products/signed/product.json"
echo '{}' >"$products/signed/limits.json"
cat >"$products/signed/power.json" <<'P'
{ "plan": "power", "product": "signed", "part": true,
  "steps": [ { "id": "on", "step": "power_on", "deadline_s": 30 } ],
  "teardown": [ { "id": "off", "step": "power_off", "deadline_s": 10 } ] }
P
"$takt" bundle key --out "$bench_dir/keys/engineer.key" >/dev/null && "$takt" bundle key --out "$work/other.key" >/dev/null || exit 1
jq --arg products "$products" '.products_dir = $products | .credentials.plan_key = "keys/engineer.key.pub"' \
    "$station" >"$work/station.json" && mv "$work/station.json" "$station"

sign() { "$takt" plan sign signed/power --key "$1" --products "$products"; }
accept() { "$takt" plan accept signed/power --station "$station"; }
run() { "$takt" run --station "$station" --plan signed/power --order S-1 "$@"; }
status_is() { # status words command...
    local status=$1 words=$2 got
    shift 2
    "$@" >"$work/out" 2>&1
    got=$?
    [ $got = "$status" ] && grep -qF -- "$words" "$work/out" || { echo "status $got"; cat "$work/out"; return 1; }
}
as() { # name pin command...
    TAKT_SESSION=$("$takt" operator sign-in "$1" --station "$station" <<<"$2") || return 1
    export TAKT_SESSION
    shift 2
    "$@"
    local status=$?
    unset TAKT_SESSION
    return $status
}
unsigned_is_refused() {
    status_is 2 "plan signed/power is not signed: an engineer signs it (takt plan sign)" run &&
        sign "$work/other.key" && status_is 2 "another key signed them" run
}
signed_runs_and_is_stamped() {
    local key=$(openssl pkey -pubin -in "$bench_dir/keys/engineer.key.pub" -outform DER | sha256sum | cut -c1-64)
    status_is 0 "signed/power is signed: plan" sign "$bench_dir/keys/engineer.key" && run --serial SIGNED-1 &&
        [ "$("$takt" report unit SIGNED-1 --station "$station" --format json | jq -r '.runs[0].plan_signer')" = "$key" ] &&
        "$takt" report unit SIGNED-1 --station "$station" --format html --lang en | grep -F "Plan signed by key" | grep -qF "${key:0:12}"
}
accounts() {
    "$takt" operator first li --station "$station" <<<27182818 &&
        as li 27182818 "$takt" operator add wang --role operator --station "$station" <<<907214 &&
        as li 27182818 "$takt" operator add chen --role technician --station "$station" <<<161803
}
change_waits() { # re-signed by the engineer, and not accepted yet
    sed -i 's/"deadline_s": 30/"deadline_s": 25/' "$products/signed/power.json" && sign "$bench_dir/keys/engineer.key" || return 1
    as wang 907214 status_is 2 "signed/power was changed (plan) and nobody has accepted that" run &&
        as wang 907214 status_is 2 "wang is operator: plan.accept is for technician" accept
}
technician_accepts() {
    as chen 161803 status_is 0 "signed/power as it is now holds (changed: plan)" accept &&
        as wang 907214 run && as chen 161803 status_is 0 "(unchanged)" accept &&
        [ "$(store "SELECT actor FROM audit WHERE action = 'plan.accept' ORDER BY n DESC LIMIT 1")" = chen ] &&
        "$takt" identity audit --station "$station"
}
unsigned_is_not_accepted() {
    echo '{ }' >"$products/signed/limits.json" && as chen 161803 status_is 2 "its files are not those that were signed" accept
}

check "a graph is a plan that holds" the_plan_holds
check "a circle is refused with file and line" a_circle
check "one slot makes what is reckoned by hand" by_hand
check "a scarce light is what holds up the line, and is kept busy" by_the_light
check "without a number there is a row each for 1 to 64 slots" a_row_for_each_size
check "the chart is told in text" a_chart_in_text
check "the chart is drawn" a_drawing
check "no more than 64 slots" refused "expected 1 to 64" --slots 65
check "an instrument that no step needs is refused" refused "--instrument ap=1" --instrument ap=1
check "a time of a step that is not there is refused" refused "--time imgae=1" --time imgae=1
check "what is not signed by the station's engineer is not run" unsigned_is_refused
check "what is signed runs, and record and report name the key" signed_runs_and_is_stamped
check "the station gets accounts" accounts
check "a change waits for a technician" change_waits
check "a technician accepts it, on the audit chain" technician_accepts
check "what is not signed is not accepted, either" unsigned_is_not_accepted
suite_end
