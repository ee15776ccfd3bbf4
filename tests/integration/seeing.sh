#!/usr/bin/env bash
# The picture's test on the bench, by its plan alone: what is the unit's is found by the figure that
# stands for it, and a unit that sits badly before its chart is the fixture's error, nobody's fail. Then
# the streams, whose pictures must go on while the chart stands still.
. "$(dirname "$0")/suite.bash"

check "a bench of four comes up" bench_start 4 --defect 1:turned_seat --defect 2:mains_flicker \
    --defect 2:frozen_encoder --defect 3:frozen_frames
products=$bench_dir/products
picture_only() {
    cp -r "$repo/station/products" "$products" && jq --arg p "$products" '.products_dir = $p' "$station" >"$work/station" &&
        cp "$work/station" "$station" &&
        sed 's#//.*##' "$repo/station/products/ptz-indoor-3mp/limits.json" | jq 'del(.power_on.boot_seconds)' >"$products/ptz-indoor-3mp/limits.json" &&
        sed 's#//.*##' "$repo/station/products/ptz-indoor-3mp/vision.json" |
        jq '.steps |= map(select(.id | IN("power_on", "connect", "image"))) | .steps[0].params = { "boot_timeout_s": 45 } |
            .steps |= map(if .id == "image" then .params.panel_frames = 12 else . end)' \
            >"$products/ptz-indoor-3mp/vision.json"
}
check "its plan is the picture's alone, and patient" picture_only
vision() {
    "$takt" run --station "$station" --plan ptz-indoor-3mp/vision --order SEE --json >"$work/run.json" 2>"$work/run.log"
    [ $? -le 3 ] || { cat "$work/run.log"; return 1; }
    jq -e '.runs | length == 4' "$work/run.json"
}
check "the plan goes through" vision
said() { # SLOT JQ
    jq -c ".runs[] | select(.slot == $1)" "$work/run.json"
    jq -e ".runs[] | select(.slot == $1) | $2" "$work/run.json"
}
check "a unit turned by 6 degrees is the fixture's error, and no figure of it fails" \
    said 1 '.verdict == "error" and (.message | test("fixture: (the chart is|chart badly placed)")) and ([.failures[] | select(.measurement)] | length == 0)'
check "light at the mains' pace fails by its standing bands" \
    said 2 '.verdict == "fail" and ([.failures[] | "\(.step).\(.measurement)"] | index("image.standing_bands_percent") != null)'
check "an ISP that repeats frames fails by them" \
    said 3 '.verdict == "fail" and ([.failures[] | "\(.step).\(.measurement)"] | index("image.frozen_frames") != null)'
check "a good unit passes" said 4 '.verdict == "pass"'

streams_only() {
    sed 's#//.*##' "$repo/station/products/ptz-indoor-3mp/streams.json" |
        jq '.steps[0].params = { "boot_timeout_s": 45 } | .steps[2].params.seconds = 0.5' \
            >"$products/ptz-indoor-3mp/streams.json"
    "$takt" run --station "$station" --plan ptz-indoor-3mp/streams --order FLOW --json >"$work/run.json" 2>"$work/run.log"
    [ $? -le 3 ] || { cat "$work/run.log"; return 1; }
    jq -e '.runs | length == 4' "$work/run.json"
}
check "a plan of the streams goes through" streams_only
failed_by() { # SLOT MEASUREMENT
    said "$1" ".verdict == \"fail\" and ([.failures[] | \"\(.step).\(.measurement)\"] | index(\"stream.$2\") != null)"
}
check "an encoder that goes on with the frame it has fails by frozen frames of the main stream" failed_by 2 main_frozen_percent
check "by how long they are those of the sub stream" failed_by 2 sub_frozen_longest_ms
check "and by a JPEG from before" failed_by 2 jpeg_late_ms
check "frames that an ISP repeats are still seen when they are encoded" said 3 \
    '.verdict == "fail" and any(.failures[]; .step == "stream" and (.measurement | IN("main_frozen_percent", "sub_frozen_percent")))'
check "a good unit's streams pass" said 4 '.verdict == "pass"'
suite_end
