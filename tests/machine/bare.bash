# A machine with nothing but its flash and its UART, for suites that look at the boot loader alone or
# at each write to the flash (unit.bash has whole units). It brings suite.bash along.
#   bare_new; bare_on; bare_says PATTERN SECONDS; bare_send BYTES; bare_off
source "$(dirname "${BASH_SOURCE[0]}")/../integration/suite.bash"
image=${IMAGE:-$build/image/qemu-virt}
board_file=$repo/firmware/boards/qemu-virt.json
slots_peer=$build/tests/machine/slots_peer
bare_pid= bare_flash=

# A flash as the programmer leaves it.
bare_new() {
    bare_flash=$work/flash.img bare_log=$work/uart.log
    cp "${1:-$image/flash.img}" "$bare_flash" && : >"$bare_log"
}

# Each bank a window of the one file: QEMU's locks would take the second for another writer.
bare_bank() { # NUMBER FILE-OR-NODE...
    echo "driver=raw,node-name=bank$1,offset=$(($1 * 67108864)),size=67108864,$2"
}

# Power on; the UART goes to $bare_log (each start adds to it), what bare_send sends comes in. With
# $bare_record set to a file, QEMU's blklogwrites records each write to the flash there.
bare_on() { # [qemu option...]
    local under=file.driver=file,file.filename=$bare_flash,file.locking=off record=()
    if [ -n "${bare_record:-}" ]; then
        : >"$bare_record"
        record=(-blockdev "driver=blklogwrites,node-name=recorded,log-super-update-interval=1,file.driver=file,file.filename=$bare_flash,file.locking=off,log.driver=file,log.filename=$bare_record")
        under=file=recorded
    fi
    [ -p "$work/uart.in" ] || mkfifo "$work/uart.in"
    qemu-system-arm -machine virt -cpu cortex-a7 -m 128 -display none -monitor none -serial stdio \
        "${record[@]}" -blockdev "$(bare_bank 0 "$under")" -blockdev "$(bare_bank 1 "$under")" \
        -machine pflash0=bank0,pflash1=bank1 \
        -fw_cfg name=opt/takt/chip_id,string=c0ffee0123456789c0ffee0123456789 "$@" \
        <"$work/uart.in" >>"$bare_log" 2>"$work/qemu.log" &
    bare_pid=$!
    exec 8>"$work/uart.in"
}

# Power off, from one moment to the next.
bare_off() {
    [ -n "$bare_pid" ] || return 0
    kill -KILL "$bare_pid" 2>/dev/null
    wait "$bare_pid" 2>/dev/null
    exec 8>&-
    bare_pid=
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

trap 'bare_off; suite_clean' EXIT
