# Kernel and root file system, signed: what updates a unit.
bundle_make() {
    "${TAKT:-build/takt}" bundle make --board "firmware/boards/$board.json" --version "$VERSION" \
        --release "$RELEASE" --key "$key" --image kernel="$work/kernel" \
        --image rootfs="$work/rootfs" --out "$work/bundle.takt" >&2 ||
        fail "the bundle could not be made"
    # Whose bundles a unit with this image takes: a bench checks them against it as well.
    cp "$key_public" "$work/bundle.pem"
}
