# Fastboot on a real USB stack: our client against a gadget, Debian's fastboot against the same one,
# and the gadget misbehaving.
ids='{ "gadget": "1d6b:0104", "product": "gadget" }'
usb_board ssc337de-nand128 "$ids"
usb_images 12
check "a bundle is made" usb_bundle kernel="$work/kernel" rootfs="$work/rootfs" boot="$work/boot"

check "nothing at the port is no device" fails 3 "no device: usb:" 1
check "a unit in fastboot comes to its port" gadget_start 1 fastboot --set limit=0x480000
flashed() { flash_unit 1 && holds_all 1 && jq -e '.verified and .bytes == .written_bytes and .sent_bytes < .bytes * 0.7' "$work/flash.1.json"; }
check "it is flashed in windows, repeats do not cross the wire, the hash on the unit is right" flashed
last_is_boot() { grep -o 'flash:.*' "$work/unit.1/log" | tee /dev/stderr | tail -n 1 | grep -qx 'flash:boot'; }
check "the boot area came last" last_is_boot
memory_first() { awk '/^download/ { d = 1; h = 0 } /hash -v/ { if (d) h = 1 } /nand erase/ { if (!h) bad = 1; d = 0 } END { exit bad }' "$work/unit.1/log"; }
check "nothing was erased before its payload was whole in memory" memory_first
log_of_unit() { cat "$work/unit.1/flash.log"; grep -q -- '-- product gadget, loader U-Boot' "$work/unit.1/flash.log"; }
check "the log has what was asked and said" log_of_unit
check "flashed again, an unchanged unit is only compared" again
resumed() {
    # The last window's place is blank again: as after a cut.
    local offset=$(((11008 + 8192) * 1024))
    head -c 131072 /dev/zero | tr '\0' '\377' | dd of="$work/unit.1/flash" bs=1 seek=$offset conv=notrunc status=none iflag=fullblock &&
        flash_unit 1 && holds_all 1 && jq -e '.written_bytes > 0 and .written_bytes < 9000000' "$work/flash.1.json"
}
check "it goes on where the flash stops being right" resumed

peer_flashes() {
    gadget_blank 1 && gadget_start 1 fastboot --set limit=0x480000 &&
        for p in kernel_a:kernel rootfs_a:rootfs.padded boot:boot; do fastboot flash "${p%:*}" "$work/${p#*:}" || return 1; done
    holds_all 1
}
check "Debian's fastboot flashes the same gadget, split as sparse" peer_flashes
check "what it wrote is right for us too" again
peer_reads() { gadget_blank 1 && gadget_start 1 fastboot && fastboot getvar max-download-size 2>&1 | grep 0x02000000 && fastboot oem run:setenv takt0 5; }
check "Debian's fastboot and ours see one unit" peer_reads

wrong_board() { fresh fastboot --set product=other && fails 3 "wrong board: .*'other'" 1; }
check "a unit of another board is refused" wrong_board
check "and its flash is as it was" untouched
corrupt() { fresh fastboot --flaw corrupt && fails 1 "not verified: .*nothing was erased" 1 && untouched && ! grep -q 'nand erase' "$work/unit.1/log"; }
check "a payload damaged on its way erases nothing" corrupt
rot() { fresh fastboot --flaw rot && fails 1 "not verified: .*partition kernel_a" 1 && ! grep -q flash:boot "$work/unit.1/log"; }
check "a flash that does not hold what was written is not verified, the boot area not touched" rot
no_erase() { fresh fastboot --flaw erase-fails && fails 1 "unit failed: .*nand erase" 1; }
check "a failed erase stops it" no_erase
silent_erase() { fresh fastboot && head -c 134217728 /dev/zero >"$work/unit.1/flash" && gadget_start 1 fastboot --flaw no-erase && fails 1 "not verified" 1; }
check "an erase that silently did nothing is found" silent_erase
stalled() { fresh fastboot --flaw stall && fails 1 "stalled: .*download" 1; }
check "an endpoint that stalls in the download" stalled
gone() { fresh fastboot --flaw gone && fails 1 "gone: .*download" 1; }
check "a unit that goes away in the download" gone
short() { fresh fastboot --flaw short && fails 1 "an answer of 2 bytes" 1; }
check "an answer that is too short" short
no_run() { fresh fastboot --flaw no-run && fails 1 "not verified: .*no 'oem run'" 1 && holds_all 1; }
check "a loader that can run no command writes, and it is said what is not known" no_run
held() {
    fresh fastboot --flaw silent || return 1
    # Another program holds the interface: Debian's, waiting for the unit's answer.
    fastboot flash boot "$work/boot" >/dev/null 2>&1 &
    local peer=$!
    until_true 20 grep -q flash:boot "$work/unit.1/log" && fails 3 "busy: " 1
    local code=$?
    gadget_stop 1
    wait $peer
    return $code
}
check "a unit another program holds is busy" held
no_rights() {
    fresh fastboot && chmod 600 /dev/bus/usb/*/* && chmod 755 "$work" && chmod -R a+rX "$work" &&
        ! setpriv --reuid 65534 --regid 65534 --clear-groups "$takt" flash --method usb --port "usb:$(usb_port 1)" \
            --bundle "$work/bundle.takt" --key "$work/bundle.pem" --board "$work/board.json" 2>"$work/rights" &&
        cat "$work/rights" && grep -q 'permission: .*SUBSYSTEM=="usb", ATTR{idVendor}=="1d6b"' "$work/rights"
}
check "without rights the udev rule to add is told" no_rights

all_at_once() {
    local n code=0 pids=()
    for n in 1 2 3 4; do gadget_blank $n; gadget_start $n fastboot || return 1; done
    for n in 1 2 3 4; do flash_unit $n >/dev/null & pids+=($!); done
    for n in "${pids[@]}"; do wait "$n" || code=1; done
    cat "$work"/flash.*.json
    for n in 1 2 3 4; do holds_all $n || code=1; done
    return $code
}
check "four units at once" all_at_once
for n in 1 2 3 4; do gadget_stop $n; done
