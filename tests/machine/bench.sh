#!/usr/bin/env bash
# The bench with machines: power is what makes one run, its UART is kept from the first byte, and
# nothing outlives the bench. The machines here have U-Boot alone in their flash.
source "$(dirname "$0")/unit.bash"

flash=$work/uboot.img
flash_of_uboot "$flash" && printf takt-mark |
    dd of="$flash" bs=1 seek=$((0x04080000)) conv=notrunc status=none || exit 1
on() { scpi psu "APPL CH$1,5,2" "OUTP ON,(@$1)"; }
off() { scpi psu "OUTP OFF,(@$1)"; }
uart_log() { tr -d '\r' <"$bench_dir/slot$1/uart.log" 2>/dev/null; }
printed() { uart_log "$1" | grep -qaF -- "$2"; }
machines() { pgrep -c -f -- "qemu-system-arm.*$1"; }
qemu_of() { # the process that has the slot's folder as its own
    local pid
    for pid in $(pgrep -f '^qemu-system-arm'); do
        [ "$(readlink "/proc/$pid/cwd")" = "$bench_dir/slot$1" ] && echo "$pid" && return
    done
    return 1
}
no_qemu() { ! qemu_of "$1" >/dev/null; }
type_into() { printf '%b' "$2" >"$bench_dir/slot$1/uart"; }
types_to_prompt() { # Ctrl-C until U-Boot takes it
    until_true 40 stopped "$1"
}
stopped() {
    type_into "$1" '\003' && sleep 0.1 && [ "$(uart_log "$1" | tail -n 1)" = "=> " ]
}
answers_at_the_prompt() {
    type_into 1 'echo sum is $filesize x; setexpr sum 0x1234 + 0x4321; echo sum is $sum\r'
    until_true 10 printed 1 "sum is 5555"
}
first_bytes_are_there() { # U-Boot's first output is an empty line and its name
    uart_log 1 | head -n 3 | grep -qa '^U-Boot 20'
}
own_flash() { # what one unit's boot loader erases is gone in its flash, and in no other
    type_into 1 'protect off 4080000 +40000; erase 4080000 +40000\r'
    until_true 20 no_mark "$bench_dir/slot1/flash.img" && has_mark "$bench_dir/slot2/flash.img" &&
        has_mark "$flash"
}
mark_in() { dd if="$1" bs=1 skip=$((0x04080000)) count=9 status=none | tr '\377' .; }
has_mark() { [ "$(mark_in "$1")" = takt-mark ]; }
no_mark() { [ "$(mark_in "$1")" = ......... ]; }
draws() { # SLOT LOW HIGH, in amperes
    local amps
    amps=$(scpi psu "MEAS:CURR? (@$1)")
    echo "slot $1 draws $amps"
    awk -v a="$amps" -v low="$2" -v high="$3" 'BEGIN { exit !(a > low && a < high) }'
}
power_cut_and_again() {
    off 1
    until_true 5 no_qemu 1 && draws 1 -0.001 0.001 && ! no_qemu 2 || return 1
    on 1
    until_true 40 boots_are 2
}
boots_are() { [ "$(uart_log 1 | grep -ca '^U-Boot 20')" = "$1" ]; }
erased_is_durable() {
    types_to_prompt 1 && type_into 1 'md.b 4080000 9\r' &&
        until_true 10 printed 1 "04080000: ff ff ff ff ff ff ff ff ff"
}
chip_ids_differ() { # each machine gets its own, the one that is listed
    local slot
    for slot in 1 2; do
        tr '\0' ' ' <"/proc/$(qemu_of $slot)/cmdline" |
            grep -q "opt/takt/chip_id,string=$(jq -r ".[$slot - 1].chip_id" "$bench_dir/units.json") " || return 1
    done
}
switched_itself_off() { # U-Boot's poweroff: the machine stays off until its power was cut
    type_into 1 'poweroff\r'
    until_true 10 no_qemu 1 && sleep 0.5 && no_qemu 1 || return 1
    off 1 && on 1
    until_true 10 qemu_of 1
}
failed_qemu_is_told() { # as the operator would see it: in the slot's folder
    kill -9 "$(qemu_of 2)" && until_true 5 grep -q "signal 9" "$bench_dir/slot2/qemu.log"
}
killed_bench_leaves_nothing() {
    kill -9 "$bench_pid"
    wait "$bench_pid" 2>/dev/null
    until_true 5 no_qemu 1 && until_true 5 no_qemu 2
}
refused() { # WORDS OPTION...: status 2 and one line with the words
    local words=$1
    shift
    "$takt" bench up --units 1 --dir "$work/none" "$@" 2>"$work/said"
    [ $? = 2 ] && cat "$work/said" && grep -qF -- "$words" "$work/said" && [ "$(wc -l <"$work/said")" = 1 ]
}
head -c 1000 "$flash" >"$work/short.img"
without_qemu() { # no program on PATH but what the bench itself is
    PATH=/nowhere "$takt" bench up --units 1 --dir "$work/none" --machine --flash "$flash" 2>"$work/said"
    [ $? = 2 ] && grep -q "apt-get install qemu-system-arm" "$work/said"
}

check "no flash image: the line says how to make one" refused "make image BOARD=qemu-virt" --machine --flash "$work/nothing"
check "a file that is no flash is refused with its size" refused "expected 134217728 bytes" --machine --flash "$work/short.img"
check "no QEMU: the line says what to install" without_qemu
check "a defect that a machine cannot have is refused, with those it can" \
    refused "expected one of: no_card, stuck_button, leaking_supply" --machine --flash "$flash" --defect 1:defocus

bench_start 2 --machine --flash "$flash" || exit 1
check "without power no machine runs" no_qemu 1
on 1
on 2
check "with power U-Boot comes to its prompt" types_to_prompt 1
check "its UART is kept from the first byte" first_bytes_are_there
check "what is typed into its UART is answered" answers_at_the_prompt
check "two units at once" types_to_prompt 2
check "each has its own chip id" chip_ids_differ
check "each has its own flash, and the factory's stays as it is" own_flash
check "at its prompt it draws what an awake camera draws" draws 1 0.2 0.45
check "a power cut is a power cut, and the neighbour goes on" power_cut_and_again
check "what was done to the flash before the cut holds after it" erased_is_durable
check "one that switched itself off stays off until its power was cut" switched_itself_off
check "a QEMU that failed is told in the slot's folder" failed_qemu_is_told
check "kill -9 of the bench leaves no machine" killed_bench_leaves_nothing

# ---- single machines, as the other suites use them ----
unit_new one "$flash"
unit_new two "$flash"
unit_on one
unit_on two
typed_into_one() {
    unit_waits one 30 "autoboot" && until_true 30 at_prompt one &&
        unit_type one 'echo sum $baudrate\r' && unit_waits one 10 "sum 115200"
}
at_prompt() { unit_type "$1" '\003' && unit_has_said "$1" "<INTERRUPT>"; }
neighbour_heard_nothing() { unit_waits two 30 "autoboot" && ! unit_has_said two "sum 115200"; }
dies_with_its_suite() { # a shell that starts one and is killed
    local shell
    mkdir -p "$work/three"
    bash -c '"$1" bench machine --dir "$2" --flash "$3" & echo $! >"$2/pid"; wait' _ \
        "$takt" "$work/three" "$flash" &
    shell=$!
    until_true 10 test -S "$work/three/uart.sock" || return 1
    kill -9 $shell
    wait $shell 2>/dev/null
    until_true 5 gone "$(cat "$work/three/pid")"
}
gone() { ! readlink "/proc/$1/exe" >/dev/null; } # a dead one that nobody has waited for is gone, too
check "a single machine is typed into" typed_into_one
check "its neighbour heard nothing" neighbour_heard_nothing
check "a machine dies with the shell that started it" dies_with_its_suite
bench_stop
suite_end
