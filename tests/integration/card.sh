#!/usr/bin/env bash
# A card that lies about its size, and none at all: each fails by its figures, none is an error of
# the station. Held against the product's own limits.
source "$(dirname "$0")/suite.bash"
bench_start 2 --defect 1:fake_card --defect 2:no_card
products=$bench_dir/products
mkdir -p "$products/card"
jq --arg p "$products" '.products_dir = $p' "$station" >"$station.new" &&
    mv "$station.new" "$station"
sed 's#//.*##' "$repo/station/products/ptz-indoor-3mp/limits.json" | jq '{ card }' \
    >"$products/card/limits.json"
echo '{ "product": "card", "board": "ssc337de-nand128", "limits": "limits.json" }' \
    >"$products/card/product.json"
cat >"$products/card/line.json" <<'P'
{ "plan": "line", "product": "card",
  "steps": [ { "id": "power_on", "step": "power_on", "deadline_s": 30 },
             { "id": "card", "step": "card", "deadline_s": 60, "params": { "mib": 4 } } ],
  "teardown": [ { "id": "power_off", "step": "power_off", "deadline_s": 10 } ] }
P
both_fail() {
    "$takt" run --station "$station" --plan card/line --order CARD --json >"$work/run.json"
    local code=$?
    cat "$work/run.json"
    [ $code = 1 ] && [ "$(jq -c '[.runs[].verdict]' "$work/run.json")" = '["fail","fail"]' ]
}
failure() { jq -e ".runs[] | select(.slot == $1) | .failures[] | select(.measurement == \"$2\") | $3" "$work/run.json"; }

check "both units fail, and neither is an error" both_fail
# The planted card claims 31.9 GB and holds a quarter of that.
check "a fake card is found to hold a quarter" failure 1 real_fraction ".value > 0.24 and .value < 0.26"
check "a missing card is told as missing" failure 2 present ".value == 0"
suite_end
