# The program that writes qemu-virt's flash, built from what is here now, whatever the image holds.
flasher_build() { # FOLDER
    (
        cd "$repo" || exit 2
        export TAKT=$takt
        . firmware/image/parts.bash
        . firmware/image/flasher.bash
        work=$1
        mkdir -p "$work/tmp" && board_read firmware/boards/qemu-virt.json && flasher_make
    )
}
