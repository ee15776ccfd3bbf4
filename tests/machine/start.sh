#!/usr/bin/env bash
# The whole way of a machine from power-on: U-Boot, script, kernel, init, camd, first frame, the
# agent's hello on UART and network; the data partition made at the first start and kept.
. "$(dirname "$0")/unit.bash"
peer=$build/tests/integration/station_peer
make -s -C "$repo" "${peer#"$repo"/}" || exit 2
"$peer" keys "$work/keys" || exit 2
[ -e "$image/flash.img" ] || { echo "no $image/flash.img: make image BOARD=qemu-virt"; exit 2; }

hello() { timeout 20 "$peer" call "$1" "$work/keys" hello; }
over_network() { hello "tcp://127.0.0.1:${unit_port[one]}" >"$work/hello"; }
over_uart() { hello "unix:${unit_dir[one]}/uart.sock" >"$work/hello_uart"; }
same_unit() {
    [ "$(jq -r .chip_id "$work/hello")" = "${unit_chip[one]}" ] &&
        [ "$(jq -r .chip_id "$work/hello_uart")" = "${unit_chip[one]}" ]
}

unit_new one "$image/flash.img"
unit_on one || exit 3
check "camd starts and says which slot it runs" unit_waits one 120 "boot: slot a"
check "the first frame" unit_waits one 120 "camera: first frame"
check "hello on the network" until_true 120 over_network
check "hello on the UART, between the kernel's lines" until_true 60 over_uart
check "both are this unit" same_unit
check "the data partition becomes a file system" unit_waits one 60 "data: ubifs on /data"
unit_off one
unit_on one || exit 3
check "after a power cut the data partition is found again" unit_waits one 120 "data: ubifs on /data"
check "and was not made anew" sh -c "! tail -c +${unit_from[one]} '${unit_dir[one]}/uart.log' | grep -a 'made anew'"
suite_end
