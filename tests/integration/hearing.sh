#!/usr/bin/env bash
# What a sample is asked beyond the line: the talkback path's filters and codec, dead and swapped
# channels, datagrams, long press, reset, sleep. Each defect is found by the figure that stands for it.
# First in a rehearsal (simulated time), then by taktd on a bench of two.
. "$(dirname "$0")/suite.bash"
rehearse=$build/tests/rehearsal/rehearse
check "the rehearsal is built" make -s -C "$repo" "$rehearse"

# ---- rehearsed: one parameter of a unit at a time ----
sample=$repo/station/products/ptz-indoor-3mp-sample
units='[{}, {"mic_slot": 1}, {"mic_slot": 2}, {"echo_db": -2}, {"radio_loss_percent": 5}, {"radio_jitter_ms": 250}, {"button_1_stuck": 2},
        {"button_1_stuck": 1}, {"speaker_third": 0.6}, {"sleep_w": 0.02}, {"mic_gain_db": -6}]'
rehearsed() {
    mkdir -p "$work/products/sampled" && sed 's#//.*##' "$sample/product.json" | jq '.product = "sampled"' >"$work/products/sampled/product.json" &&
        sed 's#//.*##' "$sample/limits.json" | jq 'del(.reset) + {"sleep": {"sleep_ma": {"max": 1.5, "unit": "mA"}}}' >"$work/products/sampled/limits.json" &&
        sed 's#//.*##' "$sample/sample.json" | jq '.product = "sampled" | del(.steps[] | select(.id == "reset")) |
            .steps += [{"id": "sleep", "step": "sleep", "deadline_s": 60, "needs": ["power_supply"], "on_fail": "continue"}]' \
            >"$work/products/sampled/sample.json" &&
        jq -c '.[] + {"chip_id": "00000000000000000000000000000001", "seed": 5}' <<<"$units" >"$work/units" &&
        "$rehearse" --products "$work/products" --boards "$repo/firmware/boards" --plan sampled/sample --seed 1 --dir "$work" \
            <"$work/units" >"$work/results" && jq -s -e "length == $(jq length <<<"$units")" "$work/results"
}
check "eleven units go through the samples' plan" rehearsed
# UNIT: what failed of it, as "step.figure", by the limits
failures() { jq -s -r ".[$1].steps[] | .id as \$s | .attempts[-1].measurements[]? | select(.verdict == \"fail\") | \"\(\$s).\(.name)\"" "$work/results"; }
fails_by() { failures "$1" | tee /dev/stderr | grep -qx "$2"; }
value() { jq -s -r ".[$1].steps[] | select(.id == \"$2\") | .attempts[-1].measurements[] | select(.name == \"$3\") | .value" "$work/results"; }
near() { awk -v a="$1" -v b="$2" -v within="$3" 'BEGIN { print a, b; exit !(a - b <= within && b - a <= within) }'; }
check "what it has not is left out with the reason" eval 'jq -s -e ".[0].steps[] | select(.id == \"ble\") | .skipped | test(\"RTL8189FTV has no Bluetooth\")" "$work/results"'
check "a good unit fails in nothing" eval '[ -z "$(failures 0 | tee /dev/stderr)" ]'
check "its microphone speaks in the left slot alone" eval 'near "$(value 0 microphone_slots left_dbfs)" -26 0.05 && near "$(value 0 microphone_slots right_dbfs)" -120 0.01'
check "Opus keeps sensitivity and loudness of the physics" eval 'near "$(value 0 microphone_opus sensitivity_dbfs)" -26 0.3 && near "$(value 0 speaker_opus level_db_spl)" 83.06 0.3'
check "asleep it draws 4 mW behind converters of 88 %" eval 'near "$(value 0 sleep sleep_ma)" 0.909 0.02 && near "$(value 0 sleep slept_ms)" "$(value 0 sleep asked_ms)" 20'
check "talkers 20 dB apart are that without gain control" eval 'near "$(value 0 voice levels_apart_off_db)" 20 0.1'
check "a select pin soldered wrong: the channels are swapped" eval 'fails_by 1 microphone_slots.left_dbfs && fails_by 1 microphone_slots.right_dbfs'
check "an open data line: the channel is dead" eval 'fails_by 2 microphone_slots.left_dbfs && ! fails_by 2 microphone_slots.right_dbfs'
check "a dead channel takes down what is judged behind it" eval 'fails_by 2 microphone_opus.sensitivity_dbfs && fails_by 2 voice.echo_taken_db && fails_by 2 echo.return_loss_db'
check "a seal that is missing is found by the echo" fails_by 3 echo.return_loss_db
check "datagrams that are lost are counted" eval 'fails_by 4 wifi_media.loss_percent && near "$(value 4 wifi_media loss_percent)" 5 2'
check "datagrams that come when they like are found by their jitter" fails_by 5 wifi_media.jitter_ms
check "a button that stays pressed" fails_by 6 long_press.transitions
check "a button that never closes" fails_by 7 long_press.level_pressed
check "a speaker that distorts does so through Opus" fails_by 8 speaker_opus.thd_percent
check "a unit that does not sleep deeply" fails_by 9 sleep.sleep_ma
check "an amplifier 6 dB low, through Opus as well" eval 'fails_by 10 microphone_opus.sensitivity_dbfs && near "$(value 10 microphone_opus sensitivity_dbfs)" -32 0.3'

# ---- a battery model: sleep and Bluetooth, each by its own limits ----
battery='[{}, {"sleep_w": 0.02}, {"bluetooth_dbm": -70}, {"bluetooth_dead": 1}]'
battery_rehearsed() {
    jq -c '.[] + {"chip_id": "0000000000000000000000c0ffee0042", "seed": 5}' <<<"$battery" >"$work/units" &&
        "$rehearse" --products "$repo/station/products" --boards "$repo/firmware/boards" --plan battery-outdoor-sample/sample --seed 1 --dir "$work" \
            <"$work/units" >"$work/results" && jq -s -e "length == $(jq length <<<"$battery")" "$work/results"
}
check "four battery units go through their plan" battery_rehearsed
check "a good one fails in nothing, and draws 0.909 mA asleep" eval '[ -z "$(failures 0 | tee /dev/stderr)" ] && near "$(value 0 sleep sleep_ma)" 0.909 0.02'
check "it is heard every 100 ms as loud as a golden unit" eval 'near "$(value 0 ble heard)" 15 1 && near "$(value 0 ble rssi_delta_db)" 0 1'
check "one that does not sleep deeply is found by that alone" eval '[ "$(failures 1 | tee /dev/stderr)" = sleep.sleep_ma ]'
check "a Bluetooth antenna that is off is found by its level alone" eval '[ "$(failures 2 | tee /dev/stderr)" = ble.rssi_delta_db ]'
check "a dead Bluetooth controller is the unit's failure, not the station's" eval 'failures 3 | tee /dev/stderr | grep -qx ble.heard && jq -s -e ".[3].verdict == \"fail\"" "$work/results"'

# ---- the real way: camd, sessions, iperf3, a finger ----
check "a bench of two comes up" bench_start 2 --defect 2:stuck_button
products=$bench_dir/products
patient() { # what only a busy machine would fail: starts
    cp -r "$repo/station/products" "$products" && jq --arg p "$products" '.products_dir = $p' "$station" >"$work/station" && cp "$work/station" "$station" &&
        sed 's#//.*##' "$sample/limits.json" | jq 'del(.power_on.boot_seconds)' \
            >"$products/ptz-indoor-3mp-sample/limits.json" &&
        sed 's#//.*##' "$sample/sample.json" | jq '.steps[0].params.boot_timeout_s = 45 | (.steps[] | select(.id == "reset") | .params.boot_timeout_s) = 45' \
            >"$products/ptz-indoor-3mp-sample/sample.json"
}
check "its product is patient with a busy machine" patient
runs() {
    "$takt" run --station "$station" --plan ptz-indoor-3mp-sample/sample --order S-1 --json >"$work/run.json" 2>"$work/run.log"
    [ $? -le 1 ] || { cat "$work/run.log"; return 1; }
}
check "the samples' plan goes through" runs
check "the good unit passes by the product's limits: filters and codec of its talk, its datagrams' loss and jitter, its buttons" eval 'jq -c . "$work/run.json" && jq -e ".runs[] | select(.slot == 1) | .verdict == \"pass\"" "$work/run.json"'
failed_by() { # STEP.MEASUREMENT, of slot 2
    jq -c '.runs[] | select(.slot == 2)' "$work/run.json"
    jq -e --arg by "$1" '.runs[] | select(.slot == 2) | .verdict == "fail" and ([.failures[] | "\(.step).\(.measurement)"] | index($by) != null)' "$work/run.json"
}
check "a unit whose button never closes is not reset by it" failed_by reset.restarted
station_stop
bench_stop

# The battery model's Bluetooth and sleep, over a session, HCI on a line and a supply's SCPI.
check "a bench of a battery camera comes up" bench_start 1 --board ssc377-emmc
battery_patient() {
    local from=$repo/station/products/battery-outdoor-sample to=$bench_dir/products/battery-outdoor-sample
    cp -r "$repo/station/products" "$bench_dir/products" && jq --arg p "$bench_dir/products" '.products_dir = $p' "$station" >"$work/station" && cp "$work/station" "$station" &&
        sed 's#//.*##' "$from/limits.json" | jq 'del(.wifi, .sleep.slept_ms.max) | .ble.heard.min = 1' >"$to/limits.json" &&
        sed 's#//.*##' "$from/sample.json" | jq '.steps[0].params.boot_timeout_s = 45 | del(.steps[] | select(.id == "wifi")) |
            (.steps[] | select(.id == "sleep") | .params) = {"late_ms": 4000}' >"$to/sample.json"
}
check "its product is patient too" battery_patient
battery_runs() {
    "$takt" run --station "$station" --plan battery-outdoor-sample/sample --order B-1 --json >"$work/run.json" 2>"$work/run.log"
    jq -c . "$work/run.json"
    jq -e '.runs[0].verdict == "pass"' "$work/run.json" || { cat "$work/run.log"; return 1; }
}
check "it advertises, is heard, sleeps and wakes" battery_runs
station_stop
bench_stop

# ---- one access point's air for all slots ----
# Radios of 14.4 Mbit/s at most, 8.6 of payload: what any machine carries.
check "a bench of two around one access point comes up" bench_start 2 --one-air
air_product() {
    local at=$bench_dir/products/ptz-indoor-3mp-sample slot
    for slot in 1 2; do
        jq '.radio_mcs_max = 1' "$bench_dir/slot$slot/unit.json" >"$work/unit" && cp "$work/unit" "$bench_dir/slot$slot/unit.json" || return 1
    done
    cp -r "$repo/station/products" "$bench_dir/products" && jq --arg p "$bench_dir/products" '.products_dir = $p' "$station" >"$work/station" && cp "$work/station" "$station" &&
        echo '{"air": {"up_mbit_s": {"min": 6.5, "unit": "Mbit/s"}, "down_mbit_s": {"min": 6.5, "unit": "Mbit/s"}}}' >"$at/limits.json" &&
        sed 's#//.*##' "$sample/sample.json" | jq '.steps = [(.steps[0] | .params.boot_timeout_s = 45), .steps[1], {"id": "air", "step": "wifi",
            "deadline_s": 120, "needs": ["access_point"], "params": {"seconds": 6}, "on_fail": "continue"}]' >"$at/sample.json"
}
check "its plan is traffic alone" air_product
air() { # ORDER EXPRESSION
    "$takt" run --station "$station" --plan ptz-indoor-3mp-sample/sample --order "$1" --json >"$work/run.json" 2>"$work/run.log"
    [ $? -le 1 ] || { cat "$work/run.log"; return 1; }
    jq -c . "$work/run.json" && jq -e "$2" "$work/run.json"
}
check "one after the other both have all of the air, and pass" air A-1 '[.runs[].verdict] == ["pass", "pass"]'
station_stop
check "without the schedule" eval 'jq ".instruments.ap.capacity = 2" "$station" >"$work/station" && cp "$work/station" "$station"'
check "one unit's traffic takes down another's figure" air A-2 '[.runs[].failures[].measurement] | any(test("up_mbit_s|down_mbit_s"))'
station_stop
bench_stop
suite_end
