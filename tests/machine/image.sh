#!/usr/bin/env bash
# The image builder: the same inputs give the same bytes in another folder; what is missing or does
# not fit is one line each.
. "$(dirname "${BASH_SOURCE[0]}")/../integration/suite.bash"
builder=$repo/firmware/image/build
cd "$repo" || exit 2
export KEY=$work/bundle.key VERSION=1.0 RELEASE=1 SOURCE_DATE_EPOCH=1700000000

# A program of the right processor in camd's place: what goes into images is not what is tested here.
stand_in() { # ARCH
    local compiler
    case $1 in armhf) compiler=arm-linux-gnueabihf-gcc ;; mipsel) compiler=mipsel-linux-gnu-gcc ;; esac
    .ci/sysroot "$1" && echo 'int main(void) { return 0; }' >"$work/camd.c" &&
        "$compiler" --sysroot="build/sysroot-$1" -o "$work/camd.$1" "$work/camd.c"
}

build() { # BOARD OUT
    local arch
    arch=$("$takt" board show "$1" --json | jq -r .arch) &&
        CAMD=$work/camd.$arch CASTFLASH=$work/camd.$arch TAKT=$takt "$builder" "$1" "$2"
}

twice() {
    local file
    build qemu-virt "$work/one" && sleep 1.1 && build qemu-virt "$work/a/longer/two" || return 1
    for file in kernel rootfs castflash.fit script uboot.env flash.img; do
        cmp "$work/one/$file" "$work/a/longer/two/$file" || return 1
    done
    [ "$("$takt" bundle show "$work/one/bundle.takt" --json)" = \
        "$("$takt" bundle show "$work/a/longer/two/bundle.takt" --json)" ] &&
        "$takt" bundle verify "$work/one/bundle.takt" --key "$KEY.pub"
}

# Owner, times and paths of this machine are in none of it.
nothing_of_here() {
    unsquashfs -lln "$work/one/rootfs" | awk '/squashfs-root/ && $2 != "0/0" { bad = 1 } END { exit bad }' &&
        unsquashfs -s "$work/one/rootfs" | grep -q 'Nov 14 .*2023' &&
        ! strings "$work/one/kernel" | grep -F "$repo"
}

missing_is_listed() { # BOARD
    local count
    count=$("$takt" board show "$1" --json | jq '.image.inputs | length')
    mkdir -p "$work/empty"
    INPUTS=$work/empty TAKT=$takt "$builder" "$1" "$work/none" 2>"$work/said"
    [ $? = 2 ] && [ "$(grep -c "^image: board $1 needs .*looked in $work/empty" "$work/said")" = "$count" ] &&
        [ ! -e "$work/none" ]
}

# Stand-ins of every input, modules included.
inputs_make() { # BOARD
    local dir=$work/inputs.$1 name file module
    mkdir -p "$dir" "$work/tree/lib/modules"
    for module in $("$takt" board show "$1" --json | jq -r '.linux.modules[]?.name'); do
        echo "$module" >"$work/tree/lib/modules/$module.ko"
    done
    "$takt" board show "$1" --json | jq -r '.image.inputs[].file' | while read -r file; do
        case $file in
        *.tar) tar -C "$work/tree" -cf "$dir/$file" lib ;;
        *) head -c 100000 /dev/zero >"$dir/$file" ;;
        esac
    done
}

builds_from_inputs() { # BOARD
    inputs_make "$1" && INPUTS=$work/inputs.$1 build "$1" "$work/$1" &&
        cmp "$work/inputs.$1/uImage" "$work/$1/kernel" && [ -s "$work/$1/rootfs" ] &&
        [ -s "$work/$1/bundle.takt" ]
}

# Those, and only those, that its boot ROM is given; what updates a unit has none.
loaders_for_the_rom() {
    local board name
    for board in ssc337de-nand128:usb_updater t40xp-nand128:usb_spl t31-nor16:usb_spl; do
        for name in "${board#*:}" usb_uboot; do
            "$takt" bundle show "$work/${board%:*}/whole.takt" --json | jq -e --arg n "$name" \
                '.images | any(.image == $n and .bytes == 100000)' || return 1
        done
        "$takt" bundle show "$work/${board%:*}/bundle.takt" --json |
            jq -e '.images | all(.image | startswith("usb_") | not)' || return 1
    done
    "$takt" bundle show "$work/ssc377-emmc/whole.takt" --json |
        jq -e '.images | all(.image | startswith("usb_") | not)'
}

too_large() {
    inputs_make t31-nor16 && head -c 3000000 /dev/zero >"$work/inputs.t31-nor16/uImage"
    INPUTS=$work/inputs.t31-nor16 build t31-nor16 "$work/large" 2>"$work/said"
    [ $? = 2 ] && grep -qx "image: kernel has 3000000 bytes, partition kernel_a of board t31-nor16 2097152" "$work/said"
}

"$takt" bundle key --out "$KEY" && stand_in armhf && stand_in mipsel || exit 2
check "two builds, two folders, the same bytes" twice
check "owners, times and paths of the builder are in none of it" nothing_of_here
for board in ssc337de-nand128 ssc377-emmc t40xp-nand128 t31-nor16; do
    check "$board: every missing input is listed" missing_is_listed $board
    check "$board: built from a folder of inputs" builds_from_inputs $board
done
check "what a boot ROM is given is in the bundle for blank units, and in no other" loaders_for_the_rom
check "a kernel that does not fit: one line with both sizes" too_large
suite_end
