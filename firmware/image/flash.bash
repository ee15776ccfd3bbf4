# The whole flash as a programmer writes it: what is not said to be there is erased.

flash_put() { # FILE PARTITION
    fits "$(basename "$1")" "$1" "$2"
    dd if="$1" of="$work/flash.img" bs=64K seek="$(partition_offset "$2")" oflag=seek_bytes \
        conv=notrunc status=none
}

flash_make() {
    if partition_has loader; then
        mkenvimage -s "$(partition_bytes loader)" -o "$work/uboot.env" "$work/tmp/uboot.txt"
        chmod 644 "$work/uboot.env"
    else
        cp "$work/tmp/uboot.txt" "$work/uboot.env"
    fi
    # NAND has bad blocks, which a programmer must step over; eMMC is no file to hand about.
    [ "$kind" = nor ] || return 0
    head -c "$(about .flash.size_bytes)" /dev/zero | tr '\0' '\377' >"$work/flash.img"
    flash_put "${input[u-boot]}" boot
    flash_put "$work/kernel" kernel_a
    flash_put "$work/rootfs" rootfs_a
    if partition_has loader; then
        flash_put "$work/uboot.env" loader
        flash_put "$work/script" script
    fi
}
