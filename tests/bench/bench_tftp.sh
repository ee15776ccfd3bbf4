#!/usr/bin/env bash
# TFTP to eight real U-Boots at once: our server beside tftpd-hpa and dnsmasq, on the same bridge, the
# same file, in turns. Block by block, which is all that vendors' U-Boots know; with windows U-Boot
# 2023.01 under QEMU 7.2 goes deaf now and then, by either kind of virtio-net, until it is reset.
# A unit has a processor of its own, and a U-Boot that waits keeps it busy: the machines have the first
# core to themselves and the servers the others, so that none waits for a unit to lose its turn.
. "$(dirname "${BASH_SOURCE[0]}")/../integration/suite.bash"
. "$repo/tests/machine/rack.bash"
rack_inside "$0" "$@"
machines=${MACHINES:-8} rounds=${ROUNDS:-3} file_bytes=${FILE_BYTES:-2000000}
u_boot=/usr/lib/u-boot/qemu_arm/u-boot.bin
server=
rack_clean() {
    rack_off
    [ -z "$server" ] || kill "$server" 2>/dev/null
    suite_clean
}
trap rack_clean EXIT

serve() { # ours|tftpd-hpa|dnsmasq
    case $1 in
    ours) "$takt" tftp --listen $rack_host --file image="$work/served/image" >/dev/null 2>"$work/server.log" & ;;
    tftpd-hpa) in.tftpd --foreground --secure --user root --address $rack_host:69 "$work/served" 2>"$work/server.log" & ;;
    dnsmasq) dnsmasq --no-daemon --port=0 --enable-tftp --tftp-root="$work/served" --user=root \
        --listen-address=$rack_host --bind-interfaces --conf-file=/dev/null 2>"$work/server.log" & ;;
    esac
    server=$!
    until_true 10 eval "ss -Hulpn | grep -q '192.168.66.1:69 '"
}

unserve() {
    kill "$server"
    wait "$server" 2>/dev/null
    server=
    until_true 10 eval "! ss -Hulpn | grep -q '192.168.66.1:69 '"
}

fetched=0
# Seconds until the last machine has the file, by its own word; `fetched` was counted up before.
fetch_all() {
    local n began now
    began=$(date +%s%N)
    for ((n = 1; n <= machines; n++)); do rack_send "$n" "tftpboot 0x41000000 image"; done
    for ((n = 1; n <= machines; n++)); do
        rack_says "$n" "Bytes transferred = $file_bytes" 300 $fetched >&2 || return 1
    done
    now=$(date +%s%N)
    awk "BEGIN { printf \"%.3f\n\", ($now - $began) / 1e9 }"
}

measure() { # NAME LOSS
    local who round seconds
    : >"$work/times"
    for ((round = 1; round <= rounds; round++)); do
        for who in ours tftpd-hpa dnsmasq; do
            fetched=$((fetched + 1))
            serve "$who" && seconds=$(fetch_all) || { cat "$work/server.log" >&2; return 1; }
            unserve
            echo "$who $seconds" | tee -a "$work/times" >&2
        done
    done
    # The middle one of each server's rounds.
    sort -k1,1 -k2,2n "$work/times" |
        awk -v total="$((machines * file_bytes))" -v name="$1" -v loss="$2" -v machines="$machines" '
        { t[$1, ++n[$1]] = $2 }
        END {
            for (w in n) mid[w] = total / 1e6 / t[w, int((n[w] + 1) / 2)]
            best = mid["dnsmasq"] > mid["tftpd-hpa"] ? "dnsmasq" : "tftpd-hpa"
            printf "{\"bench\":\"TFTP to %d U-Boots, %s\",\"value\":%.2f,\"unit\":\"MB/s in all\",\"reference\":%.2f,\"peer\":\"%s\",\"method\":\"QEMU machines (U-Boot 2023.01, no KVM) on taps of one bridge, on a core of their own, %d bytes each in blocks of 1468, %s, until the last one says it has all; middle of %d rounds in turns\"}\n",
                machines, name, mid["ours"], mid[best], best, total / machines, loss, n["ours"]
        }'
}

mkdir -p "$work/served" && chmod 755 "$work" "$work/served"
head -c "$file_bytes" /dev/urandom >"$work/served/image"
chmod 644 "$work/served/image"
rack_wire "$machines" || exit 3
taskset -cp 0 $$ >/dev/null
for ((n = 1; n <= machines; n++)); do rack_on "$n" -bios $u_boot; done
for ((n = 1; n <= machines; n++)); do
    rack_prompt "$n" >&2 || exit 3
    rack_send "$n" "setenv ipaddr $(rack_address "$n"); setenv serverip $rack_host; setenv netmask 255.255.255.0"
done
[ "$(nproc --all)" = 1 ] || taskset -cp "1-$(($(nproc --all) - 1))" $$ >/dev/null
# Once for nothing: the first run is QEMU's translation of U-Boot.
fetched=1
serve ours && fetch_all >/dev/null && unserve || exit 3
measure "no loss" "no loss" || exit 3
rack_loss "$machines" 10 || exit 3
measure "0.1 % lost" "0.1 % of the packets towards each unit lost" || exit 3
