#!/usr/bin/env bash
# Flashing over UART beside lrzsz and beside the line: a real U-Boot in QEMU, and between it and the
# station a pseudo-terminal that lets 11520 bytes a second through (115200 baud, 8N1). QEMU takes a byte
# off its UART for each turn of its main loop and is late on a busy machine; so the flasher is run on this
# processor as well (tests/machine/flasher_line.c), over the same line: that is the protocol's own rate.
. "$(dirname "$0")/../integration/suite.bash"
line_between=$build/tests/machine/line_between flasher_line=$build/tests/machine/flasher_line
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
# sb waits for the loader's 'C' when `loady` is typed, as ours does; -k: blocks of 1024 bytes, as ours are.
lrzsz() {
    local begun
    loader_alone
    exec 5<>"$work/line"
    until_true 60 eval 'printf "\003" >&5; grep -aq "=> " <(timeout 0.3 cat <&5)' || fail "no prompt"
    timeout 1 cat <&5 >/dev/null
    (cd "$work" && exec sb -k -q kernel <&5 >&5 2>/dev/null) &
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
# Both ends of the line as terminals.
line_alone() {
    off
    rm -f "$work/line" "$work/unit"
    "$line_between" --rate $rate --terminals "$work/line" "$work/unit" 2>/dev/null &
    line_pid=$!
    until_true 10 test -L "$work/unit" || fail "no line"
    stty -F "$work/unit" 115200 raw -echo && stty -F "$work/line" 115200 raw -echo
}
alone() {
    line_alone
    "$flasher_line" unit "$work/unit" &
    unit_pid=$!
    timeout 300 "$flasher_line" station "$work/line" $bytes || fail "the flasher on this processor"
}
# Until rb has the whole file: behind it each waits for the other to end the batch.
has_all() { [ "$(stat -c %s "$work/received/kernel" 2>/dev/null)" = $bytes ]; }
lrzsz_alone() {
    local begun sending receiving
    line_alone
    mkdir -p "$work/received"
    (cd "$work" && exec sb -k -q kernel <"$work/line" >"$work/line" 2>/dev/null) &
    sending=$!
    sleep 1 # it drops what came before it listens
    begun=$(now)
    (cd "$work/received" && exec rb -q <"$work/unit" >"$work/unit" 2>/dev/null) &
    receiving=$!
    until_true 300 has_all || fail "rb received nothing whole"
    echo "$(now) - $begun" | bc -l
    kill $sending $receiving 2>/dev/null
    cmp "$work/kernel" "$work/received/kernel" >&2 || fail "rb has another file"
}
rate_of() { awk -v b=$bytes -v s="$1" 'BEGIN { printf "%.1f", b / s }'; }
median() { sort -n | sed -n 2p; } # of three

. "$repo/tests/machine/flasher.bash"
flasher_build "$work/programs" >&2 || fail "no program"
make -C "$repo" --no-print-directory -s "$line_between" "$flasher_line" >&2 || exit 3
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
echo "{\"bench\":\"uart loady, U-Boot in QEMU\",\"value\":$(rate_of "$a"),\"unit\":\"bytes/s\",\"reference\":$(rate_of "$b"),\"peer\":\"lrzsz sb -k\",\"method\":\"$bytes bytes from typing loady to the last block acknowledged, pty of $rate bytes/s, median of 3 in turns\"}"
percent() { awk -v r="$(rate_of "$1")" -v l=$rate 'BEGIN { printf "%.2f", 100 * r / l }'; }
alone >"$work/alone.json"
lrzsz_alone >"$work/lrzsz_alone"
c=$(jq .loading_s "$work/alone.json") d=$(cat "$work/lrzsz_alone")
[ -n "$c" ] && [ -n "$d" ] || exit 3
echo "{\"bench\":\"uart flasher, its protocol\",\"value\":$(percent "$c"),\"unit\":\"% of line rate\",\"reference\":97,\"peer\":\"aim\",\"method\":\"$bytes bytes into memory by the flasher compiled for this processor, every frame checked and acknowledged, pty of $rate bytes/s; lrzsz sb -k to rb over the same line $(percent "$d") %; written and verified in $(jq .writing_s "$work/alone.json") s more (45 ms for 64 KiB, 400 us for 256 bytes)\"}"
c=$(median <"$work/program")
[ -n "$c" ] || exit 3
echo "{\"bench\":\"uart flasher, program in QEMU\",\"value\":$(percent "$c"),\"unit\":\"% of line rate\",\"reference\":97,\"peer\":\"aim\",\"method\":\"$bytes bytes into the unit's memory, every frame checked and acknowledged, pty of $rate bytes/s, median of 3 in turns; QEMU's PL011 takes one byte for each turn of its main loop, which a busy machine grants late: the line above has the same protocol without it\"}"
