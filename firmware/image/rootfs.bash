# The root file system: busybox, camd and what it links, the board's modules, the few lines of init.

triplet() { case $arch in armhf) echo arm-linux-gnueabihf ;; mipsel) echo mipsel-linux-gnu ;; esac; }

# A shared library by its name, in what is compiled against and what the image takes from Debian.
library_find() { # NAME
    find "build/sysroot-$arch" "build/image-$arch" \
        \( -path "*/lib/$(triplet)/$1" -o -path "*/usr/lib/$(triplet)/$1" \) 2>/dev/null | head -n 1
}

# What a program or library links, and what that links.
libraries_take() { # FILE
    local name path
    for name in $(readelf -d "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p') \
        $(readelf -l "$1" 2>/dev/null | sed -n 's/.*interpreter: \/lib\/\(.*\)\]/\1/p'); do
        [ -e "$root/lib/$name" ] && continue
        path=$(library_find "$name")
        [ -n "$path" ] || fail "$(basename "$1") needs $name, which no package of .ci/packages brings"
        cp -L "$path" "$root/lib/$name"
        libraries_take "$path"
    done
}

program_take() { # FILE TO
    cp "$1" "$root/$2"
    chmod 755 "$root/$2"
    "$(triplet)-strip" "$root/$2"
    libraries_take "$root/$2"
}

# Modules in the order to load them, "FILE [options]" a line, each once; without those the initramfs
# loaded.
modules_take() { # LIST < "NAME [options]" a line
    local name options path module
    while read -r name options; do
        [ -n "$name" ] || continue
        modules_needed "$name" >"$work/tmp/modules"
        while read -r path; do
            module=$(basename "$path")
            ! grep -qs "^$module" "$work/tmp/initramfs/modules" "$root"/etc/takt/*modules || continue
            cp "build/kernel-armhf/lib/modules/$kernel_release/$path" "$root/lib/modules/"
            case ${module//-/_} in
            "${name//-/_}.ko") echo "$module${options:+ $options}" ;;
            *) echo "$module" ;;
            esac >>"$root/etc/takt/$1"
        done <"$work/tmp/modules"
    done
}

# The same for a kernel that was brought with an archive of its modules.
modules_brought() { # < "NAME [options]" a line
    local name options path
    while read -r name options; do
        path=$(cd "$root/lib/modules" && find . -name "$name.ko" | head -n 1)
        [ -n "$path" ] || fail "board $board names module '$name', which kernel_modules does not hold"
        echo "${path#./}${options:+ $options}"
    done
}

rootfs_make() {
    root=$work/tmp/root
    local camd=${CAMD:-build/$arch/camd} applet console archive
    .ci/sysroot "$arch"
    [ -n "${CAMD:-}" ] || make --no-print-directory "-j$(nproc)" CROSS="$arch" "build/$arch/camd" >&2
    [ -e "$camd" ] || fail "there is no $camd"
    mkdir -p "$root"/{bin,sbin,dev,proc,sys,run,data,usr/bin,lib/modules,etc/takt}
    ln -s run/tmp "$root/tmp"
    ln -s run "$root/var"
    cp "build/image-$arch/bin/busybox" "$root/bin/"
    for applet in sh mount umount mkdir insmod cat echo sleep ip udhcpc reboot poweroff sync sed grep ls \
        dmesg ps kill ln rm ifconfig route; do
        ln -s busybox "$root/bin/$applet"
    done
    ln -s ../bin/busybox "$root/sbin/init"
    program_take "$camd" usr/bin/camd
    case $(about .image.data) in
    ubifs)
        for applet in ubiattach ubimkvol ubiupdatevol ubiformat; do
            program_take "build/image-$arch/usr/sbin/$applet" "sbin/$applet"
        done ;;
    esac
    for archive in kernel_modules vendor_libraries; do
        [ -n "${input[$archive]:-}" ] || continue
        tar -xf "${input[$archive]}" -C "$root" ||
            fail "$archive: ${input[$archive]} is not an archive that tar reads"
    done
    if kernel_is_debians; then
        : >"$root/etc/takt/data_modules"
        case $(about .image.data) in
        # UBIFS wants its compressors there before it is loaded.
        ubifs) printf '%s\n' zstd lzo deflate ubi ubifs ;;
        jffs2) echo jffs2 ;;
        ext4) echo ext4 ;;
        esac | modules_take data_modules
        about '.linux.modules[]? | select(.early | not) | .name + " " + (.options // "")' |
            modules_take modules
    else
        : >"$root/etc/takt/data_modules"
        about '.linux.modules[]? | .name + " " + (.options // "")' | modules_brought >"$root/etc/takt/modules"
    fi
    cp $here/root/inittab "$root/etc/"
    cp $here/root/{start,data,network,lease} "$root/etc/takt/"
    console=$(about .boot.console)
    sed "s|@LINE@|serial:/dev/$console?baud=$(about .boot.baud)|" $here/root/camd >"$root/etc/takt/camd"
    chmod 755 "$root"/etc/takt/{camd,start,data,network,lease}
    cp "firmware/boards/$board.json" "$root/etc/takt/board.json"
    about '.image.data' >"$root/etc/takt/data_system"
    about '.network // {} | "\(.interface // "") \(.address // "") \(.gateway // "")"' >"$root/etc/takt/address"
    cp "$key_public" "$root/etc/takt/bundle.pem"
    printf '%s\n' "$VERSION" >"$root/etc/takt/version"
    [ -z "${EXTRA:-}" ] || cp -r "$EXTRA"/. "$root/"
    same_time "$root"
    # lz4 unpacks fastest, and a slot has room: what counts is the time until camd runs.
    mksquashfs "$root" "$work/rootfs" -quiet -no-progress -noappend -all-root -no-xattrs \
        -comp lz4 -Xhc -processors 2 >"$work/tmp/mksquashfs.log" 2>&1 ||
        { cat "$work/tmp/mksquashfs.log" >&2; fail "mksquashfs could not make the root file system"; }
}
