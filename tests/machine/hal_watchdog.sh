#!/usr/bin/env bash
# camd on the Linux HAL: it starts with and without a camera, tells the stages of its start, and its
# watchdog (softdog) restarts the unit when frames stop or camd is killed, and only then. Two guests;
# each ends by its watchdog.
. "$(dirname "$0")/guest.bash"
modules="vivid n_devs=1 node_types=0x1;$nandsim parts=1024;softdog"
port=unix:$work/port
peer=$build/tests/integration/station_peer

# ---- inside the guest ----
setup() {
    echo 5cc336000000000000000000000000a1 >/run/chip_id
    "$peer" keys "$work/keys"
}
camd_start() { # BOARD [option...]
    rm -f "$work/port"
    : >"$work/camd.log"
    "$build/camd" --board "$1" --hal linux --port "$port" "${@:2}" 2>>"$work/camd.log" &
    camd_pid=$!
}
camd_end() { kill -TERM $camd_pid && wait $camd_pid; }
logged() { grep -q "$1" "$work/camd.log"; }
logs() { # WORDS: within a time that a slow machine keeps
    until_true 120 logged "$1" || { cat "$work/camd.log"; return 1; }
}
hello() { "$peer" call "$port" "$work/keys" hello >"$work/hello" 2>&1; }
answers() {
    until_true 120 hello
    local code=$?
    cat "$work/hello" "$work/camd.log"
    return $code
}
dog_is() { equal "$(cat /sys/class/watchdog/watchdog0/state)" "$1"; }

inside_killed() {
    setup || exit 1
    sed 's#/dev/video0#/dev/video9#' "$board" >"$work/blind.json"
    camd_start "$work/blind.json" --watchdog-s 6
    check "camd starts without its camera's driver, and answers" answers
    check "the log names the camera that is not there" logs "there is no /dev/video9"
    check "it ends in order" camd_end
    camd_start "$board" --watchdog-s 6
    check "with its camera, the first frame comes" logs "first frame"
    check "hello is answered with the chip's id" eval 'answers && jq -e ".chip_id == \"5cc336000000000000000000000000a1\"" "$work/hello"'
    check "the stages of the start are told" logs \
        'boot: kernel 0, init [0-9]*, camd [0-9]*, first frame [0-9]*, hello [0-9]* ms'
    check "the watchdog is on" eval 'logs "watchdog: restarts the unit after 6 s" && dog_is active'
    # Twice the watchdog's time: it was fed, or this guest would be gone.
    fed() { sleep 13 && kill -0 $camd_pid && ! logged "not fed"; }
    check "while frames come it is fed" fed
    check "after an orderly end it is off" eval 'camd_end && dog_is inactive'
    camd_start "$board" --watchdog-s 6
    check "camd starts again" eval 'logs "watchdog: restarts" && dog_is active'
    kill -9 $camd_pid
    echo "killed"
    sleep 60
    echo "not bitten"
}
inside_starves() { # frames stop while camd and its port live
    setup && camd_start "$board" || exit 1
    logs "first frame" && logs "watchdog: restarts" && answers || exit 1
    v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=100 >/dev/null
    logs "not fed: no frame came" && echo "starves"
    hello && echo "still answers"
    sleep 60
    echo "not bitten"
}
if [ -n "${TAKT_INSIDE:-}" ]; then
    "inside_$TAKT_INSIDE"
    exit
fi

# ---- outside ----
guest_build || exit 1
bitten() { # WHICH GUEST, WORDS...: it said these, then softdog restarted it
    local which=$1 code words
    shift
    TAKT_INSIDE=$which GUEST_ENVIRONMENT=TAKT_INSIDE "$repo/tests/machine/guest" --seconds 600 \
        --modules "$modules" "$0" >"$work/$which"
    code=$?
    cat "$work/$which"
    equal $code 125 || return 1
    for words in "$@" "softdog: Initiating system reboot"; do
        grep -q "$words" "$work/$which" || { echo "without '$words'"; return 1; }
    done
    ! grep -q "not bitten" "$work/$which"
}
check "when camd is killed the unit restarts" bitten killed "killed"
sed -n '/^  ok \|^  FAILED /,$p' "$work/killed" | grep '^  ok \|^  FAILED \|^        '
passed=$((passed + $(grep -c '^  ok ' "$work/killed")))
failed=$((failed + $(grep -c '^  FAILED ' "$work/killed")))
check "when frames stop the unit restarts, though camd answers" bitten starves "starves" "still answers"
suite_end
