#!/usr/bin/env bash
# A card that lies about its size, none at all, one that gives up half way: each fails by its figures.
# What is the test card's own fault, its file system, its write protection, its wear, is the
# station's to mend and fails no unit. Held against the product's own limits.
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
             { "id": "card", "step": "card", "deadline_s": 60, "params": { "mib": 4, "filesystem": "fat32,exfat" } } ],
  "teardown": [ { "id": "power_off", "step": "power_off", "deadline_s": 10 } ] }
P
both_fail() {
    "$takt" run --station "$station" --plan card/line --order CARD --json >"$work/run.json"
    local code=$?
    cat "$work/run.json"
    [ $code = 1 ] && [ "$(jq -c '[.runs[].verdict]' "$work/run.json")" = '["fail","fail"]' ]
}
failure() { jq -s -e ".[0].runs[] | select(.slot == $1) | .failures[] | select(.measurement == \"$2\") | $3" "$work/run.json"; }

check "both units fail, and neither is an error" both_fail
# The planted card claims 31.9 GB and holds a quarter of that.
check "a fake card is found to hold a quarter" failure 1 real_fraction ".value > 0.24 and .value < 0.26"
check "a missing card is told as missing" failure 2 present ".value == 0"

# ---- the test card's own faults ----
change() { jq "$2" "$bench_dir/slot$1/unit.json" >"$work/unit" && cp "$work/unit" "$bench_dir/slot$1/unit.json"; } # SLOT FILTER
run() { # SLOT
    "$takt" run --station "$station" --plan card/line --order CARD --slot "$1" --json >"$work/run.json" 2>"$work/run.log"
    local code=$?
    cat "$work/run.log" "$work/run.json"
    [ $code -le 1 ] || [ $code = 3 ] # 3: the station's own error
}
# -s: a run that printed nothing is an error and no pass.
error_with() { jq -s -e --arg words "$1" '.[0].runs[0] | .verdict == "error" and (.message | contains($words))' "$work/run.json"; }
passes() { jq -s -e '.[0].runs[0].verdict == "pass"' "$work/run.json"; }
account() { jq -e ".[\"$1\"] | $2" "$bench_dir/test_cards.json"; }

new_card() { rm -f "$bench_dir/slot$1/card.img"; change "$1" "$2"; } # SLOT FILTER
check "a card with another file system goes into slot 2" new_card 2 '.card_present = 1 | .card_filesystem = 2'
check "the run ends" run 2
check "that is the station's to mend: no unit failed" error_with "holds file system 'ext', expected fat32,exfat"
check "a write-protected one" new_card 2 '.card_filesystem = 0 | .card_write_protected = 1'
check "the run ends" run 2
check "is said to be so" error_with "is write-protected"
check "a good one" new_card 2 '.card_write_protected = 0'
check "the run ends" run 2
check "a unit with it passes" passes
check "mtools finds the FAT32 that the unit found" eval 'mdir -i "$bench_dir/slot2/card.img@@4M" -a :: | tee /dev/stderr | grep -q "bytes free"'
check "it is on account, by its serial number" account 00000002 '.units == 1 and .written_bytes > 8e6 and (.failed_units | length) == 0'
check "one that gives up half way" change 2 '.card_fail_after_bytes = 1500000'
check "the run ends" run 2
check "fails the first unit by that" failure 2 io_errors '.value == 1'
check "the same unit again" run 2
check "is no second one" eval 'failure 2 io_errors ".value == 1" && account 00000002 "(.failed_units | length) == 1"'
check "another unit with the same card" change 2 '.chip_id = "5ec0fd"'
check "the run ends" run 2
check "has not failed: two units in a row are the card" error_with "2 units in a row failed with it"
check "a third unit, and the card mended by accident" change 2 '.chip_id = "5ec0fe" | .card_fail_after_bytes = 0'
check "the run ends" run 2
check "is not measured with it" error_with "is worn, exchange it"
check "with a new card" new_card 2 '.card_serial = 77'
check "the run ends" run 2
check "it passes" passes
suite_end
