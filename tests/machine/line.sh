#!/usr/bin/env bash
# The line with real boots: two machines powered, flashed into slot b, restarted by U-Boot, given an
# identity, tested, locked and labelled; then a power cut, and what they are afterwards.
source "$(dirname "$0")/unit.bash"

line_start 2 || exit 1
identities_import 3 >/dev/null || exit 1
result=$work/result.json

two_pass() {
    "$takt" run --station "$station" --plan machine/line --order MACHINE-1 --json >"$result" 2>"$work/progress"
    local status=$?
    cat "$work/progress"
    jq -r '.runs[] | "slot \(.slot): \(.verdict) \(.message // "")"' "$result"
    [ $status = 0 ] && jq -e '.passed == 2 and .failed == 0' "$result"
}
steps_passed() { # the steps of a slot, each with verdict pass, in the order of the plan
    store "select group_concat(n.name, ' ') from step s join step_name n on n.id = s.name
           join run r on r.id = s.run where r.slot = $1 and s.verdict = 1"
}
every_step_passed() {
    local slot
    for slot in 1 2; do
        steps_passed $slot
        [ "$(steps_passed $slot)" = "scan power_on connect flash identity card button power lock label power_off" ] || return 1
    done
}
figure() { # SLOT STEP MEASUREMENT
    store "select m.value from measurement m join figure f on f.id = m.figure
           join step s on s.run = m.run and s.step = m.step and s.attempt = m.attempt
           join step_name n on n.id = s.name join run r on r.id = m.run
           where r.slot = $1 and n.name = '$2' and f.name = '$3' order by m.run limit 1"
}
restarted_by_uboot() { # twice U-Boot in the log: at power-on and at the restart into slot b
    local slot
    for slot in 1 2; do
        [ "$(grep -ac '^U-Boot 20' "$bench_dir/slot$slot/uart.log")" = 2 ] &&
            grep -qa 'boot: slot b' "$bench_dir/slot$slot/uart.log" || return 1
    done
}
flashed_what_the_bundle_holds() { # rootfs_b of the flash file itself, against the build's image
    local at size bytes slot
    read -r at size < <(partition rootfs_b)
    bytes=$(stat -c %s "$image/rootfs")
    for slot in 1 2; do
        tail -c "+$((at * 1024 + 1))" "$bench_dir/slot$slot/flash.img" | head -c "$bytes" | cmp - "$image/rootfs" || return 1
    done
}
card_is_the_cards() { # the card that is in the socket: 64 MiB
    awk -v f="$(figure 1 card real_fraction)" 'BEGIN { exit !(f >= 0.99) }'
}
labels_are_printed() { [ "$(find "$bench_dir/labels" -type f | wc -l)" = 2 ]; }
keys_are_gone() { # the factory's certificate is in no partition of a locked unit
    local slot
    for slot in 1 2; do
        ! grep -qa 'BEGIN CERTIFICATE' "$bench_dir/slot$slot/flash.img" || return 1
    done
}
silent() { ! timeout 8 "$peer" call "$1" "$bench_dir/keys" hello; }
boots_committed_slot() { slot_prints "$1" 120 "boot: slot b" && slot_prints "$1" 60 "closed for good"; }
no_way_back() { # asked in the clear on the network and on the UART, by the station it knew
    slot_prints 1 60 "first frame" && silent "$(slot_port 1)" &&
        silent "pty:$bench_dir/slot1/uart?baud=115200"
}

check "two machines pass the line" two_pass
for slot in 1 2; do
    echo "        slot $slot: $(steps_passed $slot)"
    echo "        slot $slot: power-on to hello $(figure $slot power_on boot_seconds) s, flash $(figure $slot flash flash_seconds) s, restart $(figure $slot flash restart_seconds) s"
done
check "every step of the plan passed on both" every_step_passed
check "U-Boot restarted each of them into slot b" restarted_by_uboot
check "the flash holds what the bundle says" flashed_what_the_bundle_holds
check "the card in the socket is the one measured" card_is_the_cards
check "two labels are printed" labels_are_printed
check "the factory's credentials are gone from the flash" keys_are_gone
power 1 on
check "after a power cut it boots the committed slot, closed" boots_committed_slot 1
check "neither network nor UART answers" no_way_back
power 1 off
suite_end
