#!/usr/bin/env bash
# A unit that left the line, and everything that could bring its factory agent back: keys on its UART
# from power-on, agent frames, the network, a TF card, USB. Each is shown to be a real way first, on
# a boot loader or a unit that is open.
source "$(dirname "$0")/unit.bash"
make -C "$repo" --no-print-directory -s build/tests/machine/port_scan || exit 1
scan=$build/tests/machine/port_scan

# ---- what an attacker brings: one set of files, for card, stick and boot server ----
loot=$work/loot
mkdir -p "$loot"
printf 'echo TAKEN by $devtype\nsetenv bootdelay 5\nsaveenv\n' >"$work/taken.txt"
mkimage -A arm -T script -C none -n boot -d "$work/taken.txt" "$loot/boot.scr" >/dev/null || exit 1
cp "$loot/boot.scr" "$loot/boot.scr.uimg"
echo 'bootcmd=echo TAKEN by uEnv' >"$loot/uEnv.txt"
head -c 4194304 /dev/urandom >"$loot/autoupdate-full.bin"
{ printf 'echo TAKEN by SigmastarUpgradeSD\n%% \n'; head -c 1048576 /dev/urandom; } >"$loot/SigmastarUpgradeSD.bin"
medium() { # FILE: a FAT file system with all of it
    truncate -s 64M "$1" && mformat -i "$1" :: >/dev/null && mcopy -i "$1" "$loot"/* ::/
}

# ---- a unit that is locked, and its flash ----
line_start 1 || exit 1
cp "$image/bundle.takt" "$loot/"
read -r at size < <(partition factory)
identity='{"did":"810000001","mac":"5c:c3:36:00:00:01","serial":"SN1","key":"000102030405060708090a0b0c0d0e0f"}'
power 1 on
open_unit_answers() { up 1 240 && until_true 60 call 1 unit.info; }
uart_hello() { timeout 30 "$peer" call "pty:$bench_dir/slot1/uart?baud=115200" "$bench_dir/keys" hello; }
open_uart_answers() { until_true 90 uart_hello; }
scan_finds_the_agent() {
    local found
    found=$("$scan" "$bench_dir/slot1/qmp.sock" 7050 7150) && echo "open: $found" && [ "$found" = 7100 ]
}
locks() { call 1 identity.write "$identity" && call 1 factory.lock && slot_prints 1 90 "closed for good"; }
check "an open unit answers on the network" open_unit_answers
check "and on its UART" open_uart_answers
check "a scan of its ports finds the agent, and nothing else" scan_finds_the_agent
# What lies in the factory's partition would be the worst thing to bring back.
dd if="$bench_dir/slot1/flash.img" of="$loot/factory.img" bs=1024 skip="$at" count="$size" status=none
check "it is given an identity and locked" locks
power 1 off
cp "$bench_dir/slot1/flash.img" "$work/locked.img"
bench_stop
medium "$work/card.img" && medium "$work/stick.img" || exit 1

# ---- the same things on a boot loader that is not ours ----
flash_of_uboot "$work/uboot.img" || exit 1
stick=(-drive "if=none,id=stick,format=raw,file=$work/stick.img" -device usb-storage,bus=usb.0,drive=stick)
unit_new stock "$work/uboot.img"
unit_on stock "${stick[@]}"
check "the stick takes over a U-Boot that boots from USB" unit_waits stock 60 "TAKEN by usb"
unit_off stock
unit_tftp=$loot
unit_new server "$work/uboot.img"
unit_on server
check "the boot server takes over a U-Boot that boots from the network" unit_waits server 90 "TAKEN by"
unit_off server

# ---- all of it at once on the locked unit ----
unit_new locked "$work/locked.img"
cp "$work/card.img" "${unit_dir[locked]}/card.img"
flash_sums "${unit_dir[locked]}/flash.img" >"$work/before"
unit_on locked "${stick[@]}" -device usb-kbd,bus=usb.0 \
    -chardev "file,id=adapter,path=$work/adapter.log" -device qemu-xhci,id=xhci \
    -device usb-serial,bus=xhci.0,chardev=adapter
# Ctrl-C, return, space, "s", from the first moment on, on UART and keyboard.
(while printf '\003\r s\r\003'; do sleep 0.02; done | socat -t 1 - "UNIX-CONNECT:${unit_dir[locked]}/uart.sock" >/dev/null 2>&1) &
flood=$!
(while unit_qmp locked '{"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"ctrl"},{"type":"qcode","data":"c"}]}}' >/dev/null 2>&1; do sleep 0.3; done) &
keys=$!
it_boots() { unit_waits locked 240 "closed for good" && unit_waits locked 120 "first frame"; }
check "under all of it the locked unit boots its firmware" it_boots
kill $flood $keys 2>/dev/null
wait $flood $keys 2>/dev/null
pkill -P $$ socat 2>/dev/null
no_prompt() { ! unit_said locked | tr -d '\r' | grep -qaE '^(=> |/ #|~ #|.*login:|\$ )'; }
nothing_ran() { ! unit_has_said locked TAKEN && ! unit_has_said locked "Executing script at 40200000"; }
frames_get_no_answer() { # agent frames on the running unit's UART
    ! timeout 15 "$peer" call "unix:${unit_dir[locked]}/uart.sock" "$bench_dir/keys" hello
}
shell_is_not_there() { # what a console would answer to
    unit_mark locked
    unit_type locked '\r\rroot\r\recho $((6*7))-here\r' && sleep 2 && ! unit_has_said locked 42-here
}
nobody_listens() {
    local found
    found=$("$scan" "${unit_dir[locked]}/qmp.sock" 1 1024 && "$scan" "${unit_dir[locked]}/qmp.sock" 7050 7150) || return 1
    echo "open: $found"
    [ -z "$found" ]
}
adapter_is_silent() { [ ! -s "$work/adapter.log" ]; }
card_and_stick_untouched() { # no done-flag, nothing taken off
    cmp "$work/card.img" "${unit_dir[locked]}/card.img"
}
flash_is_as_it_was() { # but for what a unit in the field writes
    flash_sums "${unit_dir[locked]}/flash.img" >"$work/after"
    diff <(grep -v '^data ' "$work/before") <(grep -v '^data ' "$work/after")
}
check "UART from power-on: a flood of keys gives no prompt" no_prompt
check "card, stick and boot server: nothing of them ran" nothing_ran
check "UART at runtime: agent frames get no answer" frames_get_no_answer
check "UART at runtime: no shell, no login" shell_is_not_there
check "network: of its ports none listens" nobody_listens
check "USB: a serial adapter hears nothing" adapter_is_silent
unit_off locked
check "the card comes out as it went in" card_and_stick_untouched
check "the flash is the same, but for its data" flash_is_as_it_was
suite_end
