#!/usr/bin/env bash
# Network flashing of a rack: units as processes, each with a network of its own behind the station's
# bridge, flashes with a real part's times; what is lost, what dies, what is refused.
. "$(dirname "${BASH_SOURCE[0]}")/suite.bash"
. "$repo/tests/integration/cast.bash"
cast_inside "$0" "$@"
trap 'cast_off; suite_clean' EXIT
units=4

result() { jq -e "$1" "$work/flash.json" >/dev/null || { cat "$work/flash.json" "$work/flash.err"; return 1; }; }
unit_says() { jq -e "$2" "$work/unit$1.json" >/dev/null || { cat "$work/unit$1.json"; return 1; }; }
logged() { grep -q "$1" "$work/flash.log" || { cat "$work/flash.log"; return 1; }; }

rack_is_flashed() {
    local n before after
    cast_all_on $units || return 1
    before=$(cast_wire_bytes)
    cast_flash $units || { cat "$work/flash.err"; return 1; }
    after=$(cast_wire_bytes)
    for ((n = 1; n <= units; n++)); do
        cast_ended $n && unit_says $n '.flashed' || return 1
        cast_holds $n kernel_a kernel && cast_holds $n rootfs_a rootfs && cast_holds $n boot boot || return 1
    done
    result '.verified' && echo "$((after - before)) bytes" && [ $((after - before)) -lt $((1500000 * 12 / 10)) ]
}

unchanged_is_quick() {
    local before after
    cast_all_on $units || return 1
    before=$(cast_wire_bytes)
    cast_flash $units || { cat "$work/flash.err"; return 1; }
    after=$(cast_wire_bytes)
    for ((n = 1; n <= units; n++)); do
        cast_ended $n && unit_says $n '.programmed_bytes == 0' || return 1
    done
    echo "$((after - before)) bytes" && [ $((after - before)) -lt 60000 ]
}

one_part_changed() {
    head -c 300000 /dev/urandom | dd of="$work/image.rootfs" bs=100000 seek=2 conv=notrunc 2>/dev/null
    "$takt" bundle make --board "$repo/firmware/boards/$cast_board.json" --version 1.9 --release 9 \
        --key "$work/bundle.key" --image kernel="$work/image.kernel" --image rootfs="$work/image.rootfs" \
        --image boot="$work/image.boot" --out "$work/bundle.takt" && cast_all_on 1 && cast_flash 1 &&
        cast_ended 1 && cast_holds 1 rootfs_a rootfs && unit_says 1 '.programmed_bytes < 400000'
}

# Killed half way (its flash is a slow one): the others go on; switched on again, it goes on where it was.
has_begun() { # N
    local kernel
    kernel=$("$takt" board show "$repo/firmware/boards/$cast_board.json" --json |
        jq '.flash.partitions[] | select(.name == "kernel_a") | .offset_bytes')
    cmp -s -n 65536 "$work/image.kernel" "$work/unit$1/flash.img" 0 "$kernel"
}
one_dies() {
    local n
    cast_bundle t31-nor16 kernel=300000 rootfs=1100000 boot=100000
    for ((n = 1; n <= 3; n++)); do cast_unit $n $((n == 2 ? 6 : 1)) || return 1; done
    cast_all_on 3 || return 1
    cast_flash 3 &
    local flash=$!
    until_true 60 has_begun 2
    kill -KILL "${cast_pids[2]}"
    wait $flash
    [ $? = 1 ] && cast_ended 2 137 && cast_ended 1 && cast_ended 3 && cast_holds 3 boot boot &&
        grep -q "fell silent (1 of 3 units failed)" "$work/flash.err" || { cat "$work/flash.err"; return 1; }
    cast_on 2 && until_true 20 cast_waits 2 && cast_flash 1 && cast_ended 2 && cast_holds 2 boot boot &&
        unit_says 2 '.skipped_bytes > 0'
}

# Nothing of a stranger's is written, and the unit goes on waiting for its own station.
stranger_is_refused() {
    cast_unit 1 && cast_on 1 && until_true 20 cast_waits 1 || return 1
    cp "$work/bundle.takt" "$work/own.takt" && cp "$work/bundle.key.pub" "$work/own.pub"
    "$takt" bundle key --out "$work/other.key" && "$takt" bundle make --board \
        "$repo/firmware/boards/$cast_board.json" --version 6 --release 99 --key "$work/other.key" \
        --image kernel="$work/image.kernel" --out "$work/bundle.takt" || return 1
    timeout 6 "$takt" flash --method network --port "239.255.84.70@192.168.66.1/1" --bundle "$work/bundle.takt" \
        --key "$work/other.key.pub" --board "$repo/firmware/boards/$cast_board.json" >"$work/stranger" 2>&1
    [ $? != 0 ] && [ "$(tr -d '\377' <"$work/unit1/flash.img" | wc -c)" = 0 ] || { cat "$work/stranger"; return 1; }
    mv "$work/own.takt" "$work/bundle.takt"
    cast_flash 1 && cast_ended 1 && cast_holds 1 kernel_a kernel
}

# A unit that was finalized is left alone, and says why.
locked_is_refused() {
    local at
    cast_unit 1 && at=$("$takt" board show "$repo/firmware/boards/$cast_board.json" --json |
        jq '.flash.partitions[] | select(.name == "identity") | .offset_bytes')
    # Both copies damaged: it was there once.
    cast_on 1 && until_true 20 cast_waits 1 &&
        printf 'TKIDdamaged' | dd of="$work/unit1/flash.img" bs=1 seek="$at" conv=notrunc 2>/dev/null &&
        printf 'TKIDdamaged' | dd of="$work/unit1/flash.img" bs=1 seek=$((at + 65536)) conv=notrunc 2>/dev/null
    ! cast_flash 1 && cast_ended 1 1 && unit_says 1 '.programmed_bytes == 0' &&
        logged "only open units are flashed" && grep -q "unit failed: " "$work/flash.err"
}

nobody_there() {
    ! timeout 90 "$takt" flash --method network --port "239.255.84.99:7777@192.168.66.1" --bundle "$work/bundle.takt" \
        --key "$work/bundle.key.pub" --board "$repo/firmware/boards/$cast_board.json" >"$work/none" 2>&1 &&
        grep -q "no device: nothing answered at 239.255.84.99" "$work/none"
}

cast_wire $units && cast_loss $units 20 && cast_bundle t31-nor16 kernel=400000 rootfs=1000000 boot=100000 || exit 2
for ((n = 1; n <= units; n++)); do cast_unit $n || exit 2; done
check "four units at once, 0.2 % lost: written, verified, one image on the wire" rack_is_flashed
check "again: nothing is sent, nothing programmed" unchanged_is_quick
check "one part changed: that alone is programmed" one_part_changed
check "a unit that dies stops nobody; on again, it goes on" one_dies
check "another key's bundle writes nothing and holds nobody up" stranger_is_refused
check "a unit that is not open is left alone and says why" locked_is_refused
check "nobody there: no device" nobody_there
suite_end
