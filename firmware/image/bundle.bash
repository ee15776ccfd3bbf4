# Bundles, signed: bundle.takt, kernel and root file system, what updates a unit; and whole.takt, with
# what it starts with as well and what its boot ROM is given, what a blank unit is flashed with.
bundle_make() {
    local -a slots=(--image kernel="$work/kernel" --image rootfs="$work/rootfs")
    local -a boot=(--image boot="${input[u-boot]}")
    ! partition_has loader || boot+=(--image loader="$work/uboot.env" --image script="$work/script")
    local loader
    for loader in $(about '.boot.usb.loaders[]?'); do boot+=(--image "$loader=${input[$loader]}"); done
    bundle_write bundle.takt "${slots[@]}"
    bundle_write whole.takt "${slots[@]}" "${boot[@]}"
    # Whose bundles a unit with this image takes: a bench checks them against it as well.
    cp "$key_public" "$work/bundle.pem"
}

bundle_write() { # FILE --image NAME=FILE...
    local file=$1
    shift
    "${TAKT:-build/takt}" bundle make --board "firmware/boards/$board.json" --version "$VERSION" \
        --release "$RELEASE" --key "$key" "$@" --out "$work/$file" >&2 ||
        fail "$file could not be made"
}
