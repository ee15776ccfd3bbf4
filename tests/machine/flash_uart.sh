#!/usr/bin/env bash
# Flashing through the console of a real U-Boot: by its own commands (a virtio disk in the flash's
# place), with noise on the line, bytes lost, a unit that restarts half way.   SEED=N of the noise
. "$(dirname "$0")/../integration/suite.bash"
board=$repo/tests/machine/uboot-board.json
line_between=$build/tests/machine/line_between
unit_pid= line_pid=

unit_off() {
    [ -z "$unit_pid" ] || { kill -KILL "$unit_pid"; wait "$unit_pid"; } 2>/dev/null
    unit_pid=
}
line_off() {
    [ -z "$line_pid" ] || { kill -TERM "$line_pid"; wait "$line_pid"; } 2>/dev/null
    line_pid=
}
trap 'unit_off; line_off; suite_clean' EXIT
trap 'exit 130' INT TERM HUP

# Power: U-Boot's own flash is not what is flashed here.
unit_on() {
    unit_off
    rm -f "$work/uart.sock"
    nice qemu-system-arm -M virt -cpu cortex-a7 -m 128 -nodefaults -no-user-config -display none \
        -bios /usr/lib/u-boot/qemu_arm/u-boot.bin \
        -drive "if=none,id=disk,format=raw,file=$work/disk.img" -device virtio-blk-device,drive=disk \
        -chardev "socket,id=uart,path=$work/uart.sock,server=on,wait=${unit_waits_for_station:-off},logfile=$work/uart.log" \
        -serial chardev:uart 2>"$work/qemu.log" &
    unit_pid=$!
    until_true 10 test -S "$work/uart.sock" || { cat "$work/qemu.log"; return 1; }
}

# A line between unit and station: $work/line.
line_on() { # [option of line_between...]
    line_off
    rm -f "$work/line"
    "$line_between" "$@" "$work/line" "$work/uart.sock" 2>"$work/line.log" &
    line_pid=$!
    until_true 10 test -L "$work/line"
}

blank() { rm -f "$work/disk.img"; truncate -s 64M "$work/disk.img"; }

images_make() {
    # Small: QEMU 7.2 takes a byte off its socket for each turn of its main loop.
    head -c 40000 /dev/urandom >"$work/kernel"
    head -c 70001 /dev/urandom >"$work/rootfs"
    head -c 3000 /dev/urandom >"$work/boot"
    "$takt" bundle key --out "$work/key" &&
        "$takt" bundle make --board "$board" --release 1 --version 0.1 --key "$work/key" \
            --image boot="$work/boot" --image kernel="$work/kernel" --image rootfs="$work/rootfs" \
            --out "$work/bundle.takt" &&
        # Many short ones, for a line on which blocks and ends of loads go wrong.
        head -c 9000 "$work/kernel" >"$work/kernel.short" &&
        head -c 5001 "$work/rootfs" >"$work/rootfs.short" &&
        "$takt" bundle make --board "$board" --release 1 --version 0.1 --key "$work/key" \
            --image boot="$work/boot" --image kernel="$work/kernel.short" \
            --image rootfs="$work/rootfs.short" --out "$work/short.takt"
}

flash() { # PORT [option...]
    local port=$1
    shift
    timeout 300 "$takt" flash --method uart --port "$port" --bundle "$work/bundle.takt" \
        --key "$work/key.pub" --board "$board" --log "$work/flash.log" "$@" \
        >"$work/out" 2>"$work/err"
    local rc=$?
    cat "$work/out" "$work/err"
    return $rc
}

holds() { # FILE OFFSET_KIB
    cmp -n "$(stat -c %s "$1")" "$1" "$work/disk.img" 0 $(($2 * 1024))
}
holds_all() { holds "$work/boot" 0 && holds "$work/kernel" 4096 && holds "$work/rootfs" 12288; }

whole() {
    # Power comes once the station listens: then it has all the unit says.
    blank && unit_waits_for_station=on unit_on && flash "unix:$work/uart.sock" --json && holds_all &&
        jq -e '.verified and .bytes == 113001 and .written_bytes == 113001' "$work/out"
}
boot_last() {
    [ "$(sed -n 's/.* -- writing //p' "$work/flash.log" | paste -sd,)" = kernel,rootfs,boot ]
}
log_from_first_byte() { grep -q 'U-Boot 2023' "$work/flash.log" && grep -q 'DRAM:' "$work/flash.log"; }
unchanged() {
    unit_on && flash "unix:$work/uart.sock" --json && holds_all &&
        jq -e '.verified and .sent_bytes == 0 and .written_bytes == 0' "$work/out"
}
one_changed() {
    printf '\x00\x01\x02' | dd of="$work/disk.img" bs=1 seek=$((4096 * 1024 + 17777)) conv=notrunc status=none
    unit_on && flash "unix:$work/uart.sock" --json && holds_all &&
        jq -e '.verified and .written_bytes == 40000' "$work/out"
}
over_a_terminal() {
    blank && unit_on && line_on && flash "pty:$work/line" && holds_all
}
noise() {
    blank && unit_on && line_on --lose 300 --flip 300 --seed "${SEED:-1}" &&
        flash "pty:$work/line" --bundle "$work/short.takt" && holds "$work/boot" 0 &&
        holds "$work/kernel.short" 4096 && holds "$work/rootfs.short" 12288
    local rc=$?
    line_off
    cat "$work/line.log"
    grep -q '^[1-9][0-9]* lost, [1-9][0-9]* flipped' "$work/line.log" && return $rc
}

loading() { grep -q -- '-- loading rootfs' "$work/flash.log"; }
restart_half_way() {
    blank && unit_on && line_on --rate 4000 || return 1
    rm -f "$work/flash.log"
    flash "pty:$work/line" >/dev/null &
    local flashing=$!
    until_true 60 loading || return 1
    sleep 1
    unit_on || return 1
    wait $flashing
    [ $? = 1 ] && grep -q 'unit failed: the unit restarted' "$work/err" || { cat "$work/err"; return 1; }
    # Whole in memory before anything is written: of rootfs nothing is there, of boot neither.
    cmp -n 16777216 "$work/disk.img" /dev/zero 12582912 && cmp -n 1048576 "$work/disk.img" /dev/zero
}
second_try() { flash "pty:$work/line" --json && holds_all && jq -e '.written_bytes == 73001' "$work/out"; }

# ---- by the program, on the machine's own NOR ----

nor_on() { # [option of QEMU...]
    unit_off
    rm -f "$work/uart.sock"
    local bank under=file.driver=file,file.filename=$work/nor.img,file.locking=off
    bank() { echo "driver=raw,node-name=bank$1,offset=$(($1 * 67108864)),size=67108864,$under"; }
    nice qemu-system-arm -M virt -cpu cortex-a7 -m 128 -nodefaults -no-user-config -display none \
        -blockdev "$(bank 0)" -blockdev "$(bank 1)" -machine pflash0=bank0,pflash1=bank1 \
        -chardev "socket,id=uart,path=$work/uart.sock,server=on,wait=off,logfile=$work/nor.log" \
        -serial chardev:uart "$@" 2>"$work/qemu.log" &
    unit_pid=$!
    until_true 10 test -S "$work/uart.sock" || { cat "$work/qemu.log"; return 1; }
}
nor_blank() {
    tr '\0' '\377' </dev/zero | head -c 134217728 >"$work/nor.img" &&
        dd if=/usr/lib/u-boot/qemu_arm/u-boot.bin of="$work/nor.img" conv=notrunc status=none
}
# What a machine starts with, and a stub in the kernel's place.
nor_bundle() {
    cp "$work/stub_a" "$work/kernel" && head -c 20000 /dev/urandom >"$work/rootfs" &&
        "$takt" bundle make --board "$repo/firmware/boards/qemu-virt.json" --release 1 --version 0.1 \
            --key "$work/key" --image kernel="$work/kernel" --image rootfs="$work/rootfs" \
            --image boot=/usr/lib/u-boot/qemu_arm/u-boot.bin --image script="$image/script" \
            --image loader="$image/uboot.env" --out "$work/nor.takt"
}
nor_flash() { # PORT [option...]
    local port=$1
    shift
    timeout 500 "$takt" flash --method uart --port "$port" --bundle "$work/nor.takt" \
        --key "$work/key.pub" --log "$work/flash.log" --json "$@" >"$work/out" 2>"$work/err"
    local rc=$?
    cat "$work/out" "$work/err"
    tail -n 5 "$work/flash.log"
    return $rc
}
nor_holds() { # FILE OFFSET_KIB
    cmp -n "$(stat -c %s "$1")" "$1" "$work/nor.img" 0 $(($2 * 1024))
}
nor_holds_all() {
    nor_holds "$work/kernel" 1024 && nor_holds "$work/rootfs" 13312 &&
        nor_holds "$image/uboot.env" 65536 && nor_holds "$image/script" 65792 &&
        nor_holds /usr/lib/u-boot/qemu_arm/u-boot.bin 0
}
stub_starts() { grep -aq 'STUB a' "$work/nor.log"; }
program_writes_all() {
    nor_blank && nor_on && nor_flash "unix:$work/uart.sock" && nor_holds_all &&
        jq -e '.verified' "$work/out"
}
what_was_flashed_starts() { until_true 60 stub_starts || { tail -c 600 "$work/nor.log"; return 1; }; }
program_unchanged() {
    nor_on && nor_flash "unix:$work/uart.sock" &&
        jq -e '.verified and .sent_bytes == 0 and .written_bytes == 0' "$work/out"
}
# Three chunks of the kernel's and rootfs's are damaged; the line is bad while they are made good.
program_on_a_bad_line() {
    for at in 1100000 13640000; do
        head -c 4096 /dev/urandom | dd of="$work/nor.img" bs=4096 seek="$at" oflag=seek_bytes conv=notrunc status=none
    done
    nor_on && line_on --lose 60 --flip 60 --seed "${SEED:-1}" && nor_flash "pty:$work/line" &&
        nor_holds_all
    local rc=$?
    line_off
    cat "$work/line.log"
    grep -q '^[1-9][0-9]* lost, [1-9][0-9]* flipped' "$work/line.log" && return $rc
}
# The whole firmware on a unit that lacks the ends of kernel and root file system, the loader's
# environment and its script: what is there need not cross a line of 12 kB/s.
erase_from() { # OFFSET BYTES
    tr '\0' '\377' </dev/zero | head -c "$2" |
        dd of="$work/nor.img" bs=65536 seek="$1" oflag=seek_bytes iflag=fullblock conv=notrunc status=none
}
last_chunk() { echo $(($(stat -c %s "$1") / 262144 * 262144)); }
linux_lacks_its_ends() {
    cp "$image/flash.img" "$work/nor.img" &&
        erase_from $((1048576 + $(last_chunk "$image/kernel"))) 262144 &&
        erase_from $((13631488 + $(last_chunk "$image/rootfs"))) 262144 &&
        erase_from 67108864 524288
}
linux_is_flashed() {
    linux_lacks_its_ends && nor_on -fw_cfg name=opt/takt/chip_id,string=f1a54ed0 &&
        nor_flash "unix:$work/uart.sock" --bundle "$image/whole.takt" --key "$image/bundle.pem" \
            --programs "$work" &&
        jq -e '.verified and .written_bytes > 100000' "$work/out" &&
        nor_holds "$image/kernel" 1024 && nor_holds "$image/rootfs" 13312 &&
        nor_holds "$image/uboot.env" 65536 && nor_holds "$image/script" 65792
}
# Not a byte is sent before: what is said while nobody reads the UART stays in QEMU's socket, and its
# PL011 is in no hurry with it.
camd_listens() {
    until_true 240 grep -aq 'camd: factory: listening on serial:' "$work/nor.log" ||
        { tail -c 1500 "$work/nor.log"; return 1; }
}
says_hello() {
    timeout 60 "$peer" call "unix:$work/uart.sock" "$work/keys" hello >"$work/hello" 2>&1
    local rc=$?
    cat "$work/hello"
    [ $rc = 0 ] && jq -e '.chip_id == "f1a54ed0" and .boot_slot == "a"' "$work/hello"
}
linux_says_hello() {
    "$peer" keys "$work/keys" && until_true 180 says_hello || { tail -c 1500 "$work/nor.log"; return 1; }
}
# As on a line: it came without credentials, says so, and there is nothing else it would do.
asks_for_credentials() {
    jq -e '.factory_mode == false and .capabilities == ["hello"]
        and (.closed | contains("no factory credentials"))' "$work/hello"
}
no_program() {
    rm "$work/flasher.uimage"
    nor_on && nor_flash "unix:$work/uart.sock"
    [ $? = 2 ] && grep -q 'no .*/flasher.uimage, the program that board qemu-virt is flashed by' "$work/err"
}

no_port() {
    flash "unix:$work/nothing.sock"
    [ $? = 3 ] && grep -q 'no device: ' "$work/err"
}
nobody_speaks() {
    unit_off
    line_on && flash "pty:$work/line" --log "$work/silent.log" --wait 5
    [ $? = 1 ] && grep -q 'silent: .*not a byte came' "$work/err"
}
second_program() {
    unit_on && line_on --rate 5000 || return 1
    flash "pty:$work/line" >/dev/null &
    local flashing=$!
    until_true 20 grep -q 'U-Boot' "$work/flash.log" || return 1
    timeout 20 "$takt" flash --method uart --port "pty:$work/line" --bundle "$work/bundle.takt" \
        --key "$work/key.pub" --board "$board" >/dev/null 2>"$work/err2"
    local rc=$?
    kill -INT "$flashing" 2>/dev/null
    pkill -INT -P "$flashing" 2>/dev/null
    wait "$flashing"
    cat "$work/err2"
    [ $rc = 3 ] && grep -q 'busy: ' "$work/err2"
}

peer=$build/tests/integration/station_peer
make -C "$repo" --no-print-directory -s "$line_between" "$peer" && images_make || exit 2
check "a blank flash is written whole by U-Boot's commands" whole
check "the boot area is written last" boot_last
check "the log has what the unit said from its first byte" log_from_first_byte
check "unchanged: nothing is sent, all is verified" unchanged
check "three bytes differ: that image alone is written again" one_changed
check "over a terminal" over_a_terminal
check "bytes lost and flipped on the line" noise
check "restarts half way: said so, nothing of that image written" restart_half_way
check "the second try goes on where the first stopped" second_try
check "no such port is no device" no_port
check "a second program on the line is told that it is busy" second_program
check "a line on which nobody speaks is silent" nobody_speaks
line_off # it would take the next unit's UART for itself
image=${IMAGE:-$build/image/qemu-virt}
. "$repo/tests/machine/stub.bash"
. "$repo/tests/machine/flasher.bash"
[ -e "$image/script" ] || { echo "no $image/script: make image BOARD=qemu-virt"; exit 2; }
flasher_build "$work" && stub_make a && nor_bundle || exit 2
check "a machine with U-Boot alone is written whole by the program" program_writes_all
check "what was flashed starts" what_was_flashed_starts
check "its environment now forbids the prompt, its script's moment gives it: unchanged, nothing sent" program_unchanged
check "bytes lost and flipped under the program" program_on_a_bad_line
check "the whole firmware, its ends over the UART" linux_is_flashed
check "Linux starts from it, and camd listens on that UART" camd_listens
check "it says hello over the UART it was flashed by" linux_says_hello
check "and that it waits for its factory credentials" asks_for_credentials
check "the program missing is said before the unit is changed" no_program
suite_end
