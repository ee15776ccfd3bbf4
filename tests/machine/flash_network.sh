#!/usr/bin/env bash
# A rack of two machines whose flash holds U-Boot and nothing else: TFTP brings them the RAM flasher,
# one cast brings both the whole bundle, and they start into Linux. Then once more, unchanged.
. "$(dirname "${BASH_SOURCE[0]}")/../integration/suite.bash"
. "$repo/tests/machine/rack.bash"
rack_inside "$0" "$@"
image=${IMAGE:-$build/image/qemu-virt}
machines=2 server= dhcp=
rack_clean() {
    rack_off
    [ -z "$server" ] || kill "$server" 2>/dev/null
    [ -z "$dhcp" ] || kill "$dhcp" 2>/dev/null
    [ -z "${MACHINE_LOGS:-}" ] || cp "$work"/*.log "$MACHINE_LOGS/" 2>/dev/null
    suite_clean
}
trap rack_clean EXIT

# Each bank a window of the one file, as in bare.bash.
bank() { echo "driver=raw,node-name=bank$2,offset=$(($2 * 67108864)),size=67108864,file.driver=file,file.filename=$work/flash$1.img,file.locking=off"; }
on() { # N
    rack_on "$1" -blockdev "$(bank "$1" 0)" -blockdev "$(bank "$1" 1)" -machine pflash0=bank0,pflash1=bank1 \
        -fw_cfg "name=opt/takt/chip_id,string=c0ffee00$1"
}

each() { # COMMAND...: N is put behind it
    local n
    for ((n = 1; n <= machines; n++)); do "$@" $n || return 1; done
}

blank_but_for_the_loader() { # N
    tr '\0' '\377' </dev/zero | head -c 134217728 >"$work/flash$1.img" &&
        dd if=/usr/lib/u-boot/qemu_arm/u-boot.bin of="$work/flash$1.img" conv=notrunc status=none
}

# The first machine's flasher is told its address by the loader, the second's asks for it.
load_flasher() { # N
    local address=
    [ "$1" != 1 ] || address=takt.address=$(rack_address 1)/24
    rack_prompt "$1" || return 1
    rack_send "$1" "setenv ipaddr $(rack_address "$1"); setenv serverip $rack_host; setenv netmask 255.255.255.0"
    rack_send "$1" "setenv bootargs console=ttyAMA0,115200 quiet panic=3 $address"
    rack_send "$1" "tftpboot 0x44000000 castflash.fit && bootm 0x44000000#start 0x44000000#start \$fdtcontroladdr"
}

flashers_wait() { # N-TH TIME
    local n
    for ((n = 1; n <= machines; n++)); do
        rack_says $n "castflash: waiting for a station" 240 "$1" || return 1
    done
}

dhcp_on() {
    dnsmasq --no-daemon --conf-file=/dev/null --port=0 --interface=station --bind-interfaces --log-dhcp \
        --dhcp-range=192.168.66.100,static --dhcp-host=52:54:00:66:00:02,192.168.66.102 \
        --dhcp-leasefile="$work/leases" >"$work/dhcp.log" 2>&1 &
    dhcp=$!
    until_true 10 grep -q 'DHCP, ' "$work/dhcp.log"
}
has_a_lease() { grep -q 'DHCPACK.* 192.168.66.102 52:54:00:66:00:02' "$work/dhcp.log" || { cat "$work/dhcp.log"; return 1; }; }

tftp_brings_the_flasher() {
    "$takt" tftp --listen $rack_host --file "$image/castflash.fit" --slot "$(rack_address 1)=1" \
        --slot "$(rack_address 2)=2" >"$work/tftp.port" 2>"$work/tftp.log" &
    server=$!
    until_true 10 test -s "$work/tftp.port" && each load_flasher && flashers_wait 1 &&
        [ "$(grep -c '^slot [12] .*done' "$work/tftp.log")" = $machines ] || { cat "$work/tftp.log"; return 1; }
}

cast_bundle_to_all() { # RESULT
    "$takt" flash --method network --port "239.255.84.70@$rack_host/$machines" --bundle "$image/whole.takt" \
        --key "$image/bundle.pem" --log "$work/flash.log" --json >"$work/$1" 2>"$work/flash.err" ||
        { cat "$work/flash.err" "$work/flash.log"; return 1; }
}

flash_holds() { # N
    local part offset
    for part in kernel:kernel_a rootfs:rootfs_a script:script uboot.env:loader; do
        offset=$("$takt" board show qemu-virt --json | jq --arg p "${part#*:}" \
            '.flash.partitions[] | select(.name == $p) | .offset_bytes')
        cmp "$image/${part%%:*}" <(tail -c +$((offset + 1)) "$work/flash$1.img" |
            head -c "$(stat -c %s "$image/${part%%:*}")") || return 1
    done
}

linux_runs() { # N
    rack_says "$1" "castflash: flashed; restarting" 60 && rack_says "$1" "camd: camera: first frame" 240
}

# From the moment our script leaves to the flasher, as TFTP brought it before.
again_unchanged() {
    local n
    rack_off
    for ((n = 1; n <= machines; n++)); do on $n || return 1; done
    each load_flasher && flashers_wait 1 && cast_bundle_to_all second.json &&
        jq -e '.written_bytes == 0' "$work/second.json" &&
        jq -es '.[1].sent_bytes < .[0].sent_bytes / 10' "$work/first.json" "$work/second.json"
}

[ -e "$image/castflash.fit" ] || make -C "$repo" --no-print-directory image BOARD=qemu-virt >&2 || exit 2
rack_wire $machines && dhcp_on && each blank_but_for_the_loader && each on || exit 2
check "U-Boot with a blank flash loads the RAM flasher by our TFTP, a line a slot" tftp_brings_the_flasher
check "the second machine's flasher has its address from a DHCP server" has_a_lease
check "one cast: both are written and verified" cast_bundle_to_all first.json
check "the flash holds every image where the board says" each flash_holds
check "both start from it, into Linux and camd" each linux_runs
check "again, unchanged: nothing is sent, nothing written" again_unchanged
jq -cs '{first: .[0], second: .[1]}' "$work/first.json" "$work/second.json" >&2
suite_end
