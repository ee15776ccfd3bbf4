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
call_with() { # KEYS METHOD...
    local with=$1
    shift
    timeout 90 "$peer" call "$port" "$with" "$@"
}
camd_start() { # more options
    "$build/camd" --board "$board" --hal emulator --hal-options "$unit" --port "$port" \
        --bundle-key "$keys/bundle.pem" "$@" 2>>"$work/camd.log" &
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
    "$peer" world "$unit" && "$peer" flash "$unit" "$keys" "$board"
}
partition() { # NAME: its offset and size in KiB
    "$takt" board show "$board" --json |
        jq -r ".flash.partitions[] | select(.name == \"$1\") | \"\(.offset_kib) \(.size_kib)\""
}
# One partition of a flash out into a file, and back.
flash_get() { # PARTITION FILE
    local at size
    read -r at size < <(partition "$1")
    dd if="$unit/flash.img" of="$2" bs=1024 skip="$at" count="$size" status=none
}
flash_put() {
    local at size
    read -r at size < <(partition "$1")
    dd if="$2" of="$unit/flash.img" bs=1024 seek="$at" count="$size" conv=notrunc status=none
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
sed 's#^ *//.*##' "$repo/tests/machine/guest-board.json" | jq '.linux = { chip_id: .linux.chip_id }' >"$work/bare.json"
check "hardware without a flash is named before it ends with 3" ends_with 3 "this hardware has no flash" \
    "$build/camd" --board "$work/bare.json" --hal linux --port "$port"

# ---- one station at a time ----
check "hello is answered before TLS" camd_up
check "a secure call is answered" says '"boot_reason":"power-on"' call unit.info
check "without a token nothing is served" says "no factory token was accepted" env TOKEN=none "$peer" call "$port" "$keys" unit.info
check "an expired token is refused" says "the token expired at" env TOKEN=expired "$peer" call "$port" "$keys" unit.info
check "another unit's token is refused" says "the token is for chip" env TOKEN=chip "$peer" call "$port" "$keys" unit.info
check "another session's token is refused" says "made for another session" env TOKEN=nonce "$peer" call "$port" "$keys" unit.info
mkdir "$work/mixed" && cp "$keys"/* "$work/mixed" && cp "$other/token.key" "$work/mixed"
check "another factory's token is refused" says "not one of this factory" call_with "$work/mixed" unit.info
refusals_are_logged() {
    grep -c "factory.enter: the token" "$work/camd.log"
    [ "$(grep -c "factory.enter: the token" "$work/camd.log")" -ge 4 ]
}
check "the unit logs every refusal" refusals_are_logged
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
written() { # some of the image is in the slot's partition
    [ "$(dd if="$unit/flash.img" bs=1024 skip=$(($(partition rootfs_b | cut -d' ' -f1) + 512)) count=128 2>/dev/null | sha256sum)" = \
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

# ---- identity ----
identity='{"did":"810000001","mac":"5c:c3:36:00:00:01","serial":"SN1","key":"000102030405060708090a0b0c0d0e0f"}'
check "an identity is written" call identity.write "$identity"
camd_end KILL
check "after kill -9 it is there" camd_up
check "word for word" says '"did":"810000001","mac":"5c:c3:36:00:00:01","serial":"SN1","key":"000102030405060708090a0b0c0d0e0f"' call identity.read

# ---- guests that only take up room ----
tcp=
for n in 1 2 3 4 5 6 7 8; do
    socat -u "UNIX-CONNECT:$work/port" "OPEN:/dev/null" & # connects, says nothing, stays
    tcp="$tcp $!"
done
check "a station gets in past guests who say nothing" call unit.info
dropped() { [ "$(grep -cE "a guest on .* (was dropped: it did not go secure|made way)" "$work/camd.log")" -ge "$1" ]; }
check "and all of them are dropped in time" until_true 20 dropped 8
for n in $tcp; do
    kill "$n" 2>/dev/null
    wait "$n" 2>/dev/null
done

# ---- a session's bytes, recorded ----
socat -r "$work/session" "UNIX-LISTEN:$work/tap" "UNIX-CONNECT:$work/port" &
tap=$!
until_true 5 test -S "$work/tap"
check "a session is listened in on" "$peer" call "unix:$work/tap" "$keys" unit.info
wait $tap 2>/dev/null
entered() { grep -c "factory: entered" "$work/camd.log"; }
replayed() { # the same bytes again: they open nothing
    local before
    before=$(entered)
    [ -s "$work/session" ] || return 1
    timeout 10 socat -t 3 - "UNIX-CONNECT:$work/port" <"$work/session" | wc -c
    [ "$(entered)" = "$before" ] && answers
}
check "its bytes played again open nothing" replayed

# ---- finalized, and no way back ----
flash_get factory "$work/factory.kept"
flash_get identity "$work/identity.kept"
flash_get env "$work/env.kept"
methods=$(call hello | jq -r '.capabilities[]')
check "the unit is locked" says '"locked":true' call factory.lock
check "nothing but hello answers" says '"factory_mode":false' call hello
check "and says that the lock is set" says '"locked":true' call hello
no_method() { # by TLS, or in the clear: every method there is
    local m
    for m in $methods session.secure; do
        [ "$m" = hello ] && continue
        call "$m" '{}' >/dev/null && { echo "$m was served"; return 1; }
        TOKEN=clear call "$m" '{}' >"$work/out" && { echo "$m was served in the clear"; return 1; }
        grep -qE "closed on this unit|secure session|no credentials" "$work/out" || { cat "$work/out"; return 1; }
    done
}
check "no method is served any more" no_method
credentials_gone() { flash_get factory "$work/out" && ! tr -d '\377' <"$work/out" | grep -q .; }
check "the credentials are erased" credentials_gone
loader_closed() { flash_get env "$work/out" && grep -qaz '^loader=closed$' "$work/out"; }
check "the loader is closed" loader_closed
camd_end TERM
check "SIGTERM ends it cleanly" test $status -eq 0

served_nowhere() { # tcp, unix and a line at once: nothing listens, nothing answers, the log goes on
    local line n=0 number=$((20000 + $$ % 20000))
    socat "pty,raw,echo=0,link=$work/tty-unit" "pty,raw,echo=0,link=$work/tty-station" 2>/dev/null &
    line=$!
    until_true 10 test -e "$work/tty-unit" -a -e "$work/tty-station"
    timeout 30 cat "$work/tty-station" >"$work/line.log" &
    n=$!
    camd_start --port "tcp://127.0.0.1:$number" --port "pty:$work/tty-unit" --console-log
    until_true 15 grep -q "closed for good; pty:.* carries the log alone" "$work/line.log"
    local result=$?
    kill "$n"
    wait "$n" 2>/dev/null
    for m in hello $methods; do
        for p in "unix:$work/port" "tcp://127.0.0.1:$number"; do
            "$peer" call "$p" "$keys" "$m" '{}' >"$work/out" && { echo "$m on $p"; result=1; }
            grep -qE "missing: .*(refused|No such file)" "$work/out" || { cat "$work/out"; result=1; }
        done
    done
    # A line is no socket: there the station waits for an answer that does not come.
    timeout 8 "$peer" call "pty:$work/tty-station" "$keys" hello
    [ $? -eq 124 ] || { echo "something answered on the line"; result=1; }
    kill $line
    wait $line 2>/dev/null
    kill -0 "$camd_pid" || result=1 # and it goes on, as a camera
    camd_end TERM
    [ $status -eq 0 ] || result=1
    return $result
}
check "started again it serves no port at all" served_nowhere
stays_closed() { # no port is served; what was put back is gone again
    : >"$work/camd.log"
    camd_start
    until_true 15 grep -q "closed for good; no port is served" "$work/camd.log"
    local result=$?
    ! answers || result=1
    camd_end TERM
    cat "$work/camd.log"
    return $result
}
put_back() { # PARTITION...: as they were before the lock
    local p
    for p in "$@"; do flash_put "$p" "$work/$p.kept"; done
}
credentials_by_force() { put_back factory && stays_closed && credentials_gone; }
check "credentials put back by force: closed, and erased again" credentials_by_force
environment_by_force() { put_back factory env && stays_closed && credentials_gone && loader_closed; }
check "an open loader put back by force: closed again" environment_by_force
damaged_identity() {
    flash_get identity "$work/identity.locked"
    tr '\0' '\1' <"$work/identity.locked" >"$work/identity.damaged"
    flash_put identity "$work/identity.damaged" && put_back factory && stays_closed
    local result=$?
    flash_put identity "$work/identity.locked"
    return $result
}
check "both copies of the identity damaged: closed" damaged_identity
erased_identity() {
    tr '\0-\377' '\377' <"$work/identity.locked" >"$work/identity.erased"
    flash_put identity "$work/identity.erased" && put_back factory && stays_closed
    local result=$?
    flash_put identity "$work/identity.locked"
    return $result
}
check "the identity erased: closed, the loader says so" erased_identity

# What is on a card is data: neither run nor read as what opens a unit.
card_opens_nothing() {
    local ran=$work/ran size=$((64 << 20)) result
    mkdir -p "$work/card"
    for f in factory.sh autorun.sh update.sh factory_mode hook.sh; do
        printf '#!/bin/sh\ntouch %s\n' "$ran" >"$work/card/$f"
        chmod +x "$work/card/$f"
    done
    cp "$work/bundle" "$work/card/bundle.takt" && cp "$work/factory.kept" "$work/card/factory.img" &&
        cp "$keys"/* "$work/card" && cp "$work/identity.kept" "$work/card/identity.img" || return 1
    truncate -s $size "$unit/card.img" && /sbin/mkfs.vfat "$unit/card.img" >/dev/null &&
        mcopy -i "$unit/card.img" "$work"/card/* :: || return 1
    # And a card that is a factory partition from its first byte on.
    sha256sum <"$unit/card.img" >"$work/card.sum"
    stays_closed
    result=$?
    cat "$work/factory.kept" "$work/identity.kept" | dd of="$unit/card.img" conv=notrunc status=none
    stays_closed || result=1
    [ ! -e "$ran" ] || { echo "a script on the card ran"; result=1; }
    return $result
}
check "scripts, bundle, keys and factory image on a card open nothing" card_opens_nothing
all_put_back() { # identity too: that is another unit's flash as far as anyone can tell from within
    flash_get identity "$work/out" && ! cmp -s "$work/out" "$work/identity.kept"
}
check "the lock is in the identity record" all_put_back

# ---- a UART that is the console too ----
rm -f "$work"/tty-*
new_unit
socat "pty,raw,echo=0,link=$work/tty-unit" "pty,raw,echo=0,link=$work/tty-station" 2>/dev/null &
line=$!
until_true 10 test -e "$work/tty-unit" -a -e "$work/tty-station"
port=pty:$work/tty-unit
camd_start --console-log --port "unix:$work/second"
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
on_the_line=$port
port=unix:$work/second
check "the other port serves too" call unit.info
"$peer" call "$on_the_line" "$keys" button.watch '{"button":"reset","seconds":30}' >/dev/null 2>&1 &
holder=$!
check "but one station at a time over both" until_true 10 second_refused
kill -9 $holder
wait $holder 2>/dev/null
port=$on_the_line
listens_once() { [ "$(grep -c "factory: listening on pty:" "$work/camd.log")" = 1 ]; }
check "it said once that it listens on the line" listens_once
check "the log lines were there" grep -q "camera.capture: param 'frames' is 0" "$work/camd.log"
camd_end TERM
check "SIGTERM ends it there too" test $status -eq 0
kill $line 2>/dev/null
wait $line 2>/dev/null

suite_end
