#!/usr/bin/env bash
# The bench with real cameras: power is what makes one run, and nothing outlives the bench.
source "$(dirname "$0")/suite.bash"
make -C "$repo" --no-print-directory -s build/tests/integration/unit_says || exit 1
says=$repo/build/tests/integration/unit_says

on() { scpi psu "APPL CH$1,5,2" "OUTP ON,(@$1)"; }
off() { scpi psu "OUTP OFF,(@$1)"; }
says() { "$says" "$station" "$@"; }
field() { says "$1" "$2" | jq -er ".$3"; }

silent() { ! UNIT_SAYS_MS=1 "$says" "$station" "$1" hello 2>/dev/null; }
chip_is_as_listed() {
    [ "$(field "$1" hello chip_id)" = "$(jq -r ".[$1 - 1].chip_id" "$bench_dir/units.json")" ]
}
boot_reason_is() { [ "$(field "$1" unit.info boot_reason)" = "$2" ]; }
camd_of() { pgrep -f -- "camd .*--hal-options $bench_dir/slot$1 " | head -1; }
draws() { # SLOT LOW HIGH, in amperes
    scpi psu "MEAS:CURR? (@$1)" | awk -v low="$2" -v high="$3" '{ exit !($1 > low && $1 < high) }'
}
killed_comes_back() {
    local first
    first=$(camd_of 1)
    kill -9 "$first"
    chip_is_as_listed 1 && [ "$(camd_of 1)" != "$first" ] && boot_reason_is 1 watchdog
}
restarted_comes_back() {
    says 1 unit.restart >/dev/null
    until_true 10 boot_reason_is 1 reboot
}
power_cut_forgets() {
    off 1
    until_true 5 silent 1 || return 1
    on 1
    boot_reason_is 1 power-on
}
card_of_slot_2_is_missing() { [ "$(says 2 card.status | jq .present)" = false ]; }
nothing_is_left() { ! pgrep -f -- "$bench_dir/slot" >/dev/null; }
killed_bench_leaves_nothing() {
    kill -9 "$bench_pid"
    wait "$bench_pid" 2>/dev/null
    until_true 5 nothing_is_left
}
same_units_again() {
    local before
    before=$(cat "$bench_dir/units.json")
    rm "$station"
    "$takt" bench up --units 2 --dir "$bench_dir" --defect 2:no_card 2>>"$bench_dir/bench.log" &
    bench_pid=$!
    until_true 30 test -e "$station" && [ "$before" = "$(cat "$bench_dir/units.json")" ] &&
        on 1 && chip_is_as_listed 1
}
unknown_defect_lists_all() {
    "$takt" bench up --units 1 --dir "$work/none" --defect 1:defokus 2>"$work/said"
    [ $? = 2 ] && grep -q "did you mean 'defocus'" "$work/said" && grep -q stuck_button "$work/said"
}
unknown_board_names_the_nearest() {
    "$takt" bench up --units 1 --dir "$work/none" --board qemu-vert 2>"$work/said"
    [ $? = 2 ] && grep -q "no board 'qemu-vert', did you mean 'qemu-virt'?" "$work/said" &&
        "$takt" board show qemu-virt >/dev/null
}

check "an unknown board is refused with the nearest" unknown_board_names_the_nearest
check "an unknown defect is refused, and all are named" unknown_defect_lists_all

bench_start 2 --defect 2:no_card
check "a camera without power says nothing" silent 1
on 1
check "with power it says hello, under the chip id listed" chip_is_as_listed 1
check "its neighbour stays off" silent 2
check "it says that the power came" boot_reason_is 1 power-on
check "it draws what an idle camera draws" draws 1 0.15 0.6
check "kill -9: the watchdog starts it again" killed_comes_back
check "a restart is told from a power cut" restarted_comes_back
check "a power cut is told from a restart" power_cut_forgets
on 2
check "a defect nobody told the station is in the unit" card_of_slot_2_is_missing
check "kill -9 of the bench leaves no camera and no server" killed_bench_leaves_nothing
check "the same folder brings up the same cameras" same_units_again
bench_stop
check "a bench that is stopped leaves nothing" nothing_is_left

bench_start 1 --pty
check "a UART without power is silent" silent 1
on 1
check "hello comes over a UART on which the kernel prints" chip_is_as_listed 1
check "and a secure session, too" boot_reason_is 1 power-on
check "kill -9 on a UART: the watchdog starts it again" killed_comes_back
bench_stop

suite_end
