#!/usr/bin/env bash
# `takt qa run gauge-vision`: 2,000 virtual units and a gage study of 90 runs through the plan
# ptz-indoor-3mp/vision. What it printed is kept in docs/evidence/gauge-vision.txt.
#   UNITS=n SLOTS=n SEED=n tests/soak/gauge_vision.sh
. "$(dirname "$0")/../integration/suite.bash"
units=${UNITS:-2000} slots=${SLOTS:-16} seed=${SEED:-1}
evidence=$repo/docs/evidence/gauge-vision.txt
study() {
    local code
    "$takt" qa run gauge-vision --units "$units" --slots "$slots" --seed "$seed" --dir "$work/study" >"$work/table"
    code=$?
    [ $code -le 1 ] && { echo "seed $seed, $slots slots at once"; echo; cat "$work/table"; } >"$evidence"
    cat "$work/table"
    return $code
}
check "$units units: no escapes, at most 0.1 % false fails, every %SV at most 10" study
suite_end
