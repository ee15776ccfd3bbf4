#!/usr/bin/env bash
# The card test beside fio on a card as slow as cards are: camd with the Linux HAL answers card.speed,
# and fio does the same transfers to the same device, in turns, in the guest kernel. The card is the
# kernel's null_blk, which keeps what is written and completes each request 10 ms after it was done, by
# a timer: 26 MB/s at most in requests of 256 KiB, less what the guest's processor takes. (QEMU's own throttle lets a drive that was idle for 100 ms
# catch up: whoever pauses between transfers would look fast.)
set -u
repo=$(cd "$(dirname "$0")/../.." && pwd)
modules="loop;null_blk gb=1 memory_backed=1 irqmode=2 completion_nsec=10000000"
if [ -z "${TAKT_INSIDE:-}" ]; then
    make -C "$repo" --no-print-directory -s build/camd build/tests/integration/station_peer >&2 || exit 1
    TAKT_INSIDE=1 GUEST_ENVIRONMENT=TAKT_INSIDE exec "$repo/tests/machine/guest" --seconds 900 --modules "$modules" "$0"
fi
. "$repo/tests/integration/suite.bash"
peer=$build/tests/integration/station_peer
port=unix:$work/port
card=/dev/nullb0 mib=16 rounds=9

# ---- a camera of flash with factory credentials, and that card ----
echo 5cc336000000000000000000000000a1 >/run/chip_id
sed 's#^ *//.*##' "$repo/tests/machine/guest-board.json" |
    jq --arg card $card '.flash.kind = "emmc" | .flash.page_bytes = 512 |
        .linux = { block: "/dev/loop0", card: $card, chip_id: .linux.chip_id }' >"$work/board.json" &&
    "$peer" keys "$work/keys" && "$peer" flash "$work" "$work/keys" "$work/board.json" &&
    truncate -s 128M "$work/flash.img" && losetup /dev/loop0 "$work/flash.img" || exit 1
"$build/camd" --board "$work/board.json" --hal linux --port "$port" 2>"$work/camd.log" &
camd_pid=$!
says() { "$peer" call "$port" "$work/keys" "$@"; }
until_true 240 eval 'says hello >"$work/hello" 2>&1' || { cat "$work/hello" "$work/camd.log" >&2; exit 1; }

# ---- in turns ----
speed() { says card.speed "{\"bytes\":$((mib << 20)),\"seed\":$1}" >"$work/said" 2>&1; }
ours() { # "WRITE_MS READ_MS"; what was read back must be what was written
    # Again, where a busy machine took longer to go secure than a session waits.
    { speed "$1" || speed "$1" || speed "$1"; } &&
        jq -er 'select(.bad_blocks == 0) | "\(.write_ms) \(.read_ms)"' "$work/said" || { cat "$work/said" "$work/camd.log" >&2; return 1; }
}
theirs() { "$repo/tests/bench/card_fio" $card $(($(blockdev --getsize64 $card) - (mib << 20))) $mib; }
ours 0 >/dev/null && theirs >/dev/null || exit 1 # programs come from the host but once
for ((i = 1; i <= rounds; i++)); do
    if ((i % 2)); then own=$(ours $i) && fio=$(theirs); else fio=$(theirs) && own=$(ours $i); fi || exit 1
    echo "$own $fio" >>"$work/rounds"
done
kill -TERM $camd_pid && wait $camd_pid
cat "$work/rounds" >&2
jq -cnR --argjson mib $mib --argjson rounds $rounds '
    def median: sort | .[length / 2 | floor];
    [inputs | split(" ") | map(tonumber)] as $ms | ($mib * 1048.576) as $kb |
    {write: 0, read: 1} | to_entries[] | .key as $what | .value as $at |
    {bench: "slow card: card test\u0027s \($what) speed", value: ($kb / ($ms | map(.[$at]) | median)), unit: "MB/s",
     reference: ($kb / ($ms | map(.[$at + 2]) | median)), peer: "fio",
     method: "\($mib) MiB by camd on Linux, null_blk of 10 ms a request in the guest kernel, the same transfers in the same order, medians of \($rounds) rounds in turn"}' "$work/rounds"
