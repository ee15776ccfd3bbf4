# DFU and the boot ROMs on a real USB stack: units that go from stage to stage, Debian's dfu-util on
# the same gadget, and units that misbehave.
spl=$work/spl uboot=$work/uboot
usb_images 4
head -c 20001 /dev/urandom >"$spl"
head -c 262144 /dev/urandom >"$uboot"

# ---- DFU and Ingenic
usb_board t31-nor16 '{ "rom": "a108:c309", "gadget": "a108:4d44", "cpu": "T31", "loaders": ["usb_spl", "usb_uboot"] }'
check "a bundle with the boot ROM's loaders is made" usb_bundle kernel="$work/kernel" rootfs="$work/rootfs" boot="$work/boot" usb_spl="$spl" usb_uboot="$uboot"
flashed() { fresh dfu && flash_unit 1 && holds_all 1 && jq -e '.verified and .bytes == .written_bytes' "$work/flash.1.json"; }
check "DFU: a unit is written and read back" flashed
last_is_boot() { grep -o '^written.*' "$work/unit.1/log" | tee /dev/stderr | tail -n 1 | grep -q '^written boot'; }
check "DFU: the boot area came last" last_is_boot
check "DFU: flashed again, an unchanged unit is only compared" again
peer_reads() { dfu-util -d a108:4d44 -a kernel_a -U "$work/read" -Z 1500000 && cmp -n 1500000 "$work/read" "$work/kernel"; }
check "DFU: dfu-util reads what we wrote" peer_reads
peer_writes() {
    fresh dfu && for p in kernel_a:kernel rootfs_a:rootfs boot:boot; do
        dfu-util -d a108:4d44 -a "${p%:*}" -D "$work/${p#*:}" || return 1
    done
    holds_all 1
}
check "DFU: dfu-util writes the same gadget" peer_writes
check "DFU: what it wrote is right for us too" again
slow() { fresh dfu --set flush_ms=6000 && flash_unit 1 && holds_all 1; }
check "DFU: a unit that holds the control endpoint for 6 s is waited for" slow
no_erase() { gadget_blank 1 && mkdir -p "$work/unit.1" && head -c 16777216 /dev/zero >"$work/unit.1/flash" && gadget_start 1 dfu --flaw no-erase && fails 1 "not verified: " 1 && ! said 'written boot'; }
check "DFU: an erase that silently failed is found, the boot area not touched" no_erase
write_fails() { fresh dfu --flaw write-fails && fails 1 "unit failed: .*cannot write its memory" 1; }
check "DFU: a unit's error is told in words" write_fails
stalled() { fresh dfu --flaw stall && fails 1 "stalled: .*DFU DNLOAD" 1; }
check "DFU: a refused block" stalled
gone() { fresh dfu --flaw gone && fails 1 "gone: " 1; }
check "DFU: a unit that goes away" gone
short() { fresh dfu --flaw short && fails 1 "a DFU status of 3 bytes" 1; }
check "DFU: a status that is too short" short
no_upload() { fresh dfu --flaw no-upload && fails 1 "not verified: .*cannot upload" 1 && holds_all 1; }
check "DFU: a unit that cannot upload is written, and it is said what is not known" no_upload

padded() { { cat "$1"; head -c $(((32 - $(stat -c %s "$1") % 32) % 32)) /dev/zero; } | sha256sum | cut -d' ' -f1; }
ingenic() {
    fresh ingenic && flash_unit 1 && holds_all 1 && jq -e .verified "$work/flash.1.json" &&
        said "stage 1 at 80001000.*$(padded "$spl")" && said "caches flushed" && said "stage 2 at 80100000.*$(padded "$uboot")"
}
check "Ingenic: from the boot ROM over both stages to DFU, flashed and verified" ingenic
log_of_unit() { cat "$work/unit.1/flash.log"; grep -q ' T31V$' "$work/unit.1/flash.log" && grep -q 'PROG_STAGE2: gone' "$work/unit.1/flash.log" && grep -q 'back after' "$work/unit.1/flash.log"; }
check "Ingenic: the log has what the ROM said and how it left" log_of_unit
wrong_cpu() { fresh ingenic --set cpu=T40XP && fails 3 "wrong board: .*'T40XP'" 1 && ! said 'stage 1'; }
check "Ingenic: another CPU is refused before anything is loaded" wrong_cpu
check "Ingenic: a CPU info that is too short" eval 'fresh ingenic --flaw short && fails 1 "CPU info of 3 bytes" 1'
check "Ingenic: an endpoint that stalls" eval 'fresh ingenic --flaw stall && fails 1 "stalled: .*stage 2" 1'
check "Ingenic: a unit that does not come back" eval 'fresh ingenic --flaw lost && fails 1 "not back: .*within 3 s" 1 --wait 3'
no_fuses() { ! grep -r FUSES "$work"/unit.*/log; }
check "Ingenic: no request was one that burns fuses" no_fuses
together() {
    local n code=0 pids=()
    for n in 1 2 3; do gadget_blank $n; gadget_start $n ingenic || return 1; done
    for n in 1 2 3; do flash_unit $n >/dev/null & pids+=($!); done
    for n in "${pids[@]}"; do wait "$n" || code=1; done
    cat "$work"/flash.*.json
    for n in 1 2 3; do holds_all $n || code=1; gadget_stop $n; done
    return $code
}
check "Ingenic: three units at once, changes of stage included" together

for n in 1 2 3; do gadget_stop $n; done
