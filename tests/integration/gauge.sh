#!/usr/bin/env bash
# Hearing, radio, card, buttons, LEDs and power on the bench: each defect is found by the figure that
# stands for it; and a seeded sample of the gauge study, whose whole is tests/soak/gauge.sh.
. "$(dirname "$0")/suite.bash"

# ---- single defects ----
check "a bench of four comes up" bench_start 4 --defect 1:wrong_region --defect 2:stuck_button \
    --defect 3:shorted_motor --defect 4:brownout
# The product without the limit on its start, which is the machine's that runs the bench.
products=$bench_dir/products
patient() {
    cp -r "$repo/station/products" "$products" && jq --arg p "$products" '.products_dir = $p' "$station" >"$work/station" &&
        cp "$work/station" "$station" &&
        sed 's#//.*##' "$repo/station/products/ptz-indoor-3mp/limits.json" | jq 'del(.power_on.boot_seconds)' >"$products/ptz-indoor-3mp/limits.json" &&
        sed 's#//.*##' "$repo/station/products/ptz-indoor-3mp/senses.json" |
        jq '.steps[0].params = { "boot_timeout_s": 45 } |
            (.steps[] | select(.id == "wifi") | .params.look_every_ms) = 100' >"$products/ptz-indoor-3mp/senses.json"
}
check "its product is patient with a busy machine" patient
senses() { # ORDER [option...]
    local order=$1
    shift
    "$takt" run --station "$station" --plan ptz-indoor-3mp/senses --order "$order" --json "$@" \
        >"$work/run.json" 2>"$work/run.log"
    [ $? -le 1 ] || { cat "$work/run.log"; return 1; }
}
check "the plan goes through" senses S-1
failed_by() { # SLOT STEP.MEASUREMENT
    jq -c ".runs[] | select(.slot == $1)" "$work/run.json"
    jq -e --arg by "$2" '.runs[] | select(.slot == '"$1"') |
        .verdict == "fail" and ([.failures[] | "\(.step).\(.measurement)"] | index($by) != null)' "$work/run.json"
}
check "a radio of another region fails by its region" failed_by 1 wifi.region_matches
check "a button that never closes fails by its level" failed_by 2 button.level_pressed
check "shorted windings fail by the motor's draw" failed_by 3 motor_power.pan_w
check "a unit that restarts at 4.7 V fails by its lowest voltage" failed_by 4 supply_margin.lowest_volts
# 3 A across the connector: more than the 2 A that the supply gives.
short() { jq '.leak_ma = 3000' "$bench_dir/slot1/unit.json" >"$work/unit" && cp "$work/unit" "$bench_dir/slot1/unit.json"; }
check "slot 1 is shorted" short
check "the plan goes through" senses S-2 --slot 1
check "the supply cuts a short off, and that is the unit's fail" failed_by 1 power_on.tripped
station_stop
bench_stop

# ---- the study ----
study=$work/study
sample() { # [option...]
    "$takt" qa run gauge-senses --dir "$study" --no-gage --slots 4 "$@" --json >"$work/sample.json" 2>"$work/sample.log"
    local code=$?
    cat "$work/sample.log"
    [ $code -le 1 ]
}
check "a study's name that nobody knows is status 2" eval '"$takt" qa run gauge-noses 2>"$work/said"; [ $? = 2 ] && cat "$work/said" && grep -q "gauge-" "$work/said"'
check "a folder that holds other things is left alone" eval 'mkdir "$work/mine" && touch "$work/mine/thesis" &&
    ! "$takt" qa run gauge-senses --units 1 --dir "$work/mine" 2>"$work/said" && grep -q "other things" "$work/said" && [ -e "$work/mine/thesis" ]'
check "eight units go through the study" sample --units 8 --seed 3
check "nothing escapes" jq -e '.units == 8 and .escapes == 0' "$work/sample.json"
# Figures that no clock of a busy machine can bend.
check "what was measured is what is so of the units" jq -e '
    [.figures[] | select(.bias != null) | {key: .measurement, value: .bias}] | from_entries |
    (.light_on | fabs) < 0.02 and (.standby_w | fabs) < 0.05 and (.real_fraction | fabs) < 0.001' "$work/sample.json"
# ---- the same units without a bench ----
rehearse=$build/tests/rehearsal/rehearse
rehearsed() { # UNITS [option...]
    local units=$1
    shift
    "$takt" qa run gauge-senses --dir "$work/rehearsed" --no-gage --slots 2 --seed 3 --units "$units" \
        --rehearse "$rehearse" --json "$@" >"$work/rehearsed.json" 2>"$work/rehearsed.log"
}
check "the rehearsal is built" make -s -C "$repo" "$rehearse"
check "the same eight units in a rehearsal, and four more" rehearsed 12
cat "$work/rehearsed.log" >"$work/check.log"
check "nothing escapes, no good unit fails" jq -e '.escapes == 0 and .false_fails == 0 and .false_errors == 0' "$work/rehearsed.json"
# FIGURES of a results file: {"0.microphone.sensitivity_dbfs": value, ...}
figures() {
    tail -n +2 "$1" | jq -c '.item as $i | select($i < 8) | .result.steps[] | .id as $s | .attempts[-1].measurements[] |
        {key: "\($i).\($s).\(.name)", value: .value}' | jq -s from_entries
}
# Figures that no clock of a busy machine can bend (its sounds have gaps), by the median over the units.
agree() {
    figures "$study.results" >"$work/a" && figures "$work/rehearsed.results" >"$work/b" &&
        jq -e -n --slurpfile a "$work/a" --slurpfile b "$work/b" '
            {"led_blue.light_on": 0.02, "power.standby_w": 0.02, "card.real_fraction": 0.001, "wifi.rssi_delta_db": 0.7} as $most |
            [$a[0] | to_entries[] | .key as $k | ($k | sub("^[0-9]+[.]"; "")) as $f |
             select($most[$f] and $b[0][$k] != null) | {f: $f, off: (.value - $b[0][$k] | fabs)}] |
            group_by(.f) | map({figure: .[0].f, units: length, median: (map(.off) | sort | .[length / 2 | floor]), most: $most[.[0].f]}) |
            ., all(.[]; .median <= .most)'
}
check "bench and rehearsal find the same of the same units" agree
head -n 6 "$work/rehearsed.results" >"$work/cut" && printf '{"item":7,"resu' >>"$work/cut"
# The two ends' clocks: found by the tone, undone in the sweep.
drift() {
    printf '{"chip_id":"%032d","seed":5,"audio_clock_ppm":%d}\n' 1 0 1 1500 1 -300 >"$work/units" &&
        "$rehearse" --products "$repo/station/products" --boards "$repo/firmware/boards" --plan ptz-indoor-3mp/senses \
            --seed 1 --dir "$work" <"$work/units" >"$work/drifts" &&
        jq -s -e '[.[] | [.steps[] | select(.id == "microphone" or .id == "speaker") | .attempts[0].measurements |
                          map({key: .name, value: .value}) | from_entries]] |
            (map(map(.clock_ppm)) | . as $p | [[0, 0], [1500, 1500], [-300, -300]] |
             [range(3) as $i | range(2) as $k | .[$i][$k] - $p[$i][$k] | fabs]), map(map(.response_least_db)), map(.[1].rub_buzz_db) |
            . as $v | $v' "$work/drifts" >"$work/drift" && cat "$work/drift" &&
        jq -s -e '(.[0] | all(.[]; . < 3)) and (.[1] | all(.[]; (.[0] + 0.39 | fabs) < 0.05)) and (.[2] | max - min < 0.1)' "$work/drift"
}
check "a clock that is fast or slow is found to 3 ppm and does not bend response or rattle" drift
# The talkback path, by the figures of the physics: 88 dB SPL at full scale, less 3 dB of the samples and
# 1.9 dB of the volume, 12 dB less at the own microphone, which makes -26 dBFS of 94 dB SPL.
echoes() {
    mkdir -p "$work/talk/ptz-indoor-3mp" && cp "$repo"/station/products/ptz-indoor-3mp/{product,limits}.json "$work/talk/ptz-indoor-3mp" &&
        printf '{"plan":"talk","product":"ptz-indoor-3mp","part":true,"steps":[%s,%s]}' \
            '{"id":"power_on","step":"power_on","deadline_s":60,"needs":["power_supply"]}' \
            '{"id":"echo","step":"echo","deadline_s":60}' >"$work/talk/ptz-indoor-3mp/talk.json" &&
        printf '{"chip_id":"%032d","seed":5,"echo_db":%d}\n' 1 -12 1 -32 >"$work/units" &&
        "$rehearse" --products "$work/talk" --boards "$repo/firmware/boards" --plan ptz-indoor-3mp/talk --seed 1 --dir "$work" \
            <"$work/units" >"$work/echoes" && cat "$work/echoes" &&
        jq -s -e '[.[] | .steps[1].attempts[0].measurements[0]] | map(.name) == ["return_loss_db", "return_loss_db"] and
            ([.[].value] | (.[0] - 45.94 | fabs) < 0.2 and (.[1] - 65.94 | fabs) < 0.5)' "$work/echoes"
}
check "the echo return loss of the talkback path is what the physics say" echoes
check "a study that was cut short goes on behind what it has" eval 'cp "$work/rehearsed.results" "$work/whole" && cp "$work/cut" "$work/rehearsed.results" &&
    rehearsed 12 && grep "behind 5 results" "$work/rehearsed.log"'
sorted() { tail -n +2 "$1" | jq -cS '[.item, .result]' | sort; }
check "and ends with the same figures to the last digit" eval 'diff <(sorted "$work/whole") <(sorted "$work/rehearsed.results")'
check "another study's results are not taken for this one's" eval '! rehearsed 12 --seed 4 && grep "results of another study" "$work/rehearsed.log"'

check "the bench and taktd are gone" eval '! pgrep -f "$study" >/dev/null'
suite_end
