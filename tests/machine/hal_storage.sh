#!/usr/bin/env bash
# The Linux HAL's flash (NAND with bad blocks, NOR, eMMC) and card on nandsim, mtdram, a loop device
# and QEMU's SD card, checked against nanddump, dd and blockdev; UBIFS beside them.
. "$(dirname "$0")/guest.bash"
[ -n "${TAKT_INSIDE:-}" ] || truncate -s 64M "$work/card.img"
# Bad as it ships: kernel_a's second block. kernel_b's first fails to erase after its first time,
# rootfs_a's 13th too; and a page of its 23rd fails to program after its first time.
# Behind the board's 128 MiB: 32 for UBI, its first block bad.
guest_run "$nandsim badblocks=33,1024 weakblocks=64:1,140:1 weakpages=9601:1 parts=1024,256;zstd;lzo;deflate;ubi;ubifs;sdhci-pci;mmc_block;loop" \
    --seconds 900 \
    --qemu "-device sdhci-pci -drive if=none,id=card,format=raw,file=$work/card.img -device sd-card,drive=card"
# ---- flash: NAND with bad blocks ----
nand=/dev/mtd0
head -c $((5 * 131072)) /dev/urandom >"$work/image"
check "five blocks go in and come back" call flash erase kernel_a 0 655360 , flash program kernel_a 0 "$work/image" , \
    flash sync , flash read kernel_a 0 655360 "$work/back"
check "they are what was written" cmp "$work/image" "$work/back"
passed_over() { # block 33 is bad: the partition's blocks are 32, 34, 35, ...
    nanddump -q --bb=skipbad -s $((4096 * 1024)) -l $((6 * 131072)) -f "$work/dump" $nand 2>/dev/null
    cmp -n $((5 * 131072)) "$work/image" "$work/dump" &&
        nanddump -q --bb=skipbad -s $((34 * 131072)) -l 131072 $nand 2>/dev/null | cmp - <(tail -c +131073 "$work/image" | head -c 131072)
}
check "the bad block was passed over, as nanddump does" passed_over
head -c 2048 /dev/urandom >"$work/page"
part_of_page() {
    call flash erase env 0 131072 , flash program env 4096 "$work/page" , flash read env 4000 3000 "$work/some" &&
        cmp <(tail -c +97 "$work/some" | head -c 2048) "$work/page" && equal "$(head -c 96 "$work/some" | tr -d '\377' | wc -c)" 0
}
check "any bytes are read; what was erased is 0xff" part_of_page
check "a misaligned erase is refused" refused input flash erase env 2048 131072
check "half a page is refused" refused input flash program env 0 <(head -c 1000 "$work/page")
check "a range that leaves its partition is refused" refused input flash erase env $((3 * 131072)) $((2 * 131072))
check "a partition that is not there is missing" refused missing flash read nowhere 0 1 "$work/none"
bad_count() { cat /sys/class/mtd/mtd0/bad_blocks; }
wears_out() { # kernel_b's first block erases once, then never again
    call flash erase kernel_b 0 131072 || return 1
    refused io flash erase kernel_b 0 131072 && grep -q "marked bad" "$work/call.log" &&
        call flash erase kernel_b 0 131072 , flash program kernel_b 0 "$work/page" &&
        nanddump -q -s $((65 * 131072)) -l 2048 $nand 2>/dev/null | cmp - "$work/page"
}
check "a block that fails is marked bad and passed over" wears_out
full() { # 32 blocks, one of them bad
    refused full flash erase kernel_a $((31 * 131072)) 131072
}
check "a partition has no room for its bad blocks" full
wrong_part() {
    sed 's/"size_mib": 128/"size_mib": 256/' "$board" >"$work/wrong.json"
    call_board=$work/wrong.json refused input flash read env 0 1 "$work/none" && grep -q 134217728 "$work/call.log"
}
check "a part of another size than the board's is refused" wrong_part

# ---- the RAM flasher on it: whole images over blocks that are bad and blocks that go bad ----
cast_bundle() { # NAME
    head -c 300000 /dev/urandom >"$work/$1.kernel" && head -c 3200001 /dev/urandom >"$work/$1.rootfs" &&
        "$takt" bundle make --board "$board" --release 1 --version 1.0 --key "$work/bundle.key" \
            --image kernel="$work/$1.kernel" --image rootfs="$work/$1.rootfs" --out "$work/$1.takt"
}
cast_flash() { # NAME
    "$build/castflash" --board "$board" --key "$work/bundle.key.pub" --bundle "$work/$1.takt" >"$work/cast.log" 2>&1
    local code=$?
    cat "$work/cast.log"
    return $code
}
# As U-Boot and nanddump count: good blocks alone.
nand_holds() { # FILE BLOCK
    nanddump -q --bb=skipbad -s $(($2 * 131072)) -l $((($(stat -c %s "$1") + 131071) / 131072 * 131072)) -f "$work/dump" $nand 2>/dev/null
    cmp -n "$(stat -c %s "$1")" "$1" "$work/dump"
}
nand_has() { nand_holds "$work/$1.kernel" 32 && nand_holds "$work/$1.rootfs" 128; }
cast_over_a_bad_block() {
    # What is there before has to be erased: that is the weak block's one time.
    call flash program rootfs_a 0 "$work/image" , flash program rootfs_a $((12 * 131072)) "$work/page" &&
        "$takt" bundle key --out "$work/bundle.key" && cast_bundle first && cast_flash first && nand_has first &&
        equal "$(bad_count)" "$bad_before"
}
cast_while_blocks_go_bad() {
    cast_bundle second && cast_flash second && nand_has second && equal "$(bad_count)" $((bad_before + 2))
}
echo 0123456789abcdef >/run/chip_id
bad_before=$(bad_count)
check "castflash: a bundle is written over a bad block" cast_over_a_bad_block
check "castflash: an erase and a program that fail: both blocks marked, what moved is written again" cast_while_blocks_go_bad

# ---- the data partition: UBIFS beside what the HAL writes ----
ubi_up() {
    local data=/dev/mtd1
    mkdir "$work/data" && ubiformat -q -y "$data" && ubiattach -p "$data" >/dev/null &&
        ubimkvol /dev/ubi0 -N data -m >/dev/null && mount -t ubifs ubi0:data "$work/data" &&
        cp "$work/image" "$work/data/kept" && umount "$work/data" && ubidetach -p "$data" &&
        ubiattach -p "$data" >/dev/null && mount -t ubifs ubi0:data "$work/data" &&
        cmp "$work/image" "$work/data/kept" && umount "$work/data" && ubidetach -p "$data"
}
check "UBIFS on the data partition keeps a file over unmount and detach" ubi_up

# ---- flash: NOR, and partitions that the kernel shows by name ----
grep -v '^ *//' "$board" | jq '.flash = { kind: "nor", size_mib: 32, erase_bytes: 131072, page_bytes: 256,
    partitions: [ ["boot", 0], ["env", 1024], ["identity", 2048], ["factory", 3072], ["kernel_a", 4096],
        ["kernel_b", 8192], ["rootfs_a", 12288], ["rootfs_b", 16384], ["data", 20480] ]
        | map({ name: .[0], offset_kib: .[1], size_kib: 1024, protected: (.[0] | test("boot|identity|factory")) }) } | .linux.mtd = "mtdram test device"' >"$work/nor.json"
nor() { # loaded while the HAL waits for it; the module empties its memory when it is seen already
    { sleep 1 && modprobe mtdram total_size=32768 erase_size=128; } &
    call_board=$work/nor.json call flash erase env 0 131072 && wait $! &&
        call_board=$work/nor.json call flash erase env 0 131072 , flash program env 131072 "$work/page" , flash sync &&
        whole=/dev/$(awk -F: '/mtdram test device/ { print $1 }' /proc/mtd) &&
        cmp "$work/page" <(dd if="$whole" bs=128k skip=9 count=1 2>/dev/null | head -c 2048)
}
check "NOR: what is programmed lies where the board says" nor
by_name() { # a device of the partition's name and size is taken for it
    mtdpart add "$whole" data $((24 * 1048576)) 1048576 || return 1
    call_board=$work/nor.json call flash program data 0 "$work/page" &&
        cmp "$work/page" <(dd if="$whole" bs=1M skip=24 count=1 2>/dev/null | head -c 2048)
}
check "a partition that the kernel shows by name is used through that" by_name

# ---- flash: a block device, as eMMC is ----
truncate -s 128M "$work/emmc.img"
emmc=$(losetup -f --show "$work/emmc.img")
sed "s/\"kind\": \"nand\"/\"kind\": \"emmc\"/; s/\"page_bytes\": 2048/\"page_bytes\": 512/; s#\"mtd\": .*#\"block\": \"$emmc\",#" "$board" >"$work/emmc.json"
block() {
    call_board=$work/emmc.json call flash erase env 0 131072 , flash program env 512 "$work/page" , flash sync || return 1
    blockdev --flushbufs "$emmc"
    cmp "$work/page" <(dd if="$emmc" bs=512 skip=$((2048 + 1)) count=4 2>/dev/null) &&
        equal "$(dd if="$emmc" bs=512 skip=2048 count=1 2>/dev/null | tr -d '\377' | wc -c)" 0 &&
        call_board=$work/emmc.json call flash read env 600 100 "$work/some" && cmp -n 100 "$work/some" <(tail -c +89 "$work/page")
}
check "an eMMC's partitions are written past the cache, erased is 0xff" block
check "an eMMC too small for the board is refused" eval 'losetup -d "$emmc"; truncate -s 100M "$work/emmc.img"; losetup "$emmc" "$work/emmc.img" && call_board=$work/emmc.json refused input flash read env 0 1 "$work/none"'

# ---- card ----
card_there() { call card status && equal "$(result '.[0] | [.present, .write_protected, .bytes, .block_bytes] | map(tostring) | join(" ")')" \
    "true false $(blockdev --getsize64 /dev/mmcblk0) 512"; }
check "the card's size is blockdev's" card_there
card_data() {
    call card write 1048576 "$work/image" , card read 1048576 655360 "$work/back" && cmp "$work/image" "$work/back" &&
        dd if=/dev/mmcblk0 iflag=direct bs=64k skip=16 count=10 2>/dev/null | cmp - "$work/image"
}
check "what is written to the card is what dd reads" card_data
check "part of a block is refused" refused input card write 100 "$work/page"
check "a write past the card's end is refused" refused input card write $((64 * 1048576)) "$work/page"
protect() {
    blockdev --setro /dev/mmcblk0
    call card status && holds '.[0].write_protected' && refused refused card write 0 "$work/page"
    local code=$?
    blockdev --setrw /dev/mmcblk0
    return $code
}
check "a write-protected card says so and is not written" protect
pulled() {
    echo "$(basename "$(readlink -f /sys/block/mmcblk0/device)")" >/sys/bus/mmc/drivers/mmcblk/unbind
    call card status , pause 9000 , card status && holds '.[0].present == false and .[1].present == false' && refused missing card read 0 512 "$work/none"
}
check "an empty socket is no error, a read from it is" pulled

suite_end
