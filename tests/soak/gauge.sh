#!/usr/bin/env bash
# The gauge studies: 2,000 virtual units (gauge-streams: 200) and a gage study of 90 runs through a
# study's plan, the station's steps and the camera's firmware in one process on simulated time. What
# they printed is kept in docs/evidence/gauge_*.txt, and every unit's figures beside it: a study that
# was cut short goes on there with the same seed, in another checkout as well.
#   STUDIES="gauge-senses ..." UNITS=n JOBS=n SEED=n tests/soak/gauge.sh
. "$(dirname "$0")/../integration/suite.bash"
units=${UNITS:-2000} jobs=${JOBS:-$(nproc)} seed=${SEED:-1}
rehearse=$repo/build/tests/rehearsal/rehearse
study() { # NAME UNITS
    local code evidence=$repo/docs/evidence/${1//-/_}.txt results=$repo/build/$1.results
    local kept=${evidence%.txt}.results.xz
    [ -e "$results" ] || [ ! -e "$kept" ] || xz -dc "$kept" >"$results" || return 2
    "$takt" qa run "$1" --units "$2" --slots "$jobs" --seed "$seed" --rehearse "$rehearse" \
        --dir "$repo/build/$1" >"$work/table"
    code=$?
    xz -9 -c "$results" >"$kept.new" && mv "$kept.new" "$kept" || return 2
    [ $code -le 1 ] && { echo "version $(git -C "$repo" rev-parse --short HEAD), seed $seed"; echo; cat "$work/table"; } >"$evidence"
    cat "$work/table"
    return $code
}
check "the rehearsal is built" make -s -C "$repo" build/tests/rehearsal/rehearse
for name in ${STUDIES:-gauge-senses gauge-vision gauge-streams}; do
    [ "$name" = gauge-streams ] && units=$((units < 200 ? units : 200)) # most of it is the encoders' time
    check "$name, $units units: no escapes, at most 0.1 % false fails, every %SV at most 10" study "$name" "$units"
done
suite_end
