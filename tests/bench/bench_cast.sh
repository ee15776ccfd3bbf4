#!/usr/bin/env bash
# A bundle to 32 units over the network, each a castflash with the times of a real part's erase,
# program and read, 0.1 % of the packets lost towards and from each: bytes on the wire beside the image
# and beside udpcast, time beside what the slowest unit's flash alone takes. And how well receiving and
# writing overlap, on NOR, on NAND, and where the wire is what is slow. Beside each time stands what the
# units' processes took of this machine's processors: units of a real rack have one each.
# The emulated flashes lie in memory where there is room: a part's times are to count, not this disk's.
memory_mib=$(df --output=avail -m /dev/shm 2>/dev/null | tail -n 1)
[ "${memory_mib:-0}" -lt 2000 ] || export TMPDIR=/dev/shm
. "$(dirname "${BASH_SOURCE[0]}")/../integration/suite.bash"
. "$repo/tests/integration/cast.bash"
cast_inside "$0" "$@"
trap 'cast_off; suite_clean' EXIT
units=${UNITS:-32}
make -C "$repo" --no-print-directory -s build/tests/integration/unit_folder >&2 || exit 3

line() { # NAME VALUE UNIT REFERENCE PEER METHOD
    jq -nc --arg bench "$1" --argjson value "$2" --arg unit "$3" --argjson reference "$4" --arg peer "$5" \
        --arg method "$6" '{$bench, $value, $unit, $reference, $peer, $method}'
}
die() { echo "$*" >&2; cat "$work"/flash.err "$work"/unit*.log 2>/dev/null | tail -n 20 >&2; exit 3; }
ratio() { awk "BEGIN { printf \"%.4f\", $1 / $2 }"; }
of_units() { cat "$work"/unit[0-9]*.json | jq -s "$1"; } # over all results
all_ended() { local n; for ((n = 1; n <= $1; n++)); do cast_ended $n || return 1; done; }
# Processor time of all that ended until now and of the units that run, in this shell: a subshell has not
# waited for them.
processor_now() {
    local pid
    times >"$work/times"
    for pid in "${cast_pids[@]}"; do sed 's/.*) //' "/proc/$pid/stat"; done >"$work/running"
    processor=$(awk -v tick="$(getconf CLK_TCK)" 'part == 1 { s += ($12 + $13) / tick; next }
        FNR == 2 { split($1 "m" $2, t, "m"); s += t[1] * 60 + t[2] + t[3] * 60 + t[4] }
        END { print s }' part=1 "$work/running" part=2 <(tr -d s <"$work/times"))
}
taken() { # FROM SECONDS
    awk "BEGIN { printf \"%.2f s of processors in %.2f s, there are %d\", $processor - $1, $2, $(nproc) }"
}
all_blank() { local n; for ((n = 1; n <= $1; n++)); do cast_unit $n "${2:-1}" || return 1; done; }

# ---- 32 units on NOR

image_bytes=7300000
board=t31-nor16
what="board $board ($units processes on the emulator's flash: page 400 us, sector 45 ms, read 30 MB/s), $image_bytes bytes of images, blank units"
net="a network namespace each, veth, one bridge; 0.1 % of packets dropped each way for each unit"
cast_wire $units && cast_loss $units 10 &&
    cast_bundle $board kernel=2000000 rootfs=5050000 boot=250000 >&2 || die "no rack"

# What the flash alone takes: the same writer from a file, all at once on the same machine.
all_blank $units || die "no units"
for ((n = 1; n <= units; n++)); do cast_on $n --bundle "$work/bundle.takt" || die "unit $n"; done
all_ended $units || die "from a file"
alone=$(of_units 'map(.seconds) | max')
cast_loss $units 10

all_blank $units && cast_all_on $units || die "units do not come"
before=$(cast_wire_bytes)
cast_flash $units || die "cast"
wire=$(($(cast_wire_bytes) - before))
full=$(jq .seconds "$work/flash.json")
all_ended $units || die "cast"
cast_loss $units 10

line "cast to $units units, bytes on the wire" "$(ratio $wire $image_bytes)" "x the images" 1.1 "aim, at most" \
    "both ways at the station's interface, Ethernet headers with them; $what; $net"
line "cast to $units units, time" "$(ratio "$full" "$alone")" "x slowest unit alone" 1.2 "aim, at most" \
    "station's $full s from its first announcement to the last unit's verified, beside the slowest of the same $units units that write from a file at once, $alone s; $what; $net"

# Fewer of them show what the rack costs this machine's processors, which it has and units do not.
unchanged() { # UNITS
    local again from
    cast_all_on $1 || die "units do not come again"
    processor_now
    from=$processor
    cast_flash $1 || die "unchanged"
    again=$(jq .seconds "$work/flash.json")
    [ "$(jq .written_bytes "$work/flash.json")" = 0 ] || die "unchanged units were written"
    all_ended $1 || die "unchanged"
    processor_now
    cast_loss $units 10
    line "cast to $1 unchanged units" "$(ratio "$again" "$full")" "x the full time" 0.1 "aim, at most" \
        "$again s beside $full s of $units; $(taken "$from" "$again"); every chunk is read and hashed on the unit; $what; $net"
}
[ $units -le 8 ] || unchanged 8
unchanged $units

# ---- the peer: udpcast, the same images to as many receivers that write nothing

cat "$work"/image.* >"$work/images"
for ((n = 1; n <= units; n++)); do
    cast_in $n timeout 200 udp-receiver --interface "unit$n" --nokbd --file /dev/null || die "udp-receiver"
done
sleep 1
before=$(cast_wire_bytes)
timeout 120 udp-sender --interface station --file "$work/images" --min-receivers $units --nokbd \
    --max-bitrate 90m --autostart 1 >"$work/udpcast.log" 2>&1 || die "$(cat "$work/udpcast.log")"
peer=$(($(cast_wire_bytes) - before))
for ((n = 1; n <= units; n++)); do cast_ended $n >/dev/null; done
cast_loss $units 10
line "cast beside udpcast, bytes on the wire" $wire bytes $peer "udp-sender 20120424" \
    "the same images to $units udp-receivers at 90 Mbit/s, which write nothing; $net"

# ---- overlap

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
overlap() { # NAME ROUNDS BOARD TIME_SCALE IMAGE=BYTES...
    local name=$1 rounds=$2 board=$3 scale=$4 program total bytes=0 part wire_s limit round
    shift 4
    for part; do bytes=$((bytes + ${part#*=})); done
    cast_bundle "$board" "$@" >&2 || die "$name"
    : >"$work/programs" && : >"$work/totals"
    for ((round = 0; round < rounds; round++)); do
        cast_unit 1 "$scale" && cast_on 1 --bundle "$work/bundle.takt" && cast_ended 1 || die "$name"
        jq .seconds "$work/unit1.json" >>"$work/programs"
        cast_unit 1 "$scale" && cast_all_on 1 && cast_flash 1 && cast_ended 1 || die "$name"
        jq .seconds "$work/unit1.json" >>"$work/totals"
    done
    program=$(median "$work/programs") total=$(median "$work/totals")
    # Frames of 1514 bytes for 1456 of the image, at the station's pace: 94 % of 100 Mbit/s.
    wire_s=$(awk "BEGIN { printf \"%.3f\", $bytes * 1514 / 1456 / 11750000 }")
    limit=$(awk "BEGIN { print ($program > $wire_s ? $program : $wire_s) }")
    line "overlap, $name" "$(ratio "$total" "$limit")" "x max(wire, program)" 1.05 "aim, at most" \
        "one blank unit of board $board, $bytes bytes: $total s from its manifest to the last chunk verified; writing from a file $program s, the wire $wire_s s at the station's pace; medians of $rounds in turns; times of the part x $scale"
}
cast_loss $units 0
overlap "NOR" 1 t31-nor16 1 kernel=2000000 rootfs=5050000 boot=250000
overlap "NAND" 3 ssc337de-nand128 1 kernel=4000000 rootfs=20000000
overlap "the wire is slower" 5 t31-nor16 0.01 kernel=2000000 rootfs=5050000 boot=250000
