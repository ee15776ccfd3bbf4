#!/usr/bin/env bash
# The firmware for the cameras' processors, of 32 bits, under qemu-user: it talks to a station of this
# machine's 64.
. "$(dirname "$0")/suite.bash"
peer=$repo/build/tests/integration/station_peer
board=$repo/firmware/boards/ssc337de-nand128.json
camd_pid=

make -C "$repo" --no-print-directory -s build/tests/integration/station_peer || exit 1
for arch in armhf mipsel; do
    make -C "$repo" --no-print-directory -s -j"$(nproc)" CROSS=$arch all || exit 1
done
camd_clean() {
    [ -n "$camd_pid" ] && kill -9 "$camd_pid" 2>/dev/null
    suite_clean
}
trap camd_clean EXIT

keys=$work/keys
"$peer" keys "$keys" || exit 1
head -c 300000 /dev/urandom >"$work/rootfs"
"$takt" bundle key --kind rsa3072 --out "$work/key" &&
    "$takt" bundle make --board "$board" --version 1.2 --release 2 --key "$work/key" \
        --image rootfs="$work/rootfs" --out "$work/bundle" || exit 1
bytes_at() { od -An -tu4 -j"$1" -N4 "$work/bundle" | tr -d ' '; }
head -c $((16 + $(bytes_at 8) + $(bytes_at 12))) "$work/bundle" >"$work/manifest"
declare -A qemu=([armhf]="qemu-arm-static -cpu cortex-a7" [mipsel]="qemu-mipsel-static -cpu 24Kf")
for arch in armhf mipsel; do
    unit=$work/unit-$arch port=unix:$work/port-$arch
    call() { timeout 120 "$peer" call "$port" "$keys" "$@"; }
    says() { # WORDS COMMAND...
        local words=$1
        shift
        "$@" 2>&1 | tee /dev/stderr | grep -qF -- "$words"
    }
    mkdir "$unit"
    echo '{ "chip_id": "5cc336000000000000000000000000a1" }' >"$unit/unit.json"
    "$peer" world "$unit" && "$peer" flash "$unit" "$keys" "$board" || exit 1
    # shellcheck disable=SC2086
    (cd "$repo" && exec ${qemu[$arch]} -L build/sysroot-$arch build/$arch/camd --board "$board" \
        --hal emulator --hal-options "$unit" --port "$port" \
        --bundle-key "$work/key.pub" 2>>"$work/camd-$arch.log") &
    camd_pid=$!
    answers() { call hello >/dev/null 2>&1; }
    check "$arch: hello is answered" until_true 60 answers
    check "$arch: a call over TLS" says '"boot_reason":"power-on"' call unit.info
    update() {
        call flash.begin manifest="$work/manifest" &&
            call flash.write '{"image":"rootfs"}' data="$work/rootfs" &&
            says "$(sha256sum <"$work/rootfs" | cut -d' ' -f1)" call flash.verify '{"image":"rootfs"}'
    }
    check "$arch: an update signed with RSA-3072 is written and verified" update
    kill -KILL $camd_pid
    wait $camd_pid 2>/dev/null
    camd_pid=
done

suite_end
