# A machine with nothing but its flash and its UART, for suites that look at the boot loader alone or
# at each write to the flash (unit.bash has whole units). It brings suite.bash along.
#   bare_new; bare_on; bare_says PATTERN SECONDS; bare_send BYTES; bare_off
source "$(dirname "${BASH_SOURCE[0]}")/../integration/suite.bash"
image=${IMAGE:-$build/image/qemu-virt}
board_file=$repo/firmware/boards/qemu-virt.json
slots_peer=$build/tests/machine/slots_peer
bare_pid= bare_typist= bare_flash=

# A flash as the programmer leaves it.
bare_new() {
    bare_dir=$work/bare bare_flash=$work/bare/flash.img bare_log=$work/bare/uart.log
    mkdir -p "$bare_dir" && cp --reflink=auto --sparse=always "${1:-$image/flash.img}" "$bare_flash" &&
        : >"$bare_log"
}

# Power on; the UART goes to $bare_log (each start adds to it), what bare_send sends comes in.
# --record NAME: each write to the flash, in $bare_dir; --port N: the agent's.
bare_on() { # [option of takt bench machine...]
    rm -f "$bare_dir/uart.sock"
    [ -p "$work/uart.in" ] || mkfifo "$work/uart.in"
    "$takt" bench machine --dir "$bare_dir" --chip-id c0ffee0123456789c0ffee0123456789 "$@" \
        2>"$work/qemu.log" &
    bare_pid=$!
    until_true 10 test -S "$bare_dir/uart.sock" || { cat "$work/qemu.log"; return 1; }
    # It reads as well: QEMU holds the unit up when nobody takes what a connected line prints.
    socat - "UNIX-CONNECT:$bare_dir/uart.sock" <"$work/uart.in" >/dev/null 2>>"$work/qemu.log" &
    bare_typist=$!
    exec 8>"$work/uart.in"
}

# Power off, from one moment to the next.
bare_off() {
    [ -n "$bare_pid" ] || return 0
    kill -KILL "$bare_pid" "$bare_typist" 2>/dev/null
    wait "$bare_pid" "$bare_typist" 2>/dev/null
    exec 8>&-
    bare_pid= bare_typist=
}

bare_send() { printf '%b' "$1" >&8; }

bare_said() { [ "$(grep -ac -- "$1" "$bare_log")" -ge "${2:-1}" ]; }

# Waits for a line on the UART, the N-th one like it.
bare_says() { # PATTERN SECONDS [N]
    until_true "$2" bare_said "$1" "${3:-1}" || { tail -c 1500 "$bare_log"; return 1; }
}

flash_peer() { # what [arguments]
    local what=$1
    shift
    "$slots_peer" "$what" "$board_file" "$bare_flash" "$@"
}

flash_put() { # FILE PARTITION
    local offset
    offset=$(jq --arg p "$2" '.flash.partitions[] | select(.name == $p) | .offset_kib * 1024' \
        <<<"$(sed 's|^ *//.*||' "$board_file")") &&
        dd if="$1" of="$bare_flash" bs=64K seek="$offset" oflag=seek_bytes conv=notrunc status=none
}

# ---- its agent, over the network: bare_keys; bare_on --port "$port"; until_true S answers; call METHOD

peer=$build/tests/integration/station_peer keys=$work/keys
port=$((20000 + RANDOM % 12000))
bare_keys() { make -s -C "$repo" "${peer#"$repo"/}" && "$peer" keys "$keys"; }
# A machine that other work holds up may miss the session's own deadlines: such a call is made again.
call() {
    local try out
    for try in 1 2 3 4; do
        out=$(timeout 300 "$peer" call "tcp://127.0.0.1:$port" "$keys" "$@" 2>&1) && { echo "$out"; return 0; }
        grep -qE '^(timeout|closed): ' <<<"$out" || break
    done
    echo "$out"
    return 1
}
answers() { timeout 20 "$peer" call "tcp://127.0.0.1:$port" "$keys" hello >/dev/null 2>&1; }

# As a flasher puts them: cut out of the flash of a unit that has nothing else.
put_credentials() {
    local at size
    read -r at size < <(jq -r '.flash.partitions[] | select(.name == "factory") | "\(.offset_kib) \(.size_kib)"' \
        <<<"$("$takt" board show "$board_file" --json)")
    mkdir "$work/blank" && "$peer" flash "$work/blank" "$keys" "$board_file" &&
        dd if="$work/blank/flash.img" of="$work/credentials" bs=1024 skip="$at" count="$size" status=none &&
        flash_put "$work/credentials" factory
}

head_of() { # the signed manifest: header, manifest, signature
    local m s
    m=$(od -An -tu4 -j8 -N4 "$1" | tr -d ' ')
    s=$(od -An -tu4 -j12 -N4 "$1" | tr -d ' ')
    head -c $((16 + m + s)) "$1"
}

trap 'bare_off; suite_clean' EXIT
