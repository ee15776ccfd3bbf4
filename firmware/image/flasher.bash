# The program that writes the flash for a boot loader that cannot: freestanding, for the board's
# load address (firmware/flasher).

flasher_make() {
    local program address
    program=$(about '.boot.program // ""') address=$(about '.boot.load_address')
    [ -n "$program" ] || return 0
    [ "$arch" = armhf ] || fail "board $board names program $program, which is written for armhf alone"
    arm-linux-gnueabihf-gcc -std=c11 -Os -Wall -Wextra -Werror -Wno-unused-parameter -I. \
        -ffreestanding -fno-builtin -nostdlib -static -marm -mcpu=cortex-a7 -mfloat-abi=soft \
        -mno-unaligned-access -fno-stack-protector -fno-tree-loop-distribute-patterns \
        -fno-pic -no-pie -ffile-prefix-map="$PWD"=. -Wl,--build-id=none -Wl,-s -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 \
        -Wl,-T,firmware/flasher/flasher.ld -Wl,--defsym=load_address="$address" \
        -o "$work/tmp/flasher.elf" firmware/flasher/start.S firmware/flasher/*.c -lgcc ||
        fail "$program could not be made"
    arm-linux-gnueabihf-objcopy -O binary "$work/tmp/flasher.elf" "$work/tmp/flasher.bin"
    # As the board's loader starts it: with a header (bootm), or its bytes alone (go).
    case $program in
    *.uimage)
        mkimage -A arm -O u-boot -T standalone -C none -n flasher -a "$address" -e "$address" \
            -d "$work/tmp/flasher.bin" "$work/$program" >"$work/tmp/mkimage.flasher.log" 2>&1 ||
            { cat "$work/tmp/mkimage.flasher.log" >&2; fail "mkimage could not make $program"; }
        ;;
    *) cp "$work/tmp/flasher.bin" "$work/$program" ;;
    esac
}
