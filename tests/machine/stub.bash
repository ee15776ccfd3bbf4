# A stub in the kernel's place (stub_kernel.c) as U-Boot starts it, and what its suites need built.

stub_ready() {
    [ -e "$image/flash.img" ] || { echo "no $image/flash.img: make image BOARD=qemu-virt"; exit 2; }
    make -s -C "$repo" "${slots_peer#"$repo"/}" || exit 2
}

# $work/stub_NAME: says "STUB NAME ARGUMENTS" and restarts.
stub_make() { # NAME
    arm-linux-gnueabihf-gcc -Os -ffreestanding -nostdlib -static -marm -Wall -Wextra -Werror \
        -Wl,--build-id=none,-Ttext=0x42000000 -DSTUB_NAME="\"$1\"" -o "$work/stub.elf" \
        "$repo/tests/machine/stub_kernel.c" &&
        arm-linux-gnueabihf-objcopy -O binary "$work/stub.elf" "$work/stub.bin" &&
        cat >"$work/stub.its" <<END &&
/dts-v1/; / { description = "stub"; #address-cells = <1>; images { kernel {
data = /incbin/("stub.bin"); type = "kernel"; arch = "arm"; os = "linux"; compression = "none";
load = <0x42000000>; entry = <0x42000000>; hash-1 { algo = "sha256"; }; };
ramdisk { data = /incbin/("stub.its"); type = "ramdisk"; arch = "arm"; os = "linux";
compression = "none"; hash-1 { algo = "sha256"; }; }; };
configurations { default = "start"; start { kernel = "kernel"; ramdisk = "ramdisk"; }; }; };
END
        (cd "$work" && mkimage -f stub.its "stub_$1" >mkimage.log 2>&1)
}
