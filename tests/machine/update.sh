#!/usr/bin/env bash
# An update on the machine: slot a runs, b is written, b starts; b is broken, and the unit is back on
# a and says why. Broken in two ways: its root file system is damaged; its camd never proves itself.
source "$(dirname "$0")/unit.bash"

line_start 1 || exit 1
release=$(sed -n 's/.*"release"[^0-9]*\([0-9]*\).*/\1/p' <<<"$("$takt" bundle show "$image/bundle.takt" --json)" | head -n 1)
key=$build/image/development.key
bundle() { # RELEASE ROOTFS OUT
    "$takt" bundle make --board qemu-virt --release "$1" --version "update-$1" --key "$key" \
        --image kernel="$image/kernel" --image rootfs="$2" --out "$3"
}
head_of() { # the signed manifest: header, manifest, signature
    local m s
    m=$(od -An -tu4 -j8 -N4 "$1" | tr -d ' ')
    s=$(od -An -tu4 -j12 -N4 "$1" | tr -d ' ')
    head -c $((16 + m + s)) "$1"
}
field() { jq -er ".$1"; }
info() { call 1 unit.info | jq -er ".$1"; }
write_update() { # BUNDLE ROOTFS
    head_of "$1" >"$work/manifest" && call 1 flash.begin manifest="$work/manifest" &&
        call 1 flash.write '{"image":"kernel"}' data="$image/kernel" &&
        call 1 flash.write '{"image":"rootfs"}' data="$2" &&
        call 1 flash.verify '{"image":"kernel"}' && call 1 flash.verify '{"image":"rootfs"}' |
        grep -qF "$(sha256sum <"$2" | cut -d' ' -f1)" && call 1 flash.activate
}
restart() {
    slot_mark 1
    call 1 unit.restart || true
    slot_prints 1 120 "U-Boot 20"
}
runs_from() { # SLOT: the agent answers, from that slot
    up 1 240 && [ "$(call 1 hello | field boot_slot)" = "$1" ]
}
# All that runs beside picture, recognition and transport has 30 MB of the 128 (docs/firmware.md).
within_memory() {
    call 1 camera.capture '{"frames":2}' >/dev/null && call 1 unit.info >"$work/info" || return 1
    jq -r '"camd \(.rss_bytes / 1e6 * 10 | round / 10) MB (peak \(.rss_peak_bytes / 1e6 * 10 | round / 10)), \(.threads) threads, \(.descriptors) descriptors; the system in all \((134217728 - .memory_available_bytes) / 1e6 * 10 | round / 10) MB of 134.2"' "$work/info" | tee "$work/memory"
    jq -e '.rss_peak_bytes < 12e6 and 134217728 - .memory_available_bytes < 62e6' "$work/info"
}
on_trial() { [ "$(info on_trial)" = true ]; }
fell_back() { # TEXT: it runs slot a and says why, on its UART and to a station
    runs_from a && slot_has_said 1 "boot: slot a" && info fallback | grep -F -- "$1"
}

power 1 on
check "from the factory slot a runs" runs_from a
check "two bundles are made" eval 'bundle $((release + 1)) "$image/rootfs" "$work/good.takt"'
check "slot b is written, verified, activated" write_update "$work/good.takt" "$image/rootfs"
check "it restarts" restart
check "slot b runs" runs_from b
check "on trial" on_trial
check "camd is within its memory" within_memory
echo "        $(cat "$work/memory")"
check "under its own version" eval '[ "$(info firmware)" = update-$((release + 1)) ]'
# Suspended by its kernel and woken by its real-time clock; the session outlives it.
slept() { call 1 system.sleep '{"ms":2000}' | tee "$work/slept" && jq -e '.slept_ms >= 1900' "$work/slept"; }
check "it sleeps for two seconds and wakes by itself" slept

# ---- its root file system is damaged while it is on trial ----
power 1 off
read -r at size < <(partition rootfs_b)
head -c 1048576 /dev/urandom | dd of="$bench_dir/slot1/flash.img" bs=1024 seek="$at" conv=notrunc status=none
power 1 on
check "with a damaged root in b it is back on a, with the reason" fell_back "slot b (update-$((release + 1))) did not prove itself"
check "the boot loader gave b its starts first" eval '[ "$(slot_said 1 | grep -ac "^U-Boot 20")" -ge 2 ]'
power 1 off
power 1 on
check "the reason outlives a power cut" fell_back "slot b (update-$((release + 1))) did not prove itself"

# ---- a camd that ends as soon as it starts ----
stillborn() {
    unsquashfs -d "$work/root" "$image/rootfs" >/dev/null && printf '#!/bin/sh\nexit 1\n' >"$work/root/usr/bin/camd" &&
        chmod 755 "$work/root/usr/bin/camd" &&
        mksquashfs "$work/root" "$work/stillborn" -quiet -no-progress -noappend -comp lz4 >/dev/null &&
        bundle $((release + 2)) "$work/stillborn" "$work/stillborn.takt"
}
check "a bundle whose camd does nothing is made" stillborn
check "slot b is written with it" write_update "$work/stillborn.takt" "$work/stillborn"
check "it restarts" restart
check "it gives up by itself and is back on a, with the reason" fell_back "slot b (update-$((release + 2))) did not prove itself"
power 1 off
suite_end
