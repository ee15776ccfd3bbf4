#!/usr/bin/env bash
# The whole line on the bench: four units, two of them with a defect nobody names, flashed,
# identified, tested, judged, labelled and locked.
source "$(dirname "$0")/suite.bash"

bench_start 4 --defect 2:defocus --defect 3:dead_ir_led || exit 1
bundle_make || exit 1
identities_import 6 >/dev/null || exit 1
result=$work/result.json

line() { "$takt" run --station "$station" --plan ptz-indoor-3mp/line --order LINE-1 --json "$@"; }
verdict() { jq -r ".runs[] | select(.slot == $1) | .verdict" "$result"; }
failing() { jq -r ".runs[] | select(.slot == $1) | .failures[] | \"\(.step).\(.measurement)\"" "$result"; }
figure() { # SLOT STEP MEASUREMENT
    store "select m.value from measurement m join figure f on f.id = m.figure
           join step s on s.run = m.run and s.step = m.step and s.attempt = m.attempt
           join step_name n on n.id = s.name join run r on r.id = m.run
           where r.slot = $1 and n.name = '$2' and f.name = '$3' order by m.run limit 1"
}
within() { awk -v v="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(v != "" && v >= low && v <= high) }'; }

one_unit_failed_is_status_1() {
    line >"$result" 2>"$work/progress"
    [ $? = 1 ] && jq -e '.passed == 2 and .failed == 2' "$result" ||
        { jq -c '.runs[] | [.slot, .verdict, .failures]' "$result"; return 1; }
}
two_pass() { [ "$(verdict 1)" = pass ] && [ "$(verdict 4)" = pass ]; }
the_defocused_fails_by_sharpness_alone() {
    [ "$(verdict 2)" = fail ] && failing 2 | grep -qx image.mtf50_centre &&
        ! failing 2 | grep -v '^image\.mtf50_'
}
the_dead_led_fails_by_evenness_alone() {
    [ "$(verdict 3)" = fail ] && failing 3 | grep -qx infrared.corner_balance &&
        ! failing 3 | grep -v '^infrared\.'
}
a_failure_names_value_and_limit() {
    jq -e '.runs[] | select(.slot == 2) | .failures[0] | .value < .low and .unit == "cycles/px"' "$result"
}
every_test_ran_on_every_unit() { # a failure does not hide the next one
    [ "$(store "select count(distinct r.id) from step s join step_name n on n.id = s.name
                join run r on r.id = s.run where n.name = 'power' and s.verdict = 1")" = 4 ]
}
# Against what unit.json says the camera is made of, not against a limit.
physics() { jq -r ".$2 // $3" "$bench_dir/slot$1/unit.json"; }
backlash_is_the_gears() {
    local truth
    truth=$(physics 1 pan_backlash_deg 0.15)
    within "$(figure 1 ptz pan_backlash_deg)" "$(awk "BEGIN{print $truth-0.04}")" "$(awk "BEGIN{print $truth+0.04}")"
}
sensitivity_is_the_microphones() {
    local truth
    truth=$(physics 4 mic_sensitivity_dbfs -26)
    within "$(figure 4 microphone sensitivity_dbfs)" "$(awk "BEGIN{print $truth-0.5}")" "$(awk "BEGIN{print $truth+0.5}")"
}
dead_pixels_are_counted() {
    within "$(figure 1 infrared dead_pixels)" "$(physics 1 dead_pixels 3)" "$(physics 1 dead_pixels 3)"
}
identities_are_confirmed() {
    [ "$(store "select count(*) from note where name = 'did'")" = 4 ] &&
        [ "$(store "select count(distinct text) from note where name = 'did'")" = 4 ] &&
        "$takt" identity status --station "$station" --json | jq -e '.confirmed == 4 and .free == 2' &&
        "$takt" identity audit --station "$station"
}
the_report_has_the_identities() { # each unit its own, as the labels and the pool have them
    "$takt" report order LINE-1 --station "$station" --format json | jq -e --slurpfile run "$result" '
        ([.units[] | select(.identity_state == "confirmed" and (.mac | length == 17)) | .did] | sort) as $dids
        | ($dids | length == 4) and ($dids == ([$run[0].runs[].did] | sort)) and .identities == [{state: "confirmed", count: 4}]' &&
        "$takt" report order LINE-1 --station "$station" --format csv | grep -q ",confirmed" &&
        "$takt" report order LINE-1 --station "$station" --format html --lang zh | grep -q "4 已确认"
}
no_key_rests_in_the_clear() { # in anything the station keeps or says
    local key
    key=$(sed -n 2p "$bench_dir/identities.csv" | cut -d, -f3)
    [ ${#key} = 64 ] && ! grep -rqi "$key" "$bench_dir/state" "$bench_dir/bench.log" "$work/progress" &&
        ! LC_ALL=C grep -rqaP "$(sed 's/../\\x&/g' <<<"${key:0:16}")" "$bench_dir/state"
}
labels_are_for_good_units() {
    [ "$(find "$bench_dir/labels" -type f | wc -l)" = 2 ] &&
        for slot in 1 4; do
            did=$(jq -r ".runs[] | select(.slot == $slot) | .did" "$result")
            grep -rql "$did" "$bench_dir/labels" || return 1
        done
}
the_label_on_the_unit_is_looked_at() {
    [ "$(store "select count(*) from step s join step_name n on n.id = s.name
                where n.name = 'label_check' and s.verdict = 1")" = 2 ]
}
a_label_is_printed_again_on_record() { # byte for byte, and for a reason
    local serial printed
    serial=$(jq -r '.runs[] | select(.slot == 1) | .serial' "$result")
    ! "$takt" label reprint "$serial" --station "$station" &&
        ! "$takt" label reprint nobody --reason x --station "$station" &&
        "$takt" label reprint "$serial" --reason "torn" --station "$station" || return 1
    printed=$(find "$bench_dir/labels" -type f | wc -l)
    [ "$printed" = 3 ] && [ "$(cat "$bench_dir"/labels/* | grep -c "SN $serial")" = 2 ] &&
        [ "$(store "select count(*) from audit where action = 'label.reprint'
                    and json_extract(detail, '$.reason') = 'torn'")" = 1 ]
}
the_label_is_looked_at_as_a_picture() { # its code, read by zbar
    local serial did
    serial=$(jq -r '.runs[] | select(.slot == 1) | .serial' "$result")
    did=$(jq -r '.runs[] | select(.slot == 1) | .did' "$result")
    "$takt" label preview "$serial" --station "$station" --out "$work/label.png" &&
        zbarimg -q --raw -Sdisable -Sqr.enable "$work/label.png" | tee /dev/stderr | grep -F "$did" &&
        ! "$takt" label preview nobody --station "$station" --out "$work/none.png" && [ ! -e "$work/none.png" ]
}
pictures_are_kept() { # PNG's IHDR: its type, width and height; large where something was outside
    local sha file
    for sha in $(store "select c.sha256 from attachment a join content c on c.id = a.content
                        where a.name = 'chart'"); do
        file=$(find "$bench_dir/state/attachments" -name "*${sha:4}*" | head -1)
        xxd -s 12 -l 12 -p "$file"
    done | sort | uniq -c | awk '{ print $1, $2 }' >"$work/pictures"
    [ "$(cat "$work/pictures")" = "3 $(printf IHDR | xxd -p)000002f800000204
1 $(printf IHDR | xxd -p)00000480000003b4" ]
}
the_report_shows_the_failure() {
    "$takt" report order LINE-1 --station "$station" --format html --out "$work/order.html" &&
        grep -q mtf50_centre "$work/order.html"
}
nothing_is_left_on() { # the supply, asked by SCPI
    local address slot amps
    address=$(jq -r '.instruments.psu.address | ltrimstr("tcp://")' "$station")
    exec 4<>"/dev/tcp/${address%:*}/${address#*:}" || return 1
    for slot in 1 2 3 4; do
        printf 'MEAS:CURR? (@%d)\n' $slot >&4
        read -rt 5 amps <&4 && within "$amps" -0.001 0.001 || { echo "slot $slot: $amps A"; return 1; }
    done
    exec 4>&-
}
a_locked_unit_is_not_opened_again() { # and says why
    "$takt" run --station "$station" --plan ptz-indoor-3mp/line --order LINE-2 --slot 1 --json \
        >"$work/again.json" 2>/dev/null
    [ $? = 3 ] && jq -e '.runs[0].verdict == "error" and .runs[0].failures[0].step == "power_on"
                         and (.runs[0].failures[0].message | contains("a unit that is finalized"))' "$work/again.json"
}
wrong_use_is_status_2() {
    "$takt" run --station "$station" --plan ptz-indoor-3mp/nothing --order X
    [ $? = 2 ] || return 1
    "$takt" run --station "$work/nowhere.json" --plan a/b --order X
    [ $? = 2 ] || return 1
    "$takt" run --order X
    [ $? = 2 ]
}

check "a line with failed units ends with 1" one_unit_failed_is_status_1
check "two units pass" two_pass
check "a defocused lens fails by its sharpness alone" the_defocused_fails_by_sharpness_alone
check "a dead infrared LED fails by its corner alone" the_dead_led_fails_by_evenness_alone
check "a failure names value, unit and limit" a_failure_names_value_and_limit
check "a failed test does not hide the next ones" every_test_ran_on_every_unit
check "measured backlash is the gear's" backlash_is_the_gears
check "measured sensitivity is the microphone's" sensitivity_is_the_microphones
check "measured dead pixels are the sensor's" dead_pixels_are_counted
check "four identities are confirmed, none twice" identities_are_confirmed
check "the order's report has each unit's identity" the_report_has_the_identities
check "no key rests in the clear" no_key_rests_in_the_clear
check "labels are printed for the good units alone" labels_are_for_good_units
check "the label on a unit is held against what was printed for it" the_label_on_the_unit_is_looked_at
check "a label is printed again for a reason, on record" a_label_is_printed_again_on_record
check "the label is looked at as a picture" the_label_is_looked_at_as_a_picture
check "the picture of the chart is kept" pictures_are_kept
check "the order's report shows the failure" the_report_shows_the_failure
check "no supply is left on" nothing_is_left_on
check "a locked unit is not opened again" a_locked_unit_is_not_opened_again
every_entry_has_its_token() { # and the audit chain says for which order
    [ "$(store "select count(*) from audit where action = 'token.issue'
                and json_extract(detail, '$.order') = 'LINE-1'")" -ge 8 ] &&
        [ "$(store "select count(distinct subject) from audit where action = 'token.issue'")" = 4 ] &&
        "$takt" identity audit --station "$station" &&
        [ "$(cat "$bench_dir"/slot*/camd.log | grep -c 'factory: entered for order LINE-1 by bench')" -ge 8 ]
}
check "every session had its token, and the audit chain has them all" every_entry_has_its_token
check "wrong use is status 2" wrong_use_is_status_2
suite_end
