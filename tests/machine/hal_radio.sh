#!/usr/bin/env bash
# The Linux HAL's radio on mac80211_hwsim: wlan0 with a real wpa_supplicant, wlan1 in a namespace of
# its own with hostapd, a DHCP server and iperf3; checked against iw, ip and hostapd. First at 2.4 GHz,
# then at 5 GHz, as the country's rules of the air allow (wireless-regdb). Then Bluetooth through the
# kernel's HCI sockets, with a controller of hci_vhci.
. "$(dirname "$0")/guest.bash"
guest_run "mac80211_hwsim radios=2;hci_vhci" --seconds 900

echo 5cc336000000000000000000000000a1 >/run/chip_id
ln -s "$(command -v busybox)" /usr/local/bin/udhcpc
mkdir -p /etc/udhcpc && cp "$repo/firmware/hal/linux/udhcpc.script" /etc/udhcpc/default.script
in_air() { ip netns exec air "$@"; }

supplicant_up() { wpa_supplicant -B -i wlan0 -D nl80211 -C /run/wpa_supplicant >"$work/wpa.log" 2>&1; }
check "before wpa_supplicant runs the radio waits, then is missing" refused missing join line "a passphrase" 5000
check "wpa_supplicant starts" supplicant_up
air_up() {
    ip netns add air && iw phy "$(iw dev wlan1 info | awk '/wiphy/ { print "phy" $2 }')" set netns name air &&
        in_air ip link set lo up && in_air ip address add 10.9.0.1/24 dev wlan1 || return 1
    printf '%s\n' interface=wlan1 "ctrl_interface=$work/hostapd" driver=nl80211 hw_mode=g channel=6 ieee80211n=1 wmm_enabled=1 \
        "$1" wpa=2 wpa_key_mgmt=WPA-PSK rsn_pairwise=CCMP "wpa_passphrase=a passphrase" >"$work/hostapd.conf"
    in_air hostapd -B -P "$work/hostapd.pid" "$work/hostapd.conf" >"$work/hostapd.log" 2>&1 ||
        { cat "$work/hostapd.log"; return 1; }
    in_air iperf3 -s -D && until_true 20 eval 'in_air ss -Hltn | grep -q ":5201 "'
}
check "an access point comes up" air_up ssid=line
server() {
    printf '%s\n' "start 10.9.0.20" "end 10.9.0.40" "interface wlan1" "lease_file $work/leases" \
        "pidfile $work/udhcpd.pid" "option subnet 255.255.255.0" >"$work/udhcpd.conf"
    : >"$work/leases"
    in_air busybox udhcpd -f "$work/udhcpd.conf" >"$work/udhcpd.log" 2>&1 &
    until_true 20 eval 'in_air ss -Hlun | grep -q ":67 "' || { cat "$work/udhcpd.log"; return 1; }
}
check "a network that nobody sends is missing" refused missing join nowhere "a passphrase" 20000
check "a wrong passphrase is refused" refused refused join line "another passphrase" 30000
no_lease() { refused timeout join line "a passphrase" 15000 && grep -q "DHCP" "$work/call.log" && call link && holds '.[0].associated == false'; }
check "without an address the radio has not joined" no_lease
check "a DHCP server starts" server
joined() { call join line "a passphrase" 40000 , link , route 10.9.0.1 5201; }
check "with everything right it joins" joined
facts_of_iw() {
    local link
    link=$(iw dev wlan0 link)
    echo "$link"
    equal "$(result '.[0] | [.associated, .ssid, .bssid, .frequency_mhz] | map(tostring) | join(" ")')" \
        "true line $(awk '/Connected to/ { print $3 }' <<<"$link") $(awk '/freq:/ { print int($2) }' <<<"$link")" &&
        between "$(result '.[0].rssi_dbm')" "$(awk '/signal:/ { print $2 - 5 }' <<<"$link")" "$(awk '/signal:/ { print $2 + 5 }' <<<"$link")" &&
        holds '.[0].tx_rate_mbps >= 1'
}
check "the link is what iw says" facts_of_iw
check "the address is the DHCP server's" eval 'ip -4 address show dev wlan0 | tee /dev/stderr | grep -q "10.9.0.[234]"'
check "the route is the interface to bind to" eval 'equal "$(result ".[1] | [.host, .port, .interface] | map(tostring) | join(\" \")")" "10.9.0.1 5201 wlan0"'
traffic() {
    local before after
    before=$(cat /sys/class/net/wlan0/statistics/tx_bytes)
    iperf3 -J -t 2 --connect-timeout 10000 --bind-dev wlan0 -c 10.9.0.1 -p 5201 >"$work/iperf.json" || { cat "$work/iperf.json"; return 1; }
    after=$(cat /sys/class/net/wlan0/statistics/tx_bytes)
    jq -e '.end.sum_received.bits_per_second > 500000' "$work/iperf.json" && [ $((after - before)) -gt 100000 ]
}
check "iperf3's traffic crosses the radio" traffic
# What a campaign does to it, by the station's driver; the unit is told nothing.
access_point() { in_air "$build/tests/machine/access_point" "$work/hostapd/wlan1" wlan1 "$@" | tee "$work/access_point"; return "${PIPESTATUS[0]}"; }
with_it_at() { iw dev wlan0 link | tee /dev/stderr | grep -q "freq: $1"; }
switched() { access_point mhz 2462 && equal "$(cat "$work/access_point")" 2462 && in_air iw dev wlan1 info | grep 'channel 11 (2462 MHz)' && until_true 30 with_it_at 2462; }
check "told to, the access point goes to 2462 MHz, and the unit with it" switched
alone() { iw dev wlan0 link | grep -q 'Not connected'; }
off_and_on() {
    access_point on 0 mhz && equal "$(tr '\n' ' ' <"$work/access_point")" "0 0 " && until_true 60 alone || return 1
    access_point mhz 2437 on 1 mhz && equal "$(tr '\n' ' ' <"$work/access_point")" "0 1 2437 " && until_true 90 with_it_at 2437
}
check "switched off it is lost; moved meanwhile and on again it is gone back to" off_and_on
heard() { call link >/dev/null && result '.[0].rssi_dbm'; }
heard_near() { between "$(heard)" $(($1 - 1)) $(($1 + 1)); }
weaker() { # mac80211_hwsim hears a sender by its power
    local before
    access_point dbm 20 && before=$(heard) && access_point dbm 8 && equal "$(cat "$work/access_point")" 8 &&
        in_air iw dev wlan1 info | grep 'txpower 8.00 dBm' && until_true 30 heard_near $((before - 12)) && access_point dbm 20
}
check "its power is turned down by 12 dB, and the unit hears that" weaker
check "what it cannot do is refused" eval '! access_point mhz 2999 && until_true 60 with_it_at 2437'
left() { call leave , link && holds '.[0].associated == false' && ! ip -4 address show dev wlan0 | grep -q inet; }
check "it leaves, and gives the address back" left
check "no route after that" refused state route 10.9.0.1 5201
standby() { call load standby && ! ip link show dev wlan0 | grep -q '[<,]UP[,>]' && call load idle && ip link show dev wlan0 | grep -q '[<,]UP[,>]'; }
sed '/"camera": "/d' "$board" >"$work/deaf.json"
check "standby takes the interface down, idle brings it back" eval 'call_board=$work/deaf.json standby'
# ---- 5 GHz ----
# The kernel looks for the rules from its first file system, where this root is a folder.
rules_of_the_air() {
    mkdir -p /run/rules && cp -L /lib/firmware/regulatory.db /lib/firmware/regulatory.db.p7s /run/rules &&
        printf /root/run/rules >/sys/module/firmware_class/parameters/path && iw reg reload && iw reg set CN &&
        until_true 20 eval 'iw reg get | grep -q "country CN"'
}
check "the country's rules of the air are loaded" rules_of_the_air
forbidden() { # at the channel of 5180 MHz nobody may send first where the rules are not known
    local flags
    flags=$(in_air iw phy "$(in_air iw dev wlan1 info | awk '/wiphy/ { print "phy" $2 }')" info | grep -F '5180')
    echo "$flags"
    ! grep -q 'no IR\|disabled' <<<"$flags"
}
check "they allow channel 36" until_true 10 forbidden
other_band() { access_point mhz 5180 && in_air iw dev wlan1 info | grep 'channel 36 (5180 MHz)' && access_point mhz 2437 && in_air iw dev wlan1 info | grep 'channel 6 (2437 MHz)'; }
check "told to, it goes to the other band and back" other_band
moved_up() {
    local old
    old=$(cat "$work/hostapd.pid") && kill "$old" && until_true 10 eval "! kill -0 $old 2>/dev/null" || return 1
    sed -i -e 's/^hw_mode=.*/hw_mode=a/' -e 's/^channel=.*/channel=36/' -e '$a country_code=CN\nieee80211d=1' "$work/hostapd.conf"
    in_air hostapd -B -P "$work/hostapd.pid" "$work/hostapd.conf" >"$work/hostapd.log" 2>&1 || { cat "$work/hostapd.log"; return 1; }
    in_air iw dev wlan1 info | grep 'channel 36 (5180 MHz)'
}
check "the access point moves to 5180 MHz" moved_up
check "a board of 2.4 GHz alone does not hear it, and says so" eval \
    'refused missing join line "a passphrase" 20000 && grep -q "2.4 GHz, the board.s only band" "$work/call.log"'
sed 's/"bands_ghz": \[2.4\]/"bands_ghz": [2.4, 5]/' "$board" >"$work/two_bands.json"
two_bands() { call_board=$work/two_bands.json call "$@"; }
joined_up() { two_bands join line "a passphrase" 40000 , link && holds '.[0].frequency_mhz == 5180 and .[0].country == "CN"' && facts_of_iw; }
check "one with both bands joins at 5 GHz; the link is what iw says" joined_up
check "iperf3's traffic crosses 5 GHz" traffic
check "it leaves 5 GHz" eval 'two_bands leave , link && holds ".[0].associated == false"'
moved_down() {
    local old
    old=$(cat "$work/hostapd.pid") && kill "$old" && until_true 10 eval "! kill -0 $old 2>/dev/null" || return 1
    sed -i -e 's/^hw_mode=.*/hw_mode=g/' -e 's/^channel=.*/channel=6/' "$work/hostapd.conf"
    in_air hostapd -B -P "$work/hostapd.pid" "$work/hostapd.conf" >"$work/hostapd.log" 2>&1 || { cat "$work/hostapd.log"; return 1; }
    two_bands join line "a passphrase" 40000 , link && holds '.[0].frequency_mhz == 2437' && two_bands leave
}
check "back at 2.4 GHz it is joined there by the same board" moved_down

hostile() { # quotes, a backslash, bytes that are no letters
    local old
    old=$(cat "$work/hostapd.pid") && kill "$old" && until_true 10 eval "! kill -0 $old 2>/dev/null" || return 1
    sed -i 's/^ssid=.*/ssid2=6122205c20780a79ff/' "$work/hostapd.conf"
    in_air hostapd -B -P "$work/hostapd.pid" "$work/hostapd.conf" >"$work/hostapd.log" 2>&1 || { cat "$work/hostapd.log"; return 1; }
    call join "$(printf 'a" \\ x\ny\377')" "a passphrase" 40000 && iw dev wlan0 link | grep SSID
}
check "a network with a hostile name is joined by its bytes" hostile

# ---- Bluetooth ----
sed 's/"radio": "wlan0",/"radio": "wlan0", "bluetooth": "hci0",/' "$board" >"$work/blue.json"
controller_up() {
    "$build/tests/machine/hci_controller" 02:00:5e:10:00:2a >"$work/controller.log" 2>&1 &
    controller=$!
    until_true 20 grep -q '^controller hci0' "$work/controller.log" || { cat "$work/controller.log"; return 1; }
}
check "without a controller Bluetooth waits, then is missing" eval 'call_board=$work/blue.json refused missing advertise takt-1'
check "a controller comes up" controller_up
advertised() {
    call_board=$work/blue.json call advertise takt-00c0ffee0042 , silence , advertise again
    cat "$work/controller.log"
    holds '.[0].address == "02:00:5e:10:00:2a"' && [ "$(sed 1d "$work/controller.log")" = "reset
advertises takt-00c0ffee0042 every 100 ms, type 3
reset
reset
advertises again every 100 ms, type 3
reset" ]
}
check "the unit advertises by its address and is silent afterwards" advertised
taken() {
    "$hal_call" "$work/blue.json" advertise first , pause 20000 >"$work/first" 2>&1 &
    local first=$! code
    until_true 20 grep -q 'advertises first' "$work/controller.log" &&
        call_board=$work/blue.json refused busy advertise second
    code=$?
    kill $first
    return $code
}
check "a controller that another program has is busy" taken
kill $controller
suite_end
