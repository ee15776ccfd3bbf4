# What every machine suite shares: single machines without a bench around them, and their UART.
# Source it (it brings suite.bash along); then
#   unit_new NAME FLASH         a unit whose flash is a copy of FLASH; its folder is ${unit_dir[NAME]}
#   unit_on NAME [ARGUMENT...]  power; the arguments go to QEMU
#                               with $unit_tftp its network offers that folder by TFTP
#   unit_off NAME               the power cut
#   line_start N [option...]    a bench of N machines with the whole firmware, in $bench_dir; then
#                               power SLOT on|off, slot_prints SLOT S TEXT, call SLOT METHOD...
#   unit_waits NAME S TEXT      within S seconds since its power came its UART printed TEXT
#   unit_type NAME TEXT         bytes into its UART, printf's escapes understood
# All that was started ends with the suite, however that ends; with MACHINE_LOGS set to a folder each
# unit's UART log is kept there.
source "$(dirname "${BASH_SOURCE[0]}")/../integration/suite.bash"
declare -A unit_dir=() unit_pid=() unit_port=() unit_from=() unit_chip=()
image=$build/image/qemu-virt

machine_clean() {
    local name
    for name in "${!unit_dir[@]}"; do
        unit_off "$name"
        [ -z "${MACHINE_LOGS:-}" ] || { mkdir -p "$MACHINE_LOGS" &&
            cp "${unit_dir[$name]}/uart.log" "$MACHINE_LOGS/$(basename "$0" .sh)-$name.log"; } 2>/dev/null
    done
    suite_clean
}
trap machine_clean EXIT
trap 'exit 130' INT TERM HUP

# Factory flash of a unit that has U-Boot and nothing else: it comes to its prompt.
flash_of_uboot() { # FILE
    tr '\0' '\377' </dev/zero | head -c 134217728 >"$1" &&
        dd if=/usr/lib/u-boot/qemu_arm/u-boot.bin of="$1" conv=notrunc status=none
}

# ---- a bench of machines with the whole firmware ----

peer=$build/tests/integration/station_peer
declare -A slot_from=()

line_start() { # UNITS [option of `takt bench up`...]
    [ -e "$image/flash.img" ] || make -C "$repo" --no-print-directory image BOARD=qemu-virt >&2 || return 1
    make -C "$repo" --no-print-directory -s build/tests/integration/station_peer || return 1
    bench_start "$1" --machine "${@:2}"
}

power() { # SLOT on|off
    if [ "$2" = on ]; then
        slot_mark "$1"
        scpi psu "APPL CH$1,5,2" "OUTP ON,(@$1)"
    else
        scpi psu "OUTP OFF,(@$1)"
        until_true 10 slot_dark "$1"
    fi
}
slot_dark() { ! pgrep -f '^qemu-system-arm' | while read -r pid; do readlink "/proc/$pid/cwd"; done |
    grep -qx "$bench_dir/slot$1"; }

# What a slot's UART printed since its power came, or since the mark.
slot_mark() { slot_from[$1]=$(stat -c %s "$bench_dir/slot$1/uart.log" 2>/dev/null || echo 0); }
slot_said() { tail -c "+$((${slot_from[$1]:-0} + 1))" "$bench_dir/slot$1/uart.log" 2>/dev/null | tr -d '\r'; }
slot_has_said() { slot_said "$1" | grep -qaF -- "$2"; }
slot_prints() { # SLOT SECONDS TEXT
    until_true "$2" slot_has_said "$1" "$3" && return
    echo "slot $1 did not print '$3' in $2 s; the last it printed:"
    slot_said "$1" | tail -n 15
    return 1
}
slot_port() { jq -r ".slots[$1 - 1].port" "$station"; }
# One call of the factory agent: SLOT METHOD [PARAMS] [NAME=FILE]; hello is asked in the clear.
# A machine that other work holds up may miss the session's own deadlines: such a call is made again.
call() {
    local slot=$1 try out
    shift
    for try in 1 2 3 4; do
        out=$(timeout 600 "$peer" call "$(slot_port "$slot")" "$bench_dir/keys" "$@" 2>&1) &&
            { echo "$out"; return 0; }
        grep -qE '^(timeout|closed): ' <<<"$out" || break
    done
    echo "$out"
    return 1
}
up() { # SLOT SECONDS: its agent answers within that time
    until_true "$2" call "$1" hello >/dev/null 2>&1 || { slot_said "$1" | tail -n 15; return 1; }
}

# A partition of the machine's flash: "OFFSET SIZE" in KiB, as its board file says.
partition() {
    sed -n "s|.*\"name\": \"$1\", \"offset_kib\": \([0-9]*\), \"size_kib\": \([0-9]*\).*|\1 \2|p" \
        "$repo/firmware/boards/qemu-virt.json"
}
# SHA-256 of every partition of a flash, "NAME SUM" a line.
flash_sums() { # FILE
    local name at size
    for name in $(sed -n 's|.*"name": "\([a-z_]*\)", "offset_kib.*|\1|p' "$repo/firmware/boards/qemu-virt.json"); do
        read -r at size < <(partition "$name")
        echo "$name $(dd if="$1" bs=1024 skip="$at" count="$size" status=none | sha256sum)"
    done
}

# ---- single machines ----

# A port nobody listens on now. Asked for below those the system gives out by itself.
free_port() {
    local port
    for ((;;)); do
        port=$((20000 + RANDOM % 12000))
        ss -Htln "sport = :$port" | grep -q . || break
    done
    echo "$port"
}

unit_new() { # NAME FLASH
    unit_dir[$1]=$work/$1
    unit_chip[$1]=${unit_chip[$1]:-$(openssl rand -hex 16)}
    mkdir -p "${unit_dir[$1]}" && cp --reflink=auto --sparse=always "$2" "${unit_dir[$1]}/flash.img"
}

unit_on() { # NAME [QEMU-ARGUMENT...]
    local name=$1 dir=${unit_dir[$1]}
    shift
    unit_off "$name"
    rm -f "$dir/uart.sock"
    touch "$dir/uart.log"
    unit_from[$name]=$(stat -c %s "$dir/uart.log")
    unit_port[$name]=$(free_port)
    "$takt" bench machine --dir "$dir" --flash "$dir/flash.img" --chip-id "${unit_chip[$name]}" \
        --port "${unit_port[$name]}" ${unit_tftp:+--tftp "$unit_tftp"} -- "$@" 2>>"$dir/qemu.log" &
    unit_pid[$name]=$!
    until_true 10 test -S "$dir/uart.sock" || { cat "$dir/qemu.log"; return 1; }
}

unit_runs() { [ -n "${unit_pid[$1]:-}" ] && kill -0 "${unit_pid[$1]}" 2>/dev/null; }

unit_off() {
    [ -n "${unit_pid[$1]:-}" ] || return 0
    kill -9 "${unit_pid[$1]}" 2>/dev/null
    wait "${unit_pid[$1]}" 2>/dev/null
    unit_pid[$1]=
}

# What its UART printed since its power came, or since the mark.
unit_said() { tail -c "+$((unit_from[$1] + 1))" "${unit_dir[$1]}/uart.log"; }
unit_mark() { unit_from[$1]=$(stat -c %s "${unit_dir[$1]}/uart.log"); }
unit_has_said() { unit_said "$1" | tr -d '\r' | grep -qaF -- "$2"; }

unit_waits() { # NAME SECONDS TEXT
    local end=$((SECONDS + $2))
    until unit_has_said "$1" "$3"; do
        if [ $SECONDS -ge $end ] || ! unit_runs "$1"; then
            echo "$1 did not print '$3' in $2 s; the last it printed:"
            unit_said "$1" | tail -n 12
            tail -n 3 "${unit_dir[$1]}/qemu.log"
            return 1
        fi
        sleep 0.05
    done
}

unit_type() { # NAME TEXT
    printf '%b' "$2" | socat -t 5 - "UNIX-CONNECT:${unit_dir[$1]}/uart.sock" >/dev/null
}

# One command to QEMU itself, without arguments or as a whole JSON object.
unit_qmp() { # NAME COMMAND|JSON
    local command=$2
    [ "${command:0:1}" = "{" ] || command="{\"execute\":\"$command\"}"
    printf '%s\n' '{"execute":"qmp_capabilities"}' "$command" |
        socat -t 2 - "UNIX-CONNECT:${unit_dir[$1]}/qmp.sock"
}
