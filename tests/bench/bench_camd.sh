#!/usr/bin/env bash
# What camd itself keeps in memory, the emulator's stand-ins for hardware (scene, frames, flash)
# counted apart.
source "$(dirname "$0")/../integration/suite.bash"
make -C "$repo" --no-print-directory -s build/tests/integration/unit_says >&2 || exit 1
says() { "$repo/build/tests/integration/unit_says" "$station" 1 "$@"; }

bench_start 1 >&2 || exit 1
scpi psu "APPL CH1,5,2" "OUTP ON,(@1)" >&2
says camera.configure '{"stream":true}' >/dev/null || exit 1
for scene in CHART PANORAMA DARK; do # all that is ever painted
    scpi light1 "SCEN $scene" "ILL 500" >&2
    says camera.capture '{"frames":2}' >/dev/null || exit 1
done
says unit.info | jq -c '
    {bench: "camd RSS beside the emulator", value: ((.rss_bytes - .reserved_bytes) / 1048576),
     unit: "MiB", method: "rss_bytes - reserved_bytes of unit.info after 3-megapixel frames of every scene"},
    {bench: "emulator stand-ins for hardware", value: (.reserved_bytes / 1048576), unit: "MiB",
     method: "reserved_bytes of unit.info: scene, lens and sensor buffers"}'
