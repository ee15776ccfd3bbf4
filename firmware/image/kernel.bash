# The kernel as U-Boot starts it: a FIT image whose parts carry SHA-256 sums that bootm checks, so
# that a slot with a flipped bit is one that does not start, not one that runs wrong.

# An initramfs with what the kernel lacks to see its flash (first.c).
initramfs_make() { # FILE
    local root=$work/tmp/initramfs module path
    mkdir -p "$root"/{dev,proc,sys,run,root,lib}
    arm-linux-gnueabihf-gcc --sysroot="$PWD/build/sysroot-armhf" -static -Os -s \
        -ffile-prefix-map="$PWD"=. -Wl,--build-id=none -Wall -Wextra -Werror \
        -o "$root/init" $here/first.c
    about '.linux.modules[]? | select(.early).name' | while read -r module; do
        modules_needed "$module"
    done | awk '!seen[$0]++' >"$work/tmp/order"
    while read -r path; do
        cp "build/kernel-armhf/lib/modules/$kernel_release/$path" "$root/lib/"
        module=$(basename "$path")
        echo "$module$(case $module in cmdlinepart.ko) echo " mtdparts=$(mtdparts)" ;; esac)"
    done <"$work/tmp/order" >"$root/modules"
    same_time "$root"
    (cd "$root" && find . -mindepth 1 | sort | cpio --quiet --reproducible -o -H newc -R 0:0) >"$1"
}

mtdparts() {
    printf '%s:' "$(about .linux.mtd)"
    about '[.flash.partitions[] | "\(.size_kib)k@\(.offset_kib)k(\(.name))"] | join(",")'
}

fit_part() { # NODE TYPE FILE PROPERTIES
    echo "$1 { data = /incbin/(\"$3\"); type = \"$2\"; arch = \"$fit_arch\";" \
        "$4 hash-1 { algo = \"sha256\"; }; };"
}

kernel_make() {
    local initramfs=initramfs.cpio
    fit_arch=arm
    mkdir -p "$work/tmp"
    if ! kernel_is_debians; then
        # A vendor's U-Boot starts what its SDK makes (a uImage, which bootm checks by its CRC-32).
        [ -n "${input[kernel]:-}" ] || fail "board $board names no input \"kernel\""
        cp "${input[kernel]}" "$work/kernel"
        return 0
    fi
    $here/kernel
    .ci/sysroot armhf
    kernel_release=$(cat build/kernel-armhf/release)
    # U-Boot unpacks gzip in a fraction of the time a zImage takes for its own XZ: the flash has room.
    gzip -9nc build/kernel-armhf/Image >"$work/tmp/kernel.gz"
    initramfs_make "$work/tmp/$initramfs"
    kernel_fit kernel.gz gzip $(($(cat build/kernel-armhf/text_offset))) $initramfs kernel
}

# Kernel and an initramfs of $work/tmp as one image for bootm.
kernel_fit() { # KERNEL COMPRESSION BYTES-BEHIND-THE-START-OF-MEMORY INITRAMFS FILE
    local load
    load=$(printf '0x%x' $((($(about .boot.load_address) & ~0xfffffff) + $3)))
    {
        echo "/dts-v1/; / { description = \"$board $VERSION\"; #address-cells = <1>; images {"
        fit_part kernel kernel "$1" "compression = \"$2\"; os = \"linux\"; load = <$load>; entry = <$load>;"
        fit_part ramdisk ramdisk "$4" 'compression = "none"; os = "linux";'
        echo "}; configurations { default = \"start\"; start { kernel = \"kernel\";" \
            "ramdisk = \"ramdisk\"; }; }; };"
    } >"$work/tmp/$5.its"
    (cd "$work/tmp" && mkimage -f "$5.its" "../$5" >mkimage.log 2>&1) ||
        { cat "$work/tmp/mkimage.log" >&2; fail "mkimage could not make $5"; }
}

# Paths of a module and all it needs, in the order to load them; none when it is built in.
modules_needed() { # NAME
    local tree=build/kernel-armhf/lib/modules/$kernel_release name=${1//-/_} line
    line=$(awk -v name="$name" '{
        path = $1; sub(/:$/, "", path); file = path; sub(/.*\//, "", file); sub(/\.ko$/, "", file)
        gsub(/-/, "_", file)
        if (file == name) { for (i = NF; i > 1; i--) print $i; print path; found = 1 } }
        END { exit !found }' "$tree/modules.dep") && { echo "$line"; return; }
    sed 's/.*\///; s/\.ko$//; s/-/_/g' "$tree/modules.builtin" | grep -qx "$name" ||
        fail "board $board names module '$1', which kernel $kernel_release does not have"
}
