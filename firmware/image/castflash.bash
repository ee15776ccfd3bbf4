# The RAM flasher for racks (firmware/cast): the same kernel with an initramfs that holds castflash,
# what it links, and the drivers of flash and wired network. A FIT image for bootm, castflash.fit.

# What gets at the flash, the wire, a card and the chip id; no camera, sound or radio.
flasher_modules() {
    local name
    {
        about '.linux.modules[]?.name'
        # Where a loader reads cards: a reader on virtio, USB or a slot of the machine's own.
        [ -z "$(about '.boot.card // ""')" ] || printf '%s\n' virtio_blk mmc_block
    } | while read -r name; do
        modules_needed "$name" >"$work/tmp/needed"
        case $(tail -n 1 "$work/tmp/needed") in
        */drivers/net/wireless/*) ;;
        extra/* | */drivers/mtd/* | */drivers/virtio/* | */drivers/net/* | */drivers/block/* | \
            */drivers/mmc/* | */fs/fat/* | */fs/nls/*) cat "$work/tmp/needed" ;;
        esac
    done | awk '!seen[$0]++'
}

castflash_make() {
    local program=${CASTFLASH:-build/$arch/castflash} applet path module interface address gateway
    # A brought kernel takes what its SDK packs with it; castflash itself is built for it all the same.
    kernel_is_debians || return 0
    [ -n "${CASTFLASH:-}" ] || make --no-print-directory "-j$(nproc)" CROSS="$arch" "build/$arch/castflash" >&2
    root=$work/tmp/castflash
    mkdir -p "$root"/{bin,dev,proc,sys,run,card,lib/modules,etc}
    cp "build/image-$arch/bin/busybox" "$root/bin/"
    for applet in sh mount umount insmod cat echo sleep ip udhcpc reboot ls sed grep ifconfig route; do
        ln -s busybox "$root/bin/$applet"
    done
    program_take "$program" bin/castflash
    flasher_modules >"$work/tmp/order"
    while read -r path; do
        module=$(basename "$path")
        cp "build/kernel-armhf/lib/modules/$kernel_release/$path" "$root/lib/modules/"
        echo "$module$(case $module in cmdlinepart.ko) echo " mtdparts=$(mtdparts)" ;; esac)"
    done <"$work/tmp/order" >"$root/etc/modules"
    cp "firmware/boards/$board.json" "$root/etc/board.json"
    cp "$key_public" "$root/etc/bundle.pem"
    about '.network // {} | "\(.interface // "") \(.address // "") \(.gateway // "")"' >"$root/etc/address"
    cp $here/root/castflash "$root/init"
    cp $here/root/lease "$root/etc/lease"
    chmod 755 "$root/init" "$root/etc/lease"
    same_time "$root"
    (cd "$root" && find . -mindepth 1 | sort | cpio --quiet --reproducible -o -H newc -R 0:0) |
        gzip -9n >"$work/tmp/castflash.cpio.gz"
    # A zImage: it goes over the wire, and lies far enough up that what it unpacks does not reach it.
    cp build/kernel-armhf/zImage "$work/tmp/zImage"
    kernel_fit zImage none $((0x2000000)) castflash.cpio.gz castflash.fit
}
