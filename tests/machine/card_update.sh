#!/usr/bin/env bash
# A unit that runs, and a card: it takes the card's bundle into its other slot, comes up from it, and
# leaves on the card that it did; an altered card writes nothing.
. "$(dirname "$0")/unit.bash"
[ -e "$image/castflash.fit" ] || { echo "no $image/castflash.fit: make image BOARD=qemu-virt"; exit 2; }
key=$build/image/development.key
release=$("$takt" bundle show "$image/bundle.takt" --json | jq .release)

bundle() { # RELEASE ROOTFS OUT
    "$takt" bundle make --board qemu-virt --release "$1" --version "card-$1" --key "$key" \
        --image kernel="$image/kernel" --image rootfs="$2" --out "$3"
}
# An SD card is a power of two in size.
card_into() { # NAME BUNDLE
    "$takt" flash --method sd --port "image:${unit_dir[$1]}/card.img" --bundle "$2" --key "$image/bundle.pem" \
        --programs "$image" && truncate -s 64M "${unit_dir[$1]}/card.img"
}
verdict() { # NAME STATUS JQ-EXPRESSION
    "$takt" card result "${unit_dir[$1]}/card.img" --json >"$work/result"
    local rc=$?
    cat "$work/result"
    [ $rc = "$2" ] && jq -e "$3" "$work/result"
}
slots_of() { flash_sums "${unit_dir[$1]}/flash.img" | grep -v '^data '; }

updates() {
    unit_new one "$image/flash.img" && card_into one "$work/new.takt" && unit_on one &&
        unit_waits one 900 "card-$((release + 1)) release $((release + 1)) for qemu-virt" &&
        unit_waits one 900 "restarting to try it" && unit_waits one 900 "boot: slot b (card-$((release + 1))), on trial"
}
proves_itself() {
    unit_waits one 900 ": it runs" && unit_waits one 900 "card: the record is on it" && unit_off one &&
        verdict one 0 'length == 1 and .[0].flashed' && [ "$(jq -r '.[0].unit' "$work/result")" = "${unit_chip[one]}" ]
}
altered() {
    local file at byte
    unit_new three "$image/flash.img" && file=${unit_dir[three]}/card.img && card_into three "$work/new.takt" &&
        mcopy -n -i "$file@@1M" ::takt.bin "$work/takt.bin" || return 1
    at=$(($(stat -c %s "$work/takt.bin") - 5)) byte=$(tail -c 5 "$work/takt.bin" | head -c 1 | xxd -p)
    printf "\\x$(printf %02x $((0x$byte ^ 1)))" | dd of="$work/takt.bin" bs=1 seek=$at conv=notrunc status=none
    mcopy -o -i "$file@@1M" "$work/takt.bin" ::takt.bin && slots_of three >"$work/before" && unit_on three &&
        unit_waits three 900 "differs from its hash" && unit_waits three 900 "card: the record is on it" && unit_off three && slots_of three | cmp - "$work/before" &&
        verdict three 1 'length == 1 and (.[0].flashed | not)'
}
{ cat "$image/rootfs"; head -c 4096 /dev/urandom; } >"$work/rootfs" &&
    bundle $((release + 1)) "$work/rootfs" "$work/new.takt" || exit 2
check "the card's bundle is written, and the unit restarts into it" updates
check "it came up: the record says flashed, by its chip id" proves_itself
check "an altered card writes nothing" altered
suite_end
