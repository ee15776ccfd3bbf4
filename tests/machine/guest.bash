# What the suites that run in tests/machine/guest share. A suite is one script for both sides:
#
#   . guest.bash                                 outside it runs itself inside, with the modules
#   guest_run MODULES [guest option...]          named, and ends; inside it goes on behind this
. "$(dirname "${BASH_SOURCE[0]}")/../integration/suite.bash"
board=$repo/tests/machine/guest-board.json
hal_call=$build/tests/machine/hal_call

# Debian's nandsim chip of tests/machine/guest-board.json; more of its options may follow.
nandsim="nandsim id_bytes=0x20,0xaa,0x00,0x15"

# Built where the sources can be written: before the guest starts.
guest_build() {
    make -C "$repo" --no-print-directory -s build/camd build/castflash build/tests/machine/hal_call \
        build/tests/machine/rotor build/tests/machine/hci_controller build/takt build/tests/machine/usb_gadget build/tests/machine/access_point build/tests/integration/station_peer
}

guest_run() { # MODULES [option...]
    local modules=$1 code
    [ -z "${TAKT_INSIDE:-}" ] || return 0
    shift
    guest_build || exit 1
    TAKT_INSIDE=1 GUEST_ENVIRONMENT="TAKT_INSIDE ${GUEST_ENVIRONMENT:-}" \
        "$repo/tests/machine/guest" --modules "$modules" "$@" "$0"
    code=$?
    # A guest that never came to its last line is a failed test.
    [ $code -le 1 ] || echo "0 passed, 1 failed"
    exit $code
}

# The result of a function of the HAL, one JSON line each, into $work/call.
call() {
    "$hal_call" "${call_board:-$board}" "$@" >"$work/call" 2>"$work/call.log"
    local code=$?
    cat "$work/call" "$work/call.log"
    return $code
}
# call ..., whose error is this one.
refused() { # NAME FUNCTION...
    local name=$1
    shift
    # A board that cannot be read is no refusal of what was asked for.
    ! call "$@" && grep -q "^$name: " "$work/call.log" && ! grep -q '\.json:[0-9]' "$work/call.log"
}
result() { jq -er -s "$1" "$work/call"; } # of the lines, as an array
holds() { jq -e -s "$1" "$work/call" >/dev/null; }
equal() { echo "'$1', expected '$2'"; [ "$1" = "$2" ]; }
between() { # VALUE LOW HIGH
    echo "$1, expected $2 to $3"
    [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}
near() { # VALUE EXPECTED SHARE
    echo "$1, expected $2 within $3"
    awk "BEGIN { exit !($1 >= $2 * (1 - $3) && $1 <= $2 * (1 + $3)) }"
}

# The chip of simulated lines that the board names.
pins_up() {
    local d=/sys/kernel/config/gpio-sim/unit
    modprobe configfs && modprobe gpio-sims &&
        { mountpoint -q /sys/kernel/config || mount -t configfs config /sys/kernel/config; } &&
        mkdir -p $d/bank && echo 32 >$d/bank/num_lines && echo takt-pins >$d/bank/label &&
        echo 1 >$d/live && pins=/sys/devices/platform/$(cat $d/dev_name)/$(cat $d/bank/chip_name)
}
pin_level() { cat "$pins/sim_gpio$1/value"; }
pin_pull() { echo "pull-$2" >"$pins/sim_gpio$1/pull"; }
