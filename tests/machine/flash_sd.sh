#!/usr/bin/env bash
# Flashing by a card, from power-on with the card in to the verdict read from it: real U-Boot by its
# own commands (a virtio disk in the flash's place), and the machine's own NOR by the RAM flasher.
# Cards that are short, altered or for another board write nothing.
. "$(dirname "$0")/unit.bash"
card=$work/card.img disk_pid=
# Debian's U-Boot has no mmc: its first disk is the card, its second stands for the flash.
board=$work/board.json
sed 's|^ *//.*||' "$repo/tests/machine/uboot-board.json" | jq '.boot.commands.prepare = "virtio dev 1" |
    .boot.card = { "device": "virtio 0:1", "prepare": "virtio scan", "product": "qemu-arm" }' >"$board"

disk_off() {
    [ -z "$disk_pid" ] || { kill -KILL "$disk_pid"; wait "$disk_pid"; } 2>/dev/null
    disk_pid=
}
trap 'disk_off; machine_clean' EXIT

disk_blank() { rm -f "$work/disk.img"; truncate -s 64M "$work/disk.img"; }
disk_on() { # [option of the card's drive [of the flash's]]
    disk_off
    rm -f "$work/uart.log"
    # Of two virtio devices on mmio the later one comes first.
    nice qemu-system-arm -M virt -cpu cortex-a7 -m 128 -nodefaults -no-user-config -display none \
        -bios /usr/lib/u-boot/qemu_arm/u-boot.bin \
        -drive "if=none,id=disk,format=raw,file=$work/disk.img${2:-}" -device virtio-blk-device,drive=disk \
        -drive "if=none,id=card,format=raw,file=$card${1:-}" -device virtio-blk-device,drive=card \
        -serial "file:$work/uart.log" 2>"$work/qemu.log" &
    disk_pid=$!
    until_true 20 test -s "$work/uart.log" || { cat "$work/qemu.log"; return 1; }
}
disk_said() { tr -d '\r' <"$work/uart.log" | grep -aq -- "$1"; }
disk_says() { # PATTERN
    until_true 120 disk_said "$1" || { tail -n 20 "$work/uart.log"; return 1; }
}
holds() { # FILE OFFSET_KIB
    cmp -n "$(stat -c %s "$1")" "$1" "$work/disk.img" 0 $(($2 * 1024))
}
holds_all() { holds "$work/boot" 0 && holds "$work/kernel" 4096 && holds "$work/rootfs" 12288; }
nothing_written() { cmp -n 67108864 "$work/disk.img" /dev/zero; }

bundle_write() { # FILE [option...]
    local file=$1
    shift
    "$takt" bundle make --board "$board" --release 1 --version 0.1 --key "$work/key" \
        --image boot="$work/boot" --image kernel="$work/kernel" --image rootfs="$work/rootfs" \
        --out "$file"
}
card_make() { # [option...]
    "$takt" flash --method sd --port "image:$card" --bundle "$work/bundle.takt" --key "$work/key.pub" \
        --board "$board" "$@"
}
card_file() { mcopy -n -i "$card@@1M" "::$1" "$2"; }
card_replace() { mcopy -o -i "$card@@1M" "$2" "::$1"; }
# The verdict as the station reads it.
verdict() { # STATUS JQ-EXPRESSION
    "$takt" card result "$card" --json >"$work/result"
    local rc=$?
    cat "$work/result"
    [ $rc = "$1" ] && jq -e "$2" "$work/result"
}
starts_with_card() { disk_on "${1:-}" && disk_says '^takt: \(not \)\?flashed' && disk_off; }

whole() {
    card_make && disk_blank && starts_with_card && holds_all &&
        verdict 0 'length == 1 and .[0].flashed and .[0].written == "kernel_a rootfs_a boot"'
}
boot_last() { [ "$(tr -d '\r' <"$work/uart.log" | sed -n 's/^takt: writing //p' | paste -sd,)" = kernel_a,rootfs_a,boot ]; }
second_unit() {
    disk_blank && starts_with_card && holds_all &&
        verdict 0 'length == 2 and all(.flashed) and .[1].written == .[0].written'
}
unchanged() {
    starts_with_card && holds_all && verdict 0 'length == 3 and .[2].flashed and .[2].written == ""'
}
one_changed() {
    printf '\x00\x01\x02' | dd of="$work/disk.img" bs=1 seek=$((4096 * 1024 + 17777)) conv=notrunc status=none
    starts_with_card && holds_all && verdict 0 'length == 4 and .[3].written == "kernel_a"'
}
words_are_few() {
    # U-Boot's simple parser takes 16 words and, in the smallest builds, 256 characters.
    card_file boot.scr "$work/boot.scr" && tail -c +73 "$work/boot.scr" >"$work/script" &&
        awk 'NF > 16 || length > 255 { print; bad = 1 } END { exit bad }' "$work/script" &&
        ! grep -nE "(^|')(if|then|test|while) |&&|[|][|]" "$work/script"
}
mkimage_knows_it() { mkimage -l "$work/boot.scr" | grep -q 'Script'; }

altered() { # one bit of one image
    card_make && card_file takt.bin "$work/takt.bin" || return 1
    local at=$(($(stat -c %s "$work/takt.bin") - 60000)) byte
    byte=$(xxd -s $at -l 1 -p "$work/takt.bin")
    printf "\\x$(printf %02x $((0x$byte ^ 4)))" | dd of="$work/takt.bin" bs=1 seek=$at conv=notrunc status=none
    card_replace takt.bin "$work/takt.bin" && disk_blank && starts_with_card && nothing_written &&
        verdict 1 'length == 1 and (.[0].flashed | not) and .[0].why == "the card is short or altered: rootfs_a"'
}
short() { # the last image lacks a byte, which memory may still hold
    card_make && card_file takt.bin "$work/takt.bin" && truncate -s -1 "$work/takt.bin" &&
        card_replace takt.bin "$work/takt.bin" && starts_with_card && nothing_written &&
        verdict 1 'length == 1 and .[0].why == "the card is short or altered: rootfs_a"'
}
script_altered() {
    card_make && card_file boot.scr "$work/boot.scr" &&
        sed -i 's/virtio write/virtio wr1te/' "$work/boot.scr" && card_replace boot.scr "$work/boot.scr" &&
        disk_on && disk_says 'Bad data crc' && until_true 60 disk_said 'SCRIPT FAILED' && disk_off &&
        nothing_written && verdict 1 'length == 0'
}
other_board() {
    jq '.boot.card.product = "another"' "$board" >"$work/another.json" &&
        card_make --board "$work/another.json" && starts_with_card && nothing_written &&
        verdict 1 '.[0].why == "wrong board, this card is for: another"'
}
# The UART's own identification stands for a chip's: 11 (ARM DDI 0183, UARTPeriphID0).
other_chip() {
    jq '.boot.card.chip = { "register": "0x09000fe0", "value": "0x11" }' "$board" >"$work/chip.json"
    jq '.boot.card.chip.value = "0xf2"' "$work/chip.json" >"$work/other_chip.json"
    card_make --board "$work/other_chip.json" && disk_blank && starts_with_card && nothing_written &&
        verdict 1 '.[0].why | startswith("wrong chip, this card is for: ")' &&
        card_make --board "$work/chip.json" && starts_with_card && holds_all &&
        verdict 0 'length == 1 and .[0].flashed'
}
protected() { # the record has no place; the unit is flashed all the same
    card_make && starts_with_card ,readonly=on && holds_all && verdict 1 'length == 0'
}
power_cut() { # of a flash that takes two seconds for the root file system
    card_make && disk_blank && disk_on "" ,throttling.bps-write=32768 &&
        disk_says 'takt: writing rootfs_a' && disk_off && ! holds "$work/rootfs" 12288 &&
        starts_with_card && holds_all && verdict 0 'length == 1 and .[0].flashed'
}
# What SigmaStar's `sdstar` does with its file, by hand: each line of the first 16 KiB is run, up to %.
sigmastar() {
    jq '.boot.card.script = "sigmastar" | .boot.script_address = "0x40f00000"' "$board" >"$work/sigmastar.json"
    card_make --board "$work/sigmastar.json" && disk_blank || return 1
    card_file SigmastarUpgradeSD.bin "$work/package" || return 1
    head -c 16384 "$work/package" | tr -d '\0' | sed '/^%/,$d; /^#/d' >"$work/lines"
    cat "$work/lines"
    {
        echo "virtio scan"
        # Hush knows ${} alone where the vendor's parser takes $() as well.
        echo "setenv SdUpgradeImage SigmastarUpgradeSD.bin"
        sed 's/\$(\([A-Za-z]*\))/${\1}/' "$work/lines"
    } >"$work/typed"
    mkimage -A arm -T script -C none -d "$work/typed" "$work/boot.scr" >/dev/null &&
        card_replace boot.scr "$work/boot.scr" && starts_with_card && holds_all &&
        verdict 0 'length == 1 and .[0].flashed'
}

# ---- the machine's NOR, which its U-Boot cannot write: by the RAM flasher ----

nor_card() { # [option...]
    "$takt" flash --method sd --port "image:$card" --bundle "$image/whole.takt" --key "$image/bundle.pem" "$@"
}
nor_on() { # NAME
    unit_on "$1" -drive "if=none,id=reader,format=raw,file=$card" -device virtio-blk-device,drive=reader
}
nor_holds() { # NAME
    local part at
    for part in kernel:kernel_a rootfs:rootfs_a script:script uboot.env:loader; do
        read -r at _ < <(partition "${part#*:}")
        cmp -n "$(stat -c %s "$image/${part%%:*}")" "$image/${part%%:*}" "${unit_dir[$1]}/flash.img" 0 $((at * 1024)) || return 1
    done
}
flasher_writes_all() {
    nor_card && flash_of_uboot "$work/blank.img" && unit_new one "$work/blank.img" && nor_on one &&
        unit_waits one 300 "takt: flashed" && unit_off one && nor_holds one &&
        verdict 0 'length == 1 and .[0].flashed and (.[0].written | startswith("kernel_a rootfs_a"))' &&
        [ "$(jq -r '.[0].unit' "$work/result")" = "${unit_chip[one]}" ]
}
it_starts() { unit_on one && unit_waits one 120 "boot: slot a" && unit_off one; }
another_key() {
    # Whole by its sums, and signed by somebody else: the flasher alone can tell.
    "$takt" bundle make --board qemu-virt --release 1 --version 0.1 --key "$work/key" \
        --image kernel="$image/kernel" --out "$work/strange.takt" &&
        "$takt" flash --method sd --port "image:$card" --bundle "$work/strange.takt" --key "$work/key.pub" \
            --programs "$image" && unit_new two "$work/blank.img" && nor_on two &&
        unit_waits two 300 "takt: not flashed" && unit_off two &&
        cmp "$work/blank.img" "${unit_dir[two]}/flash.img" &&
        verdict 1 'length == 1 and (.[0].why | test("sign"))'
}
no_flasher() {
    nor_card --programs "$work"
    [ $? = 2 ]
}

[ -e "$image/castflash.fit" ] || { echo "no $image/castflash.fit: make image BOARD=qemu-virt"; exit 2; }
head -c 40000 /dev/urandom >"$work/kernel"
head -c 70001 /dev/urandom >"$work/rootfs"
head -c 3000 /dev/urandom >"$work/boot"
"$takt" bundle key --out "$work/key" && bundle_write "$work/bundle.takt" || exit 2
check "a blank flash is written from power-on; the verdict is on the card" whole
check "the boot area is written last" boot_last
check "the card serves a second unit" second_unit
check "unchanged: nothing is written" unchanged
check "three bytes differ: that image alone is written again" one_changed
check "the script keeps to what every parser of U-Boot takes" words_are_few
check "mkimage knows it" mkimage_knows_it
check "an altered card writes nothing" altered
check "a short card writes nothing" short
check "an altered script does not run" script_altered
check "a card for another board writes nothing" other_board
check "a card for another chip writes nothing, for this one all" other_chip
check "power lost half way: the next start goes on" power_cut
check "a write-protected card flashes; it has no record" protected
check "SigmaStar's file does the same" sigmastar
check "a machine with U-Boot alone is written whole by the RAM flasher" flasher_writes_all
check "what was flashed starts" it_starts
check "a bundle that another key signed writes nothing" another_key
check "no flasher beside the bundle is said before a card is made" no_flasher
suite_end
