#!/usr/bin/env bash
# Ways of loading that the machine's own U-Boot does not have, with the real U-Boot of a PC (16550
# UART, network): a prompt that counts, loadx, another rate and back, TFTP started from the console.
# Unit and station each have a terminal, and between two that are at different rates is only noise.
. "$(dirname "${BASH_SOURCE[0]}")/../integration/suite.bash"
. "$repo/tests/machine/rack.bash"
rack_inside "$0" "$@"
line_between=$build/tests/machine/line_between
unit_pid= line_pid=

unit_off() {
    [ -z "$unit_pid" ] || { kill -KILL "$unit_pid"; wait "$unit_pid"; } 2>/dev/null
    unit_pid=
}
clean() {
    unit_off
    [ -z "$line_pid" ] || { kill -TERM "$line_pid"; wait "$line_pid"; } 2>/dev/null
    suite_clean
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

unit_on() {
    unit_off
    nice qemu-system-i386 -machine pc -m 128 -nodefaults -no-user-config -display none \
        -bios /usr/lib/u-boot/qemu-x86/u-boot.rom \
        -drive "if=none,id=disk,format=raw,file=$work/disk.img" \
        -device virtio-blk-pci,drive=disk,disable-legacy=on,disable-modern=off \
        -netdev tap,id=net,ifname=unit1,script=no,downscript=no -device e1000,netdev=net \
        -chardev "serial,id=uart,path=$work/unit,logfile=$work/uart.log" -serial chardev:uart \
        2>"$work/qemu.log" &
    unit_pid=$!
}
line_on() {
    "$line_between" --terminals "$work/line" "$work/unit" 2>"$work/line.log" &
    line_pid=$!
    until_true 10 test -L "$work/unit"
}
blank() { rm -f "$work/disk.img"; truncate -s 64M "$work/disk.img"; }

# The board as it is, and with another member or two.
board() { # NAME JQ-EXPRESSION
    sed 's|^ *//.*||' "$repo/tests/machine/uboot-pc.json" | jq ".board = \"$1\" | $2" >"$work/$1.json" &&
        "$takt" bundle make --board "$work/$1.json" --release 1 --version 0.1 --key "$work/key" \
            --image boot="$work/boot" --image kernel="$work/kernel" --image rootfs="$work/rootfs" \
            --out "$work/$1.takt"
}
boards_make() {
    head -c 20000 /dev/urandom >"$work/kernel"
    head -c 30001 /dev/urandom >"$work/rootfs"
    head -c 3000 /dev/urandom >"$work/boot"
    "$takt" bundle key --out "$work/key" && board counts . && board loadx '.boot.load = "loadx"' &&
        board rate '.boot.baud = 38400 | .boot.load_baud = 115200' && board no-tftp '.boot.tftp = false'
}
flash() { # BOARD [option...]
    local board=$1
    shift
    timeout 200 "$takt" flash --method uart --port "pty:$work/line" --bundle "$work/$board.takt" \
        --key "$work/key.pub" --board "$work/$board.json" --log "$work/flash.log" --json "$@" \
        >"$work/out" 2>"$work/err"
    local rc=$?
    cat "$work/out" "$work/err" "$work/flash.log"
    return $rc
}
holds() { cmp -n "$(stat -c %s "$1")" "$1" "$work/disk.img" 0 $(($2 * 1024)); } # FILE OFFSET_KIB
holds_all() { holds "$work/boot" 0 && holds "$work/kernel" 4096 && holds "$work/rootfs" 12288; }
written() { holds_all && jq -e '.verified and .written_bytes == 53001' "$work/out"; }

# Keys only once it counts: before that, one Ctrl-C in half a second.
stop_prompt() {
    blank && unit_on && flash counts && written && grep -q 'Hit any key to stop autoboot' "$work/flash.log" &&
        grep -q 'loady 0x1000000' "$work/flash.log"
}
by_loadx() { blank && unit_on && flash loadx && written && grep -q 'loadx 0x1000000' "$work/flash.log"; }

# A loader at 38400 from here on, told so on its console.
slow_console() {
    stty -F "$work/line" raw -echo 115200 && exec 3<>"$work/line" || return 1
    local end=$((SECONDS + 30))
    until grep -aq '^=> ' "$work/uart.log"; do
        [ $SECONDS -lt $end ] || return 1
        printf ' ' >&3
        sleep 0.2
    done
    printf '\003' >&3
    printf 'setenv baudrate 38400\r' >&3
    until_true 10 grep -aq 'Switch baudrate to 38400 bps and press ENTER' "$work/uart.log" || return 1
    stty -F "$work/line" 38400
    sleep 0.3 # it waits 50 ms before it switches
    printf '\r' >&3
    exec 3>&-
}
misheard() { kill -TERM "$line_pid"; wait "$line_pid"; line_pid=; cat "$work/line.log"; }
raised_rate() {
    : >"$work/uart.log"
    blank && unit_on && slow_console && flash rate && written || return 1
    # Three images up and back, and what rates the two sides had, they had at once.
    [ "$(grep -c 'Switch baudrate to 115200 bps and press ENTER' "$work/flash.log")" = 3 ] &&
        [ "$(grep -c 'Switch baudrate to 38400 bps and press ESC' "$work/flash.log")" = 3 ] &&
        [ "$(grep -c -- '-- 115200 baud' "$work/flash.log")" = 3 ] &&
        [ "$(grep -c -- '-- 38400 baud' "$work/flash.log")" = 4 ]
}
# The proof of the line: a station that stays at the wrong rate hears nothing that makes sense.
wrong_rate() {
    blank && unit_on && ! flash counts --board "$work/rate.json" --bundle "$work/rate.takt" --wait 8 &&
        grep -q 'no prompt of the boot loader\|not a byte came' "$work/err"
}

by_tftp() {
    blank && unit_on && flash counts --tftp $rack_host --address "$(rack_address 1)/24" && written &&
        [ "$(grep -c 'tftpboot 0x1000000 ' "$work/flash.log")" -ge 3 ] &&
        ! grep -q 'loady' "$work/flash.log" &&
        grep -q -- '-- tftp: 30208 of 30208 bytes of rootfs over' "$work/flash.log"
}
# The address of its own comes from a DHCP server; what that would have it boot is left alone.
by_tftp_and_dhcp() {
    dnsmasq --no-daemon --conf-file=/dev/null --port=0 --interface=station --bind-interfaces \
        --dhcp-range=192.168.66.150,192.168.66.160 --dhcp-boot=other-image --log-dhcp \
        --dhcp-leasefile="$work/leases" >"$work/dhcp.log" 2>&1 &
    local server=$!
    until_true 10 grep -q 'DHCP, IP range' "$work/dhcp.log" && blank && unit_on &&
        flash counts --tftp $rack_host && written && grep -q 'DHCPACK' "$work/dhcp.log"
    local rc=$?
    kill $server
    wait $server 2>/dev/null
    return $rc
}
# Nothing is erased or written for an image that did not come.
no_such_network() {
    blank && unit_on && ip link set unit1 down
    flash counts --tftp $rack_host --address "$(rack_address 1)/24"
    local rc=$?
    ip link set unit1 up
    [ $rc = 1 ] && grep -q 'unit failed: "tftpboot' "$work/err" && cmp -n 67108864 "$work/disk.img" /dev/zero
}
refused_before_power() {
    unit_off
    flash no-tftp --tftp $rack_host
    [ $? = 2 ] && grep -q "its boot loader has no network" "$work/err" || return 1
    flash counts --tftp $rack_host --address 192.168.66.101
    [ $? = 2 ] && grep -q 'expected an IPv4 address and the bits' "$work/err" || return 1
    "$takt" tftp --listen $rack_host --file "$work/kernel" >"$work/port" 2>/dev/null &
    local server=$!
    until_true 10 test -s "$work/port"
    flash counts --tftp $rack_host
    local rc=$?
    kill $server
    wait $server 2>/dev/null
    [ $rc = 3 ] && grep -q 'another server has port 69' "$work/err"
}

make -C "$repo" --no-print-directory -s "$line_between" && rack_wire 1 && boards_make && line_on || exit 2
check "a loader that counts aloud is stopped when it does" stop_prompt
check "by loadx" by_loadx
check "by TFTP, started from the console" by_tftp
check "by TFTP, the unit's address from a DHCP server" by_tftp_and_dhcp
check "no network: said so, nothing written" no_such_network
check "loader without network, bad address, a port that is taken: said before the unit is touched" refused_before_power
check "up to the raised rate and back for each image" raised_rate
check "between two rates nothing is heard" wrong_rate
suite_end
