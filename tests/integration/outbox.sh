#!/usr/bin/env bash
# Records to a factory's system over HTTPS that asks for the station's certificate, and what goes
# with them; the same into a folder; what people find wrong with a unit and do about it.
source "$(dirname "$0")/suite.bash"
make -C "$repo" --no-print-directory -s build/tests/integration/queue_runs || exit 1
receiver_pid=
trap '[ -n "$receiver_pid" ] && kill $receiver_pid; suite_clean' EXIT
bench_start 1 || exit 1
source "$(dirname "$0")/waiting_station.bash"

authority() { # name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
        -keyout "$bench_dir/$1.key" -out "$bench_dir/$1.pem"
}
signed() { # authority name
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
        -keyout "$bench_dir/$2.key" -out "$bench_dir/$2.csr" &&
        openssl x509 -req -in "$bench_dir/$2.csr" -CA "$bench_dir/$1.pem" -CAkey "$bench_dir/$1.key" \
            -CAcreateserial -days 2 -extfile <(echo "subjectAltName=DNS:$2") -out "$bench_dir/$2.pem"
}
{ authority factory && authority elsewhere && signed factory localhost && signed factory station-1 &&
    signed elsewhere stranger; } >"$work/keys.log" 2>&1 || { cat "$work/keys.log"; exit 1; }
received=$work/received
mkdir "$received" "$bench_dir/drop"
# Stations are known by the factory's authority, or by the one of the bench.
cat "$bench_dir/factory.pem" "$bench_dir/keys/factory-ca.pem" >"$work/authorities.pem"
coproc "$repo/tests/integration/https_receiver.py" "$work/authorities.pem" "$bench_dir/localhost.pem" \
    "$bench_dir/localhost.key" "$received"
receiver_pid=$COPROC_PID
read -ru "${COPROC[0]}" port
mes() { # more members
    printf '{"mes": {"connector": "http", "url": "https://localhost:%s/units", "first_pause_ms": 20,
        "longest_pause_ms": 100, "timeout_ms": 5000, "ca": "factory.pem" %s}}' "$port" "${1:+, $1}"
}
ours='"certificate": "station-1.pem", "key": "station-1.key"'

let_in() { outbox "$(mes "$ours")" 3 && comes_to sent "$runs" && [ "$(sort -u "$received/clients")" = station-1 ]; }
check "a station is known by its certificate" let_in
kept_out() { # pattern members
    local before
    before=$(ls "$received" | wc -l)
    outbox "$(mes "$2")" 1 && until_true 15 says "$1" && is_count waiting 1 && is_count parked 0 &&
        [ "$(ls "$received" | wc -l)" = "$before" ]
}
check "without one nothing is taken, and nothing lost" kept_out 'tried [1-9].*(SSL|TLS|certificate|[Rr]eceiv)' ''
check "nor with one of another authority" kept_out 'tried [1-9].*(SSL|TLS|certificate|[Rr]eceiv)' \
    '"certificate": "stranger.pem", "key": "stranger.key"'
check "nor with a key that is not there" kept_out 'tried [1-9]' \
    '"certificate": "station-1.pem", "key": "gone.key"'
mes_of_elsewhere() { mes "$@" | sed 's/"ca": "factory.pem"/"ca": "elsewhere.pem"/'; }
not_to_a_stranger() {
    outbox "$(mes_of_elsewhere "$ours")" 1 && until_true 15 says 'certificate' && is_count waiting 1
}
check "a server of another authority gets nothing" not_to_a_stranger

pictures=', "attachments_url": "https://localhost:%s/content/", "attachments": ["image/"], "attachment_bytes_max": 2000000'
pictures=$(printf "$pictures" "$port")
pictures_go() { # once, whole, before the record that names them
    outbox "$(mes "$ours$pictures")" 0 pictures && comes_to sent 1 || return 1
    local small
    small=$(store "select sha256 from content where bytes = 1000")
    [ "$(cat "$received/puts")" = "/content/$small *" ] &&
        [ "$(sha256sum <"$received/content-$small")" = "$small  -" ]
}
check "pictures go by their hash, each once; no text, nothing too large" pictures_go
known_already() { outbox "$(mes "$ours$pictures")" 0 pictures && comes_to sent 1 && [ "$(wc -l <"$received/puts")" = 2 ]; }
check "a picture that is there already is no trouble" known_already
a_picture_is_lost() {
    local small path
    station_stop
    small=$(store "select sha256 from content where bytes = 1000")
    path=$bench_dir/state/attachments/${small:0:2}/${small:2}
    outbox "$(mes "$ours$pictures")" 0 pictures && comes_to sent 1 || return 1
    # Its bytes go bad on the station's disk: the next record goes all the same, without it.
    rm "$received"/content-* "$received/puts"
    jq '.outbox.mes.url |= "https://localhost:1/"' "$station" >"$station.new" # the line is away
    station_stop
    cp "$station" "$station.here" && cp "$station.new" "$station"
    rm -rf "$bench_dir/state/store.db"*
    "$build/tests/integration/queue_runs" "$station" 0 pictures || return 1
    printf x | dd of="$path" conv=notrunc bs=1 seek=10 status=none
    cp "$station.here" "$station"
    "$build/taktd" --station "$station" >>"$bench_dir/taktd.out" 2>&1 &
    until_true 15 up && comes_to sent 1 && ! ls "$received"/content-* 2>/dev/null
}
check "a picture gone bad is not sent on, the record is" a_picture_is_lost

into_a_folder() {
    rm -rf "$bench_dir/state/attachments"
    outbox '{"files": {"connector": "folder", "folder": "drop", "format": "json", "attachments": ["image/", "text/"]}}' \
        0 pictures && comes_to sent 1 && [ "$(ls "$bench_dir"/drop/*.json | wc -l)" = 1 ] || return 1
    [ "$(cd "$bench_dir/drop/attachments" && find . -type f | wc -l)" = 3 ] &&
        (cd "$bench_dir/drop/attachments" && for f in */*; do
            [ "$(sha256sum <"$f")" = "${f/\//}  -" ] || exit 1
        done)
}
check "into a folder attachments lie by their hash" into_a_folder
wrong() { # members line pattern
    station_stop
    jq --argjson outbox "$(mes "$1")" '. + {outbox: $outbox}' "$as_made" >"$station"
    "$build/taktd" --station "$station" >"$work/out" 2>&1
    [ $? = 2 ] && grep -qE "station.json:[0-9]+: $2" "$work/out" || { cat "$work/out"; return 1; }
}
check "pictures need an address" wrong '"attachments": ["image/"]' ".*attachments_url"
check "mime types are a list" wrong '"attachments": "image/"' "'attachments' must be an array"

# ---- may this unit run here? -----------------------------------------------------------------------
mkdir -p "$bench_dir/products/ask"
echo '{ "product": "ask", "board": "ssc337de-nand128", "limits": "limits.json" }' >"$bench_dir/products/ask/product.json"
echo '{}' >"$bench_dir/products/ask/limits.json"
plan_that_asks() { # name no_answer
    cat >"$bench_dir/products/ask/$1.json" <<P
{ "plan": "$1", "product": "ask", "part": true,
  "steps": [ { "id": "may", "step": "permission", "deadline_s": 20, "params": { "url": "https://localhost:$port/may",
               "ca": "$bench_dir/factory.pem", "timeout_ms": ${3:-5000}, "no_answer": "$2" } } ] }
P
}
plan_that_asks strict refuse && plan_that_asks lenient run && plan_that_asks hasty refuse 300 &&
    plan_that_asks willing run 300 && plan_that_asks wrong perhaps
asking_station() {
    station_stop
    jq --arg products "$bench_dir/products" '.products_dir = $products' "$as_made" >"$station"
    "$build/taktd" --station "$station" >>"$bench_dir/taktd.out" 2>&1 &
    until_true 15 up
}
asked() { # plan answer verdict message
    printf '%s' "$2" >"$received/may"
    "$takt" run --station "$station" --plan "ask/$1" --order "O 1&x" --serial "SN/7" --json >"$work/asked" 2>/dev/null
    jq -e --arg verdict "$3" --arg message "$4" '.runs[0] | .verdict == $verdict and
        (([.failures[].message] | add // "") | contains($message))' "$work/asked" || { cat "$work/asked"; return 1; }
}
check "a station that asks" asking_station
check "yes: it runs" asked strict '{"allowed": true}' pass ""
check "the question says which unit, order, product and station, by the station's certificate" \
    grep -qxF '/may?serial=SN%2F7&order=O%201%26x&product=ask&station=bench bench' "$received/asked"
check "no: it does not, for the reason given" asked strict '{"allowed": false, "reason": "solder it first"}' error \
    "this unit may not run here: solder it first"
check "a no is a no where no answer would do as well" asked lenient '{"allowed": false}' error "no reason was given"
check "no answer in time: the run ends" asked hasty silence error "no answer within 300 ms"
noted_why() { store "select text from note where name = 'no_answer' order by run desc limit 1" | grep -q "no answer within 300 ms"; }
check "or goes on, where the plan says so" asked willing silence pass ""
check "and why is on record" noted_why
check "what is no answer is none" asked strict '<html>welcome</html>' error "expected 200 and"
check "a rule that is none is refused" asked wrong '{"allowed": true}' error "expected refuse or run"

# ---- what people find and do ----------------------------------------------------------------------
defects() { "$takt" "$@" --station "$station"; }
store_of_station() { # runs in a store, taktd not running
    station_stop
    outbox '{"files": {"connector": "folder", "folder": "drop", "format": "json"}}' 3 && comes_to sent "$runs" && station_stop
}
check "a line's store" store_of_station
a_defect_and_its_repair() { # taktd is started for it
    local n
    n=$(defects defect SN000000001 --code LENS-DUST --place "lens <b>" --text "灰尘" --operator zhao --run 2 --json |
        jq .defect) && [ "$n" = 1 ] && defects repair 1 --action replaced --part "lens L4" --operator zhao &&
        defects report unit SN000000001 --format json --lang en | jq -e '.defects | length == 1 and (.[0] | .code == "LENS-DUST"
            and .run == 2 and .text == "灰尘" and (.found | length == 24)
            and (.repairs | length == 1 and (.[0] | .part == "lens L4" and .operator == "zhao")))'
}
check "a defect and its repair are on record" a_defect_and_its_repair
check "a defect leads to its units" bash -c "'$takt' trace defect LENS-DUST --station '$station' --json | jq -e '[.units[].serial] == [\"SN000000001\"]'"
check "so does a part put in" bash -c "'$takt' trace part 'lens L4' --station '$station' --json | jq -e '.unit_count == 1'"
on_the_page() {
    defects report unit SN000000001 --format html --lang zh --out "$work/unit.html" &&
        grep -q '缺陷与维修' "$work/unit.html" && grep -q 'lens &lt;b&gt;' "$work/unit.html" && grep -q '已维修' "$work/unit.html"
}
check "and on the unit's page, as text" on_the_page
refused() { # status pattern command...
    local status=$1 pattern=$2
    shift 2
    defects "$@" >"$work/out" 2>&1
    [ $? = "$status" ] && grep -qE "$pattern" "$work/out" || { cat "$work/out"; return 1; }
}
check "a unit nobody knows" refused 2 "no unit of chip id or serial 'NOBODY'" defect NOBODY --code X
check "a run nobody knows" refused 2 "no run 99999" defect SN000000001 --code X --run 99999
check "a defect nobody recorded" refused 2 "no defect 77" repair 77 --action replaced
check "a defect without a code" refused 2 "expected a unit, --code" defect SN000000001
check "a number that is none" refused 2 "'one' is no defect's number" repair one --action x
is_kept() { ! sqlite3 "$bench_dir/state/store.db" "UPDATE defect SET code='x'" 2>&1 | grep -v 'a recorded defect is never changed'; }
check "nobody changes what was recorded" is_kept

suite_end
