#!/usr/bin/env bash
# What is pulled out and put in again while units are tested: the hub that their lines hang on, which
# comes back with its ports numbered anew, and the power supply. taktd is the same all the time.
source "$(dirname "$0")/suite.bash"

bench_start 2 --pty && bundle_make || exit 1
products=$bench_dir/products
mkdir -p "$products/cam"
echo '{ "product": "cam", "board": "ssc337de-nand128", "limits": "limits.json" }' >"$products/cam/product.json"
echo '{}' >"$products/cam/limits.json"
cat >"$products/cam/plain.json" <<'P'
{ "plan": "plain", "product": "cam", "part": true,
  "steps": [ { "id": "power_on", "step": "power_on", "deadline_s": 30 },
             { "id": "connect", "step": "connect", "deadline_s": 40 },
             { "id": "card", "step": "card", "deadline_s": 120, "params": { "mib": 8 } } ],
  "teardown": [ { "id": "power_off", "step": "power_off", "deadline_s": 10 } ] }
P
# Connecting and the test are tried again together.
jq '.plan = "group" | .groups = { unit: { attempts: 3 } } | .steps[1].group = "unit" | .steps[2].group = "unit"' \
    "$products/cam/plain.json" >"$products/cam/group.json"

# The adapters of a hub. A station file names the place they are plugged in, a link that udev makes;
# the number behind it is another one each time.
declare -A adapter
lines=($(jq -r '.slots[].port | sub("^pty:"; "") | sub("\\?.*"; "")' "$station"))
hub_on() { # slots in the order in which their adapters are found
    local slot
    for slot in "$@"; do
        socat "PTY,link=$work/by-path-$slot,raw,echo=0" "FILE:${lines[$((slot - 1))]},raw,echo=0" &
        adapter[$slot]=$!
        until_true 10 test -e "$work/by-path-$slot" || return 1
    done
}
hub_off() {
    kill "${adapter[1]}" "${adapter[2]}"
    wait "${adapter[1]}" "${adapter[2]}" 2>/dev/null
    rm -f "$work/by-path-1" "$work/by-path-2"
}
# The supply's cable.
psu_port=$(jq -r '.instruments[] | select(.class == "power_supply") | .address | sub(".*:"; "")' "$station")
psu_log=$work/psu.log
psu_on() { # [port]
    socat -d -d "TCP-LISTEN:${1:-0},bind=127.0.0.1,fork,reuseaddr" "TCP:127.0.0.1:$psu_port" 2>"$psu_log" &
    psu=$!
    until_true 10 grep -q "listening on" "$psu_log"
}
psu_off() {
    kill $psu $(pgrep -P $psu)
    wait $psu 2>/dev/null
}
trap 'kill ${adapter[*]} $psu $(pgrep -P "$psu") 2>/dev/null; suite_clean' EXIT
hub_on 1 2 && psu_on || exit 1
cable=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$psu_log" | head -1)
jq --arg products "$products" --arg path "pty:$work/by-path-" --arg psu "tcp://127.0.0.1:$cable" '
    .products_dir = $products
    | .slots |= map(.port = $path + (.slot | tostring) + "?baud=921600")
    | (.instruments[] | select(.class == "power_supply") | .address) = $psu' \
    "$station" >"$work/station.json" && mv "$work/station.json" "$station"

run() { "$takt" run --station "$station" --plan "cam/$1" --order O --json "${@:2}" >"$work/result" 2>"$work/progress"; }
begin() { run "$@" & running=$!; }
ended() { wait $running; } # with takt run's status
at_step() { # step: every slot is there
    local slots
    slots=$("$takt" station status --station "$station" --json | jq -r --arg step "$1" '[.slots[] | select(.step == $step)] | length')
    [ "$slots" = 2 ]
}
attempts() { # SQL condition
    store "SELECT count(*) FROM step s JOIN step_name n ON n.id = s.name WHERE s.run > $before AND $1"
}
so_many() { [ "$(attempts "$1")" = "$2" ]; }
last_run() { store "SELECT coalesce(max(id), 0) FROM run"; }
daemon() { "$takt" station status --station "$station" --json | jq -r .pid; }
off() { scpi psu "OUTP? (@$1)" | grep -qx 0; }

both_pass() { run plain && jq -e '.passed == 2' "$work/result"; }
hub_reset() { # both units fall off the bus in the middle of a test, and come back in another order
    local was_1 was_2 held
    before=$(last_run)
    was_1=$(readlink "$work/by-path-1") was_2=$(readlink "$work/by-path-2")
    begin group
    until_true 60 at_step card || return 1
    exec {held}<>/dev/ptmx # so that neither gets its number again
    hub_off
    until_true 60 so_many "n.name = 'card' AND s.verdict = 3" 2 && hub_on 2 1 || return 1
    ended || { cat "$work/progress" "$work/result"; return 1; }
    exec {held}>&-
    echo "by-path-1: $was_1, $(readlink "$work/by-path-1"); by-path-2: $was_2, $(readlink "$work/by-path-2")"
    [ "$(readlink "$work/by-path-1")" != "$was_1" ] && jq -e '.passed == 2' "$work/result"
}
both_attempts_are_kept() { # the lost one says what was lost, and none is a first pass
    store "SELECT s.verdict, s.message FROM step s JOIN step_name n ON n.id = s.name WHERE s.run > $before AND n.name = 'card'"
    so_many "n.name = 'card' AND s.verdict = 1" 2 && so_many "n.name = 'card' AND s.verdict = 3 AND s.message LIKE '%by-path-%'" 2
}
unit_lost() { # without a second attempt: an error that names the port, power off, the next run as ever
    before=$(last_run)
    begin plain
    until_true 60 at_step card || return 1
    hub_off
    ended
    [ $? = 3 ] && so_many "s.verdict = 3 AND s.message LIKE '%by-path-%'" 2 && off 1 && off 2 && hub_on 1 2 && both_pass
}
supply_lost() { # in the middle of a run: what needs it is an error in its name
    before=$(last_run)
    begin plain
    until_true 60 at_step card || return 1
    psu_off
    ended
    store "SELECT n.name, s.verdict, s.message FROM step s JOIN step_name n ON n.id = s.name WHERE s.run > $before AND s.verdict <> 1"
    so_many "n.name = 'power_off' AND s.verdict = 3 AND s.message LIKE '%psu%'" 2
}
supply_missing() { # and a run that begins without it touches no unit
    before=$(last_run)
    run plain
    [ $? = 3 ] && so_many "n.name = 'power_on' AND s.verdict = 3 AND s.message LIKE '%psu%'" 2 && so_many "n.name = 'card' AND s.verdict = 1" 0
}
supply_back() { psu_on "$cable" && both_pass && off 1 && off 2; }
same_daemon() { [ "$(daemon)" = "$first_daemon" ]; }

check "two units on a hub pass" both_pass
first_daemon=$(daemon)
check "a hub that resets in the middle of a test costs an attempt, under whatever numbers it comes back" hub_reset
check "both attempts are on record, the lost one with its port" both_attempts_are_kept
check "a unit that is lost for good is an error, its power is off, and the next one passes" unit_lost
check "a supply that is unplugged in the middle of a run is named" supply_lost
check "a run without it is an error at its first step" supply_missing
check "plugged in again it serves the next run" supply_back
check "taktd went through all of it" same_daemon
suite_end
