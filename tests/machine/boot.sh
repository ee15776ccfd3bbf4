#!/usr/bin/env bash
# The boot script on real U-Boot: which slot starts, for any environment, held against slots_boot();
# trials, fallback, damage, and the ways to a prompt. A stub in the kernel's place makes a start
# take a second.   SEEDS=N environments (8), SEED=N the first
. "$(dirname "$0")/bare.bash"
. "$(dirname "$0")/stub.bash"

stub_flash() {
    bare_new && flash_put "$work/stub_a" kernel_a && flash_put "$work/stub_b" kernel_b &&
        cp "$bare_flash" "$work/stubs.img"
}

# The slots that started, in order, each with the reason it was told.
starts() {
    sed -n 's/\r//g; s/^STUB \([ab]\) \(.*\)$/\1 \2/p' "$bare_log" |
        sed 's/^\(.\) .*takt\.fallback="\(.*\)".*$/\1 \2/; t; s/^\(.\) .*/\1 /'
}

# At a line's start: crc32 prints "==> " of its own.
never_prompted() { ! grep -aq '^=> ' "$bare_log"; }
resets() { [ "$(grep -ac '^U-Boot 2' "$bare_log")" -ge "$1" ]; }

# N starts: each one's slot, reason and what is left in the flash, as the firmware would decide.
agrees() { # STARTS
    local rc=0
    flash_peer boots "$1" >"$work/expected" || return 1
    bare_on
    until_true 120 bare_said 'STUB' "$1" || rc=1
    bare_off
    { starts | head -n "$1"; flash_peer state; } >"$work/seen"
    diff "$work/expected" "$work/seen" && return $rc
}

agrees_on_seed() {
    bare_new "$work/stubs.img" && flash_peer environment "$1" >"$work/seed" && agrees 5
}

fresh_starts_a() {
    bare_new "$work/stubs.img" && bare_on && bare_says 'takt: Ctrl-C stops here' 90 &&
        bare_says 'STUB a .*takt.slot=a' 90
    local rc=$?
    bare_off
    return $rc
}

trial_ends() {
    bare_new "$work/stubs.img" &&
        flash_peer set loader=closed slot_active=b slot_good=a upgrade_available=1 bootlimit=3 \
            bootcount=0 slot_b_version=0.2 other=kept &&
        agrees 5 && [ "$(starts | head -n 4 | cut -c 1 | tr -d '\n')" = bbba ] &&
        starts | sed -n 4p | grep -qx 'a slot b (0.2) did not prove itself in 3 starts' &&
        flash_peer state | grep -q 'other=kept'
}

trial_of_a_broken_slot() {
    head -c 1000000 /dev/zero >"$work/broken"
    bare_new "$work/stubs.img" && flash_put "$work/broken" kernel_b &&
        flash_peer set loader=closed slot_active=b slot_good=a upgrade_available=1 bootlimit=3 \
            bootcount=0 slot_b_version=0.2 &&
        bare_on && bare_says 'STUB a .*slot b (0.2) did not prove itself' 120
    local rc=$?
    bare_off
    return $rc
}

flipped_bit_does_not_start() {
    bare_new "$work/stubs.img" && flash_peer set loader=closed || return 1
    printf '\xee' | dd of="$bare_flash" bs=1 seek=$((1048576 + 400)) conv=notrunc status=none
    bare_on && until_true 120 resets 2 && ! bare_said 'STUB'
    local rc=$?
    bare_off
    return $rc
}

stops_for_ctrl_c() {
    bare_new "$work/stubs.img" && bare_on && bare_says 'takt: Ctrl-C stops here' 90 &&
        bare_send '\x03' && bare_says '^=> ' 90 && bare_send 'echo here-$slot_active-it-is\r' &&
        bare_says '^here--it-is' 90
    local rc=$?
    bare_off
    return $rc
}

# From power-on: Ctrl-C, return, and what else stops some loader.
flood() {
    while printf '\x03\r \x1b\x03\x04s\rreset\n\x03' >&8; do sleep 0.005; done 2>/dev/null
}

flooded() { # PATTERN COUNT
    bare_on
    flood &
    local flooding=$! rc=0
    until_true 120 bare_said "$1" "$2" || rc=1
    kill "$flooding"
    wait "$flooding" 2>/dev/null
    bare_off
    [ $rc = 0 ] && never_prompted
}

closed_gives_no_prompt() {
    bare_new "$work/stubs.img" && flash_peer set loader=closed && flooded 'STUB a' 3
}

closed_trial_gives_no_prompt() {
    bare_new "$work/stubs.img" &&
        flash_peer set loader=closed slot_active=b slot_good=a upgrade_available=1 bootlimit=3 \
            bootcount=0 && flooded '^U-Boot 2' 6 && flash_peer state | grep -q 'good=a'
}

closed_and_broken() {
    head -c 1000000 /dev/zero >"$work/broken"
    bare_new "$work/stubs.img" && flash_put "$work/broken" kernel_a &&
        flash_put "$work/broken" kernel_b && flash_peer set loader=closed && flooded '^U-Boot 2' 5
}

damaged_is_closed() {
    bare_new "$work/stubs.img" && flash_peer environment 5 && flooded 'STUB a' 2 &&
        starts | grep -q 'both copies of the environment are damaged'
}

no_script_gives_no_prompt() {
    bare_new "$work/stubs.img" || return 1
    head -c 16384 /dev/zero >"$work/broken"
    flash_put "$work/broken" script && flooded '^U-Boot 2' 4
}

stub_ready
stub_make a && stub_make b && stub_flash || exit 2

check "a fresh unit starts slot a, after its moment" fresh_starts_a
check "Ctrl-C in the moment gets to a prompt" stops_for_ctrl_c
check "a trial gets three starts, then the way back with the reason" trial_ends
check "a slot that U-Boot cannot start uses up its trial" trial_of_a_broken_slot
check "a kernel with a flipped bit does not start" flipped_bit_does_not_start
for ((seed = ${SEED:-0}; seed < ${SEED:-0} + ${SEEDS:-8}; seed++)); do
    check "as slots_boot() decides: seed $seed" agrees_on_seed $seed
done
check "closed: no prompt under a flood of keys" closed_gives_no_prompt
check "closed, on trial: no prompt, nothing lost" closed_trial_gives_no_prompt
check "closed, both slots broken: resets for ever" closed_and_broken
check "environment damaged twice: closed, slot a, and why" damaged_is_closed
check "no script to read: resets for ever" no_script_gives_no_prompt
suite_end
