# A rack of units as processes: castflash over the emulator's flash (its times are a real part's),
# each in a network namespace of its own behind one bridge, the station's.
#
#   . suite.bash; . cast.bash; cast_inside "$0" "$@"   outside it runs itself in a new namespace
#   cast_wire UNITS; cast_loss UNITS RATE              of 10000 packets, each way and for each unit
#   cast_bundle BOARD NAME=BYTES...                    $work/bundle.takt of random images
#   cast_unit N [BOARD [TIME_SCALE]]                   a blank unit's folder
#   cast_in N COMMAND...; cast_on N [castflash option...]; cast_flash UNITS [option...]; cast_ended N; cast_off
cast_board=t31-nor16
cast_pids=()
unit_folder=$build/tests/integration/unit_folder

cast_inside() { # SCRIPT [ARGUMENT...]
    [ -n "${TAKT_CAST:-}" ] && return 0
    rm -rf "$work" # exec passes over the trap; inside there is another
    exec env TAKT_CAST=1 unshare --net --mount-proc --pid --fork --kill-child "$@"
}

cast_wire() { # UNITS
    local n
    ip link set lo up
    ip link add name station address 02:54:4b:00:00:fe type bridge mcast_snooping 0 && ip link set station up &&
        ip addr add 192.168.66.1/24 brd + dev station && ip route add 224.0.0.0/4 dev station || return 1
    for ((n = 1; n <= $1; n++)); do cast_pair "$n" || return 1; done
}
# The namespace of a unit that ended takes the pair with it, a while later.
cast_pair() { # N
    ip link del "port$1" 2>/dev/null
    ip link add "port$1" type veth peer name "unit$1" && ip link set "port$1" master station up
}

cast_loss() { # UNITS RATE
    local n way
    nft delete table netdev cast 2>/dev/null
    [ "$2" -gt 0 ] || return 0
    nft add table netdev cast || return 1
    for ((n = 1; n <= $1; n++)); do
        for way in egress ingress; do
            nft "add chain netdev cast $way$n { type filter hook $way device port$n priority 0; }" &&
                nft "add rule netdev cast $way$n numgen random mod 10000 < $2 drop" || return 1
        done
    done
}

cast_bundle() { # BOARD NAME=BYTES...
    local part images=()
    cast_board=$1
    shift
    [ -e "$work/bundle.key" ] || "$takt" bundle key --out "$work/bundle.key" || return 1
    for part; do
        head -c "${part#*=}" /dev/urandom >"$work/image.${part%%=*}"
        images+=(--image "${part%%=*}=$work/image.${part%%=*}")
    done
    cast_release=$((${cast_release:-0} + 1))
    "$takt" bundle make --board "$repo/firmware/boards/$cast_board.json" --version "1.$cast_release" \
        --release $cast_release --key "$work/bundle.key" "${images[@]}" --out "$work/bundle.takt"
}

cast_unit() { # N [TIME_SCALE]
    rm -rf "$work/unit$1"
    "$unit_folder" "$work/unit$1" "$1" "${2:-1}"
}

# A command in the unit's own network. Its side of the wire goes there, and is made anew when it ends.
cast_in() { # N COMMAND...
    local n=$1
    shift
    # shellcheck disable=SC2016
    unshare --net sh -c '
        n=$1; shift
        until ip link show unit$n >/dev/null 2>&1; do sleep 0.02; done
        ip link set lo up; ip addr add 192.168.66.$((100 + n))/24 brd + dev unit$n
        ip link set unit$n up; ip route add 224.0.0.0/4 dev unit$n
        exec "$@"' cast "$n" "$@" >"$work/unit$n.json" 2>"$work/unit$n.log" &
    cast_pids[n]=$!
    until_true 10 cast_has_own_net "${cast_pids[n]}" && ip link set "unit$n" netns "${cast_pids[n]}" &&
        return 0
    kill "${cast_pids[n]}" # it would wait for ever for its side of the wire
    return 1
}
cast_on() { # N [castflash option...]
    local n=$1
    shift
    cast_in "$n" "$build/castflash" --hal emulator --hal-options "$work/unit$n" \
        --board "$repo/firmware/boards/$cast_board.json" --key "$work/bundle.key.pub" \
        --interface "unit$n" "$@"
}
cast_has_own_net() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
cast_waits() { grep -q "waiting for a station" "$work/unit$1.log"; }

cast_all_on() { # UNITS [castflash option...]
    local n units=$1
    shift
    for ((n = 1; n <= units; n++)); do cast_on $n "$@" || return 1; done
    for ((n = 1; n <= units; n++)); do until_true 60 cast_waits $n || return 1; done
}

cast_flash() { # UNITS [takt option...]
    local units=$1
    shift
    "$takt" flash --method network --port "239.255.84.70@192.168.66.1/$units" \
        --bundle "$work/bundle.takt" --key "$work/bundle.key.pub" \
        --board "$repo/firmware/boards/$cast_board.json" --log "$work/flash.log" --json "$@" \
        >"$work/flash.json" 2>"$work/flash.err"
}

cast_ended() { # N [STATUS]
    wait "${cast_pids[$1]}"
    local status=$?
    unset "cast_pids[$1]"
    until_true 10 cast_pair "$1" || return 1
    [ $status = "${2:-0}" ] || { cat "$work/unit$1.log"; return 1; }
}

cast_off() {
    local n
    for n in "${!cast_pids[@]}"; do
        kill -KILL "${cast_pids[n]}" 2>/dev/null
        wait "${cast_pids[n]}" 2>/dev/null
    done
    cast_pids=()
}

# Both ways at the station's interface.
cast_wire_bytes() { ip -s -j link show station | jq '.[0].stats64 | .tx.bytes + .rx.bytes'; }

# The image's bytes lie where the board says, and nothing else was touched.
cast_holds() { # N PARTITION IMAGE
    local offset bytes
    offset=$("$takt" board show "$repo/firmware/boards/$cast_board.json" --json |
        jq --arg p "$2" '.flash.partitions[] | select(.name == $p) | .offset_bytes')
    bytes=$(stat -c %s "$work/image.$3")
    cmp "$work/image.$3" <(tail -c +$((offset + 1)) "$work/unit$1/flash.img" | head -c "$bytes")
}
