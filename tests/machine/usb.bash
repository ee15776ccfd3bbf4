# What the suites of units on USB share: gadgets on the kernel's looped device controllers, and a
# bundle to flash them with. Source it behind guest.bash's guest_run with the modules $usb_modules.
usb_modules="configfs;libcomposite;usb_f_fs;dummy_hcd num=${usb_units:-1}"
gadget=$build/tests/machine/usb_gadget

# The board of the gadgets is a real board's, with the gadget's ids.
usb_board() { # BOARD USB-SECTION
    sed 's|^ *//.*||' "$repo/firmware/boards/$1.json" | jq --argjson usb "$2" '.boot.usb = $usb' >"$work/board.json"
}

# Images of a kernel and a root file system with what does not repeat, what does, and blank stretches.
usb_bundle() { # name=file...
    local image images=()
    openssl ecparam -genkey -name prime256v1 -noout -out "$work/bundle.key" &&
        openssl ec -in "$work/bundle.key" -pubout -out "$work/bundle.pem" 2>/dev/null || return 1
    for image in "$@"; do images+=(--image "$image"); done
    "$takt" bundle make --board "$work/board.json" --release 1 --version 1.0 --key "$work/bundle.key" \
        "${images[@]}" --out "$work/bundle.takt"
}
usb_images() { # ROOTFS-MIB
    head -c 1500000 /dev/urandom >"$work/kernel"
    { head -c $(($1 << 19)) /dev/urandom; head -c $(($1 << 18)) /dev/zero
      head -c $(($1 << 18)) /dev/zero | tr '\0' '\377'; echo end; } >"$work/rootfs"
    # Debian's fastboot wants whole blocks.
    cp "$work/rootfs" "$work/rootfs.padded" && truncate -s %4096 "$work/rootfs.padded"
    head -c 250001 /dev/urandom >"$work/boot"
}

# A unit at port N (1 is usb:1-1) in a role, its files in $work/unit.N; kept over a restart.
declare -A gadget_pid=()
gadget_start() { # N ROLE [option...]
    local n=$1 role=$2 dir=$work/unit.$1
    shift 2
    gadget_stop "$n"
    mkdir -p "$dir"
    rm -f "$dir/ready"
    "$gadget" --role "$role" --udc "dummy_udc.$((n - 1))" --dir "$dir" --board "$work/board.json" "$@" \
        >"$dir/out" 2>&1 &
    gadget_pid[$n]=$!
    until_true 20 eval "[ -e '$dir/ready' ] || ! kill -0 ${gadget_pid[$n]} 2>/dev/null"
    [ -e "$dir/ready" ] || { cat "$dir/out"; return 1; }
    until_true 20 test -e "/sys/bus/usb/devices/$(usb_port "$n")/bConfigurationValue"
}
gadget_stop() { # N
    [ -n "${gadget_pid[$1]:-}" ] || return 0
    kill "${gadget_pid[$1]}" 2>/dev/null
    until_true 30 eval "! kill -0 ${gadget_pid[$1]} 2>/dev/null" || kill -9 "${gadget_pid[$1]}"
    gadget_pid[$1]=
    # Of one that came to an early end.
    umount "$work/unit.$1"/ffs.* 2>/dev/null
    return 0
}
gadget_blank() { gadget_stop "$1"; rm -rf "$work/unit.$1"; }
# Bus N has one port; buses of QEMU's own, if any, come first.
usb_port() { echo "$(cat "/sys/devices/platform/dummy_hcd.$(($1 - 1))"/usb*/busnum)-1"; }

flash_unit() { # N [option...]
    local n=$1
    shift
    mkdir -p "$work/unit.$n"
    "$takt" flash --method usb --port "usb:$(usb_port "$n")" --bundle "$work/bundle.takt" \
        --key "$work/bundle.pem" --board "$work/board.json" --log "$work/unit.$n/flash.log" --json "$@" \
        >"$work/flash.$n.json" 2>"$work/flash.$n.err"
    local code=$?
    cat "$work/flash.$n.json" "$work/flash.$n.err"
    return $code
}
# The flash of unit N holds a file at a partition's place, bounded to the file.
holds_image() { # N PARTITION FILE
    local offset
    offset=$(sed 's|//.*||' "$work/board.json" | jq ".flash.partitions[] | select(.name == \"$2\").offset_kib * 1024")
    cmp -n "$(stat -c %s "$3")" "$work/unit.$1/flash" "$3" "$offset" 0
}
holds_all() { holds_image "$1" kernel_a "$work/kernel" && holds_image "$1" rootfs_a "$work/rootfs" && holds_image "$1" boot "$work/boot"; }
# flash_unit fails with this status, and says this.
fails() { # STATUS TEXT N [option...]
    local status=$1 text=$2
    shift 2
    flash_unit "$@"
    local code=$?
    [ $code -eq "$status" ] && grep -q -- "$text" "$work/flash.$1.err"
}
fresh() { gadget_blank 1 && gadget_start 1 "$@"; }
untouched() { ! tr -d '\377' <"$work/unit.1/flash" | head -c 1 | grep -q .; }
said() { grep -q -- "$1" "$work/unit.1/log"; }
again() { flash_unit 1 && jq -e '.verified and .written_bytes == 0' "$work/flash.1.json"; }
