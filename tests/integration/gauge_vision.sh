#!/usr/bin/env bash
# A seeded sample of gauge-vision and gauge-streams, whose wholes are tests/soak/gauge.sh: a good
# unit through the whole study, and planted defects, each found by the figure that stands for it.
# All on simulated time: nothing here depends on how busy the machine is.
. "$(dirname "$0")/suite.bash"
rehearse=$build/tests/rehearsal/rehearse
check "the rehearsal is built" make -s -C "$repo" "$rehearse"

sample() {
    "$takt" qa run gauge-vision --dir "$work/vision" --no-gage --slots 2 --seed 3 --units "$1" \
        --rehearse "$rehearse" --json >"$work/sample.json" 2>"$work/sample.log"
    cat "$work/sample.log"
}
check "a unit goes through the study" sample 1
check "a good one passes" jq -e '.units == 1 and .escapes == 0 and .false_fails == 0 and .false_errors == 0' "$work/sample.json"
# Bounds are the uncertainties that docs/measurements.md states.
check "what was measured is what is so of the unit" jq -e '
    {"mtf50_centre": 0.006, "light_middle_percent": 0.1, "field_of_view_deg": 0.1, "dead_pixels": 0.5, "hot_pixels": 0.5,
     "cut_away_ms": 25, "pan_backlash_deg": 0.02, "pan_range_deg": 0.1} as $most |
    [.figures[] | select($most[.measurement]) | {m: .measurement, bias, most: $most[.measurement]}] |
    ., (length == 8 and all(.[]; .bias != null and (.bias | fabs) <= .most))' "$work/sample.json"

# PLAN STEP-JSON...: a plan of those steps alone, beside the product's own limits.
plan() {
    local name=$1
    shift
    mkdir -p "$work/products/ptz-indoor-3mp" &&
        cp "$repo"/station/products/ptz-indoor-3mp/{product,limits}.json "$work/products/ptz-indoor-3mp" &&
        printf '%s\n' '{"id":"power_on","step":"power_on","deadline_s":60,"needs":["power_supply"],"on_fail":"continue"}' "$@" |
        jq -s --arg plan "$name" '{plan: $plan, product: "ptz-indoor-3mp", part: true, steps: .}' >"$work/products/ptz-indoor-3mp/$name.json"
}
# PLAN PARAMETERS...: a unit for each; results in $work/PLAN.
units() {
    local plan=$1
    shift
    for parameters; do printf '{"chip_id":"%032d","seed":5%s}\n' 1 "${parameters:+,$parameters}"; done |
        "$rehearse" --products "$work/products" --boards "$repo/firmware/boards" --plan "ptz-indoor-3mp/$plan" --seed 1 --dir "$work" \
            >"$work/$plan"
}
# PLAN UNIT MEASUREMENT...: what failed of that unit; nothing for none.
failed_by() {
    local plan=$1 unit=$2
    shift 2
    jq -s -c ".[$unit]" "$work/$plan" | head -c 3000
    jq -s -e ".[$unit] | [.steps[].attempts[-1].measurements[] | select(.verdict == \"fail\") | .name] as \$f |
        \$f, .verdict, ((\$ARGS.positional | length == 0) == (.verdict == \"pass\")) and (\$ARGS.positional - \$f == [])" --args "$@" <"$work/$plan"
}
check "a plan of the chart, the panel and the dark room" plan dark \
    '{"id":"image","step":"image","deadline_s":180,"needs":["light"],"on_fail":"continue"}' \
    '{"id":"infrared","step":"infrared","deadline_s":180,"needs":["light"],"on_fail":"continue"}'
check "a unit with a blurred lens, one with a speck and a stuck filter" units dark '"defocus_px":1.6' '"dust_depth":0.12,"dust_radius_px":24,"ir_cut_stuck":1'
check "blur fails by its MTF50" failed_by dark 0 mtf50_centre
check "a speck fails by its spot" failed_by dark 1 spot_worst_percent
check "a filter that stays fails by the picture" failed_by dark 1 ir_cut_ratio
check "a plan of the streams" plan coded '{"id":"stream","step":"stream","deadline_s":180,"needs":["light"],"params":{"seconds":0.2}}'
check "units with good and with spoiled memory" units coded '' '"stream_errors_per_mb":400'
check "real encoders run while simulated time stands still: a good stream passes" failed_by coded 0
check "a spoiled one fails by its broken frames" failed_by coded 1 main_broken_frames
suite_end
