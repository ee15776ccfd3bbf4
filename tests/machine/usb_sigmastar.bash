# SigmaStar's boot on a real USB stack, from its ROM to U-Boot, and misbehaving; and ports learned by
# plugging units in.
usb_images 4
head -c 20001 /dev/urandom >"$work/updater"
head -c 262144 /dev/urandom >"$work/uboot"
usb_board ssc337de-nand128 '{ "rom": "1b20:0300", "gadget": "1b20:0300", "loaders": ["usb_updater", "usb_uboot"] }'
check "a bundle with updater and U-Boot is made" usb_bundle kernel="$work/kernel" rootfs="$work/rootfs" boot="$work/boot" usb_updater="$work/updater" usb_uboot="$work/uboot"
sum() { sha256sum "$1" | cut -d' ' -f1; }
sigmastar() {
    fresh sigmastar && flash_unit 1 && holds_all 1 && jq -e '.verified and .bytes == .written_bytes' "$work/flash.1.json" &&
        said "NUL loaded 20001 bytes, sha256 $(sum "$work/updater")" && said "UPD loaded 262144 bytes, sha256 $(sum "$work/uboot")"
}
check "from the ROM over the updater to U-Boot, flashed and verified" sigmastar
memory_first() { awk '/^UBO loaded/ { d = 1; h = 0 } /run hash -v/ { if (d) h = 1 } /run nand erase/ { if (!h) bad = 1; d = 0 } END { exit bad }' "$work/unit.1/log"; }
check "nothing was erased before its payload was whole in memory" memory_first
check "flashed again from U-Boot, an unchanged unit is only compared" again
taken() { # usb-storage has the ROM before we come
    fresh sigmastar && until_true 20 test -e "/sys/bus/usb/drivers/usb-storage/$(usb_port 1):1.0" && flash_unit 1 && holds_all 1
}
check "the kernel's usb-storage is detached" taken
check "a loader damaged on its way is not started" eval 'fresh updater --flaw corrupt && fails 1 "unit failed: .*U-Boot: the unit.s result is 0d 01" 1 && untouched'
check "a payload damaged on its way erases nothing" eval 'fresh uboot --flaw corrupt && fails 1 "unit failed: .*result is 0d 01" 1 && untouched && ! said "nand erase"'
check "a failed erase is not success" eval 'fresh uboot --flaw erase-fails && fails 1 "nand erase .*result is 0d 01" 1 && untouched'
check "a flash that does not hold what was written" eval 'fresh uboot --flaw rot && fails 1 "not verified: .*kernel_a" 1 && ! said "nand erase 0x0 "'
check "a product that is no stage" eval 'fresh sigmastar --set product=XYZ && fails 1 "wrong stage: .*.XYZ." 1'
check "an INQUIRY that is too short" eval 'fresh sigmastar --flaw short && fails 1 "wrong stage: " 1'
check "an endpoint that stalls" eval 'fresh sigmastar --flaw stall && fails 1 "stalled: .*updater" 1'
check "a unit that does not come back" eval 'fresh sigmastar --flaw lost && fails 1 "not back: .*within 3 s" 1 --wait 3'

# ---- which port is which slot
learned() {
    gadget_stop 1
    gadget_stop 2
    gadget_stop 3
    gadget_start 3 sigmastar || return 1 # there before: nobody's
    "$takt" flash --learn 2 --board "$work/board.json" --json >"$work/learned" 2>"$work/learn.err" &
    local learner=$! code=0
    until_true 20 grep -q 'slot 1' "$work/learn.err" && gadget_start 2 sigmastar &&
        until_true 20 grep -q 'slot 2' "$work/learn.err" && gadget_start 1 sigmastar || code=1
    wait $learner || code=1
    cat "$work/learned" "$work/learn.err"
    [ $code -eq 0 ] && jq -e --arg one "usb:$(usb_port 2)" --arg two "usb:$(usb_port 1)" \
        '. == [{slot: 1, port: $one}, {slot: 2, port: $two}]' "$work/learned"
}
check "ports are learned in the order in which units are plugged in" learned
for n in 1 2 3; do gadget_stop $n; done
