#!/usr/bin/env bash
# camd as a process: one emulated unit on a socket or a terminal, a station beside it; killed,
# locked, updated, refused.
. "$(dirname "$0")/suite.bash"
peer=$repo/build/tests/integration/station_peer
board=$repo/firmware/boards/ssc337de-nand128.json
unit=$work/unit keys=$work/keys other=$work/other
port=unix:$work/port
camd_pid=

make -C "$repo" --no-print-directory -s build/tests/integration/station_peer || exit 1

call() { timeout 90 "$peer" call "$port" "$keys" "$@"; }
camd_start() { # more options
    "$build/camd" --board "$board" --hal emulator --hal-options "$unit" --port "$port" \
        --factory-ca "$keys/factory-ca.pem" --bundle-key "$keys/bundle.pem" "$@" \
        2>>"$work/camd.log" &
    camd_pid=$!
}
answers() { call hello >/dev/null; }
camd_up() { camd_start "$@" && until_true 15 answers; }
# Ends camd with a signal and keeps how it ended in $status.
camd_end() {
    kill -"$1" "$camd_pid" 2>/dev/null
    wait "$camd_pid" 2>/dev/null
    status=$?
    camd_pid=
}
camd_clean() {
    [ -n "$camd_pid" ] && kill -9 "$camd_pid" 2>/dev/null
    suite_clean
}
trap camd_clean EXIT
new_unit() {
    rm -rf "$unit"
    mkdir "$unit"
    echo '{ "chip_id": "5cc336000000000000000000000000a1" }' >"$unit/unit.json"
    "$peer" world "$unit"
}
says() { # WORDS COMMAND...: the command prints them, whatever its end
    local words=$1
    shift
    "$@" 2>&1 | tee /dev/stderr | grep -qF -- "$words"
}
field() { jq -er ".$1"; }

"$peer" keys "$keys" && "$peer" keys "$other" && new_unit || exit 1

# ---- options and input ----
ends_with() { # STATUS WORDS COMMAND...
    local expected=$1 words=$2 out got
    shift 2
    out=$("$@" 2>&1)
    got=$?
    echo "$out"
    [ $got -eq "$expected" ] && grep -qF -- "$words" <<<"$out"
}
check "help tells the options" ends_with 0 "--hal-options" "$build/camd" --help
check "a missing option is wrong use" ends_with 2 "--port is missing" "$build/camd" --board "$board" --hal emulator
check "an unknown backend is wrong use" ends_with 2 "no such backend" \
    "$build/camd" --board "$board" --hal t31 --port "$port"
sed 's/"focal_mm": 3.6/"focal_mm": -3.6/' "$board" >"$work/wrong.json"
check "a wrong board file is named with its line" ends_with 2 "wrong.json:$(grep -n focal_mm "$board" | cut -d: -f1):" \
    "$build/camd" --board "$work/wrong.json" --hal emulator --port "$port"
check "a key that is no key is named" ends_with 2 "not PEM" \
    "$build/camd" --board "$board" --hal emulator --port "$port" --bundle-key "$board"
check "hardware that is not there ends with 3" ends_with 3 "world" \
    "$build/camd" --board "$board" --hal emulator --hal-options "$work" --port "$port"

# ---- one station at a time ----
check "hello is answered before TLS" camd_up
check "a secure call is answered" says '"boot_reason":"power-on"' call unit.info
check "a station of another factory is refused" bash -c "! timeout 60 '$peer' call '$port' '$other' unit.info"
check "a unit answers after that" answers
"$peer" call "$port" "$keys" button.watch '{"button":"reset","seconds":30}' >/dev/null 2>&1 &
holder=$!
second_refused() { says "another station" call hello; }
check "a second station is told that it is one too many" until_true 10 second_refused
kill -9 $holder
wait $holder 2>/dev/null
check "after a station was killed the next is let in" until_true 5 answers

# ---- frames, and what it costs in memory ----
frames() {
    local out
    out=$(call camera.capture '{"frames":2}' 2>&1) || { echo "$out"; return 1; }
    echo "$out"
    [ "$(grep -c "^frame[01] $((2304 * 1296 * 3 / 2)) " <<<"$out")" -eq 2 ]
}
check "two frames of three megapixels arrive whole" frames
small() { # beside what stands for hardware, under 16 MB even after frames went through
    local info own
    info=$(call unit.info) || return 1
    own=$(jq '.rss_bytes - .reserved_bytes' <<<"$info")
    echo "rss $(jq .rss_bytes <<<"$info"), reserved $(jq .reserved_bytes <<<"$info"), own $own"
    echo "        camd's own memory: $((own / 1024)) KiB" >&3
    [ "$own" -lt 16777216 ]
}
exec 3>&1
check "its own memory stays under 16 MB" small

# ---- update, cut by kill -9 ----
head -c 6000000 /dev/urandom >"$work/rootfs"
make_bundle() { # RELEASE OUT
    "$takt" bundle make --board ssc337de-nand128 --release "$1" --version "1.$1" \
        --key "$keys/bundle.key" --image rootfs="$work/rootfs" --out "$2"
}
check "a bundle is made" make_bundle 2 "$work/bundle"
head_of() { # the signed manifest: header, manifest, signature
    local m s
    m=$(od -An -tu4 -j8 -N4 "$1" | tr -d ' ')
    s=$(od -An -tu4 -j12 -N4 "$1" | tr -d ' ')
    head -c $((16 + m + s)) "$1"
}
head_of "$work/bundle" >"$work/manifest" 2>/dev/null
begin() { call flash.begin manifest="$work/manifest"; }
write_image() { call flash.write '{"image":"rootfs"}' data="$work/rootfs"; }
check "the inactive slot is chosen" says '"slot":"b"' begin
write_image >/dev/null 2>&1 &
writer=$!
slot_kib=$("$takt" board show "$board" --json |
    jq '.flash.partitions[] | select(.name == "rootfs_b").offset_kib')
written() { # some of the image is in the slot's partition
    [ "$(dd if="$unit/flash.img" bs=1024 skip=$((slot_kib + 512)) count=128 2>/dev/null | sha256sum)" = \
        "$(dd if="$work/rootfs" bs=1024 skip=512 count=128 2>/dev/null | sha256sum)" ]
}
check "some of the image is in the flash" until_true 20 written
camd_end KILL
wait $writer 2>/dev/null
check "killed in mid-write the unit still starts its old slot" camd_up
check "and says so" says '"boot_slot":"a"' call unit.info
goes_on() {
    local out
    begin >/dev/null && out=$(write_image) && echo "$out" && [ "$(field skipped_chunks <<<"$out")" -ge 4 ]
}
check "the update goes on where it was cut" goes_on
check "the flash is verified by hash" says "$(sha256sum <"$work/rootfs" | cut -d' ' -f1)" \
    call flash.verify '{"image":"rootfs"}'
check "the slot is activated on trial" says '"tries":3' call flash.activate
check "a restart is answered" call unit.restart
wait "$camd_pid"
status=$?
check "and ends camd as the reset circuit expects" test $status -eq 74
check "the new slot starts" camd_up
check "it is on trial" says '"on_trial":true' call unit.info
check "it was a reboot" says '"boot_reason":"reboot"' call unit.info
check "its version is the bundle's" says '"firmware":"1.2"' call unit.info
check "it is committed" says '"slot":"b"' call flash.commit
check "an older bundle is made" make_bundle 1 "$work/old"
head_of "$work/old" >"$work/manifest"
check "and refused" says "release is 1" begin

# ---- identity and lock ----
identity='{"did":"810000001","mac":"5c:c3:36:00:00:01","serial":"SN1","key":"000102030405060708090a0b0c0d0e0f"}'
check "an identity is written" call identity.write "$identity"
camd_end KILL
check "after kill -9 it is there" camd_up
check "word for word" says '"did":"810000001","mac":"5c:c3:36:00:00:01","serial":"SN1","key":"000102030405060708090a0b0c0d0e0f"' call identity.read
check "the unit is locked" says '"locked":true' call factory.lock
check "nothing but hello answers" says '"factory_mode":false' call hello
check "not in a new session" bash -c "! '$peer' call '$port' '$keys' identity.read"
camd_end TERM
check "SIGTERM ends it cleanly" test $status -eq 0
check "it starts again" camd_up
check "and stays locked" says '"capabilities":["hello"]' call hello
camd_end TERM

# ---- a UART that is the console too ----
new_unit
socat "pty,raw,echo=0,link=$work/tty-unit" "pty,raw,echo=0,link=$work/tty-station" 2>/dev/null &
line=$!
until_true 10 test -e "$work/tty-unit" -a -e "$work/tty-station"
port=pty:$work/tty-unit
camd_start --console-log
port=pty:$work/tty-station
check "hello is answered on a terminal" until_true 20 answers
# Every refused call is a log line, and each goes onto the line that carries the next answers.
noisy() {
    local i
    for i in 1 2 3; do
        call camera.capture '{"frames":0}' >/dev/null && return 1
        frames || return 1
    done
}
check "frames arrive between log lines" noisy
check "the log lines were there" grep -q "camera.capture: param 'frames' is 0" "$work/camd.log"
camd_end TERM
check "SIGTERM ends it there too" test $status -eq 0
kill $line 2>/dev/null
wait $line 2>/dev/null

suite_end
