#!/usr/bin/env bash
# Flashing over UART beside lrzsz and beside the line: a real U-Boot in QEMU, and between it and the
# station a pseudo-terminal that lets 11520 bytes a second through (115200 baud, 8N1).
. "$(dirname "$0")/../integration/suite.bash"
line_between=$build/tests/machine/line_between
bytes=${BYTES:-131072} rate=${RATE:-11520} unit_pid= line_pid=
off() {
    [ -z "$line_pid" ] || kill -TERM "$line_pid"
    [ -z "$unit_pid" ] || kill -KILL "$unit_pid"
    wait
    unit_pid= line_pid=
} 2>/dev/null
trap 'off; suite_clean' EXIT
trap 'exit 130' INT TERM HUP
fail() { echo "bench_uart: $*" >&2; exit 3; }

unit_on() { # QEMU's flash options...
    off
    rm -f "$work/uart.sock" "$work/line"
    qemu-system-arm -M virt -cpu cortex-a7 -m 128 -nodefaults -no-user-config -display none "$@" \
        -chardev "socket,id=uart,path=$work/uart.sock,server=on,wait=off" -serial chardev:uart >/dev/null &
    unit_pid=$!
    until_true 10 test -S "$work/uart.sock" || fail "no machine"
    "$line_between" --rate $rate "$work/line" "$work/uart.sock" >/dev/null 2>&1 &
    line_pid=$!
    until_true 10 test -L "$work/line" || fail "no line"
}
loader_alone() {
    truncate -s 64M "$work/disk.img"
    unit_on -bios /usr/lib/u-boot/qemu_arm/u-boot.bin -device virtio-blk-device,drive=disk \
        -drive "if=none,id=disk,format=raw,file=$work/disk.img"
}
now() { date +%s.%N; }

# Seconds from one line of the flash log to the first of another kind behind it.
between() { # PATTERN PATTERN
    awk -v from="$1" -v to="$2" 'function t(s) { return substr(s, 12, 2) * 3600 + substr(s, 15, 2) * 60 + substr(s, 18, 6) }
        begun && $0 ~ to { print t($1) - begun; exit } !begun && $0 ~ from { begun = t($1) }' "$work/log"
}
flash() { # BUNDLE BOARD
    timeout 300 "$takt" flash --method uart --port "pty:$work/line" --bundle "$1" --board "$2" \
        --key "$work/key.pub" --programs "$work/programs" --log "$work/log" >/dev/null 2>"$work/err" ||
        fail "$(tail -n 1 "$work/err")"
}
bundle() { # BOARD OUT
    "$takt" bundle make --board "$1" --release 1 --version 0.1 --key "$work/key" \
        --image kernel="$work/kernel" --out "$2" >&2
}

ours() {
    rm -f "$work/disk.img"
    loader_alone
    flash "$work/commands.takt" "$repo/tests/machine/uboot-board.json"
    between '-- loading kernel' ' bytes over, '
}
# sb waits for the loader's 'C' when `loady` is typed, as ours does.
lrzsz() {
    local begun
    loader_alone
    exec 5<>"$work/line"
    until_true 60 eval 'printf "\003" >&5; grep -aq "=> " <(timeout 0.3 cat <&5)' || fail "no prompt"
    timeout 1 cat <&5 >/dev/null
    (cd "$work" && exec sb -q kernel <&5 >&5 2>/dev/null) &
    local sending=$!
    sleep 1
    begun=$(now)
    printf 'loady 0x41000000\r' >&5
    wait $sending || fail "sb did not send"
    echo "$(now) - $begun" | bc -l
    exec 5>&-
}
program() {
    tr '\0' '\377' </dev/zero | head -c 134217728 >"$work/nor.img"
    dd if=/usr/lib/u-boot/qemu_arm/u-boot.bin of="$work/nor.img" conv=notrunc status=none
    local under=file.driver=file,file.filename=$work/nor.img,file.locking=off
    unit_on -blockdev "driver=raw,node-name=bank0,offset=0,size=67108864,$under" \
        -blockdev "driver=raw,node-name=bank1,offset=67108864,size=67108864,$under" \
        -machine pflash0=bank0,pflash1=bank1
    flash "$work/program.takt" "$repo/firmware/boards/qemu-virt.json"
    between '-- loading kernel' '-- writing kernel'
}
rate_of() { awk -v b=$bytes -v s="$1" 'BEGIN { printf "%.1f", b / s }'; }
median() { sort -n | sed -n 2p; } # of three

. "$repo/tests/machine/flasher.bash"
flasher_build "$work/programs" >&2 || fail "no program"
make -C "$repo" --no-print-directory -s "$line_between" >&2 || exit 3
head -c $bytes /dev/urandom >"$work/kernel"
"$takt" bundle key --out "$work/key" >&2
bundle "$repo/tests/machine/uboot-board.json" "$work/commands.takt" || exit 3
bundle "$repo/firmware/boards/qemu-virt.json" "$work/program.takt" || exit 3
# In this shell, which ends what it started; each with the other's conditions.
for _ in 1 2 3; do
    ours >>"$work/ours"
    lrzsz >>"$work/lrzsz"
    program >>"$work/program"
done
a=$(median <"$work/ours") b=$(median <"$work/lrzsz")
[ -n "$a" ] && [ -n "$b" ] || exit 3
echo "{\"bench\":\"uart loady, U-Boot in QEMU\",\"value\":$(rate_of "$a"),\"unit\":\"bytes/s\",\"reference\":$(rate_of "$b"),\"peer\":\"lrzsz sb\",\"method\":\"$bytes bytes from typing loady to the last block acknowledged, pty of $rate bytes/s, median of 3 in turns\"}"
c=$(median <"$work/program")
[ -n "$c" ] || exit 3
echo "{\"bench\":\"uart flasher, program in memory\",\"value\":$(awk -v r="$(rate_of "$c")" -v l=$rate 'BEGIN { printf "%.2f", 100 * r / l }'),\"unit\":\"% of line rate\",\"reference\":97,\"peer\":\"aim\",\"method\":\"$bytes bytes into the unit's memory, every frame checked and acknowledged, pty of $rate bytes/s, median of 3 in turns\"}"
