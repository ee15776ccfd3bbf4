# The boot script and U-Boot's environment that runs it (boot.script, uboot.env), with the board's
# own commands and addresses.

# A loader's command of the board file with its placeholders filled in.
loader_command() { # KIND MEMORY FLASH_OFFSET BYTES
    local text memory=$2 offset=$3 bytes=$4
    text=$(about --arg kind "$1" '.boot.commands[$kind] // ""')
    # Memory-mapped flash whose board names no command for images still takes a copy of env.
    [ -n "$text" ] || [ "$1" != write ] || text='cp.b {memory} {flash} {bytes}'
    text=${text//\{memory\}/$(printf '0x%x' "$memory")}
    text=${text//\{flash\}/$(printf '0x%x' "$(loader_address "$offset")")}
    text=${text//\{bytes\}/$(printf '0x%x' "$bytes")}
    text=${text//\{block\}/$(printf '0x%x' $((offset / 512)))}
    text=${text//\{blocks\}/$(printf '0x%x' $(((bytes + 511) / 512)))}
    echo "${text:-true}"
}

# Where the loader sees an offset of the flash: an address when that is memory-mapped.
loader_address() { # OFFSET
    local address size at=0
    while read -r address size; do
        [ "$1" -ge $((at + size * 1048576)) ] || { echo $((address + $1 - at)); return; }
        at=$((at + size * 1048576))
    done < <(about '.boot.banks[]? | "\(.address) \(.size_mib)"')
    echo "$1"
}

# Puts a value in place of @NAME@ in $text.
put() { text=${text//@$1@/"$2"}; } # NAME VALUE

script_fill() { # FILE
    local base start env erase copy memory slot at
    # As ENVIRONMENT_BYTES of firmware/update/environment.h.
    local bytes=$((0x$(sed -n 's/.*ENVIRONMENT_BYTES = 0x\([0-9a-f]*\).*/\1/p' firmware/update/environment.h)))
    base=$(($(about '.boot.script_address // .boot.load_address')))
    start=$(($(about .boot.load_address)))
    env=$(partition_offset env) erase=$(about .flash.erase_bytes)
    text=$(grep -v '^#' "$1")
    put PREPARE "$(about '.boot.commands.prepare // "" | if . == "" then . else . + "; " end')"
    put STOP_PROMPT "$(about '.boot.stop_prompt // "takt: Ctrl-C stops here"')"
    put ARGUMENTS "$(about '.linux.arguments // ""')"
    put ENV_BYTES "$(printf '%x' "$bytes")"
    put ENV_DATA_BYTES "$(printf '%x' $((bytes - 5)))"
    at() { printf '%x' $((base + bytes * $1 + $2)); }
    put BLANK "$(at 0 0)"
    put NEW "$(at 3 0)"
    put NEW_COUNT "$(at 3 4)"
    put NEW_DATA "$(at 3 5)"
    for copy in 0 1; do
        memory=$((base + bytes * (copy + 1)))
        put COPY$copy "$(at $((copy + 1)) 0)"
        put COPY${copy}_COUNT "$(at $((copy + 1)) 4)"
        put COPY${copy}_DATA "$(at $((copy + 1)) 5)"
        put READ_COPY$copy "$(loader_command read $memory $((env + copy * erase)) "$bytes")"
        put ERASE$copy "$(loader_command erase 0 $((env + copy * erase)) "$erase")"
        put WRITE$copy "$(loader_command write $((base + bytes * 3)) $((env + copy * erase)) "$bytes")"
    done
    for at in 0 1 2 3; do
        put CRC$at "$(printf '%x' $((base + bytes * 4 + at)))"
        put SUM$at "$(printf '%x' $((base + bytes * 4 + 4 + at)))"
    done
    for slot in a b; do
        if [ -n "$(about '.boot.banks // ""')" ]; then
            at=$(loader_address "$(partition_offset kernel_$slot)")
            put START_${slot^} "$(printf 'bootm %x#start %x#start' "$at" "$at") \$t_device_tree"
        else
            put START_${slot^} "$(loader_command read "$start" "$(partition_offset kernel_$slot)" \
                "$(partition_bytes kernel_$slot)") && bootm $(printf '%x' "$start")"
        fi
    done
    put SCRIPT_MEMORY "$(printf '%x' "$start")"
    # Where a board has no partition for it, the script comes behind U-Boot's environment by hand.
    partition_has script || put READ_SCRIPT true
    ! partition_has script || put READ_SCRIPT "$(loader_command read "$start" "$(partition_offset script)" $((0x4000)))"
    [[ ! $text =~ @[A-Z][A-Z0-9_]*@ ]] ||
        fail "$1 has a name the builder does not know: ${BASH_REMATCH[0]}"
    printf '%s\n' "$text"
}

script_make() {
    script_fill $here/boot.script >"$work/tmp/boot.script"
    mkimage -A "$([ "$arch" = mipsel ] && echo mips || echo arm)" -T script -C none -n takt \
        -d "$work/tmp/boot.script" "$work/script" >"$work/tmp/mkimage.script.log" 2>&1 ||
        { cat "$work/tmp/mkimage.script.log" >&2; fail "mkimage could not make the boot script"; }
    [ "$(stat -c %s "$work/script")" -le $((0x4000)) ] ||
        fail "script has $(stat -c %s "$work/script") bytes, what uboot.env reads of it $((0x4000))"
    script_fill $here/uboot.env >"$work/tmp/uboot.txt"
}
