# A rack of machines with nothing but U-Boot, in a network namespace of their own: a bridge that is
# the station (192.168.66.1), and a tap device each (192.168.66.101, ...). Its caller must be inside:
#
#   . rack.bash; rack_inside "$0" "$@"      outside it runs itself in a new namespace, and ends
#   rack_wire MACHINES                      bridge and taps
#   rack_loss MACHINES RATE                 of so many in 10000 packets towards each unit; 0: none
#   rack_on N [qemu option...]              switches machine N on, and stops its autoboot
#   rack_send N COMMAND; rack_says N PATTERN SECONDS [COUNT]; rack_off
rack_host=192.168.66.1
rack_pids=()

rack_inside() { # SCRIPT [ARGUMENT...]
    [ -n "${TAKT_RACK:-}" ] && return 0
    rm -rf "$work" # exec passes over the trap; inside there is another
    exec env TAKT_RACK=1 unshare --net --mount-proc --pid --fork --kill-child "$@"
}

rack_address() { echo "192.168.66.$((100 + $1))"; }

rack_wire() { # MACHINES
    local n machines=$1
    ip link set lo up
    ip link add name station address 02:54:4b:00:00:fe type bridge mcast_snooping 0 && ip link set station up &&
        ip addr add $rack_host/24 dev station && ip route add 224.0.0.0/4 dev station || return 1
    for ((n = 1; n <= machines; n++)); do
        ip tuntap add dev "unit$n" mode tap && ip link set "unit$n" master station up || return 1
    done
}

# By nftables, which kernels have that come without netem.
rack_loss() { # MACHINES RATE
    local n
    nft delete table netdev rack 2>/dev/null
    [ "$2" -gt 0 ] || return 0
    nft add table netdev rack || return 1
    for ((n = 1; n <= $1; n++)); do
        nft "add chain netdev rack unit$n { type filter hook egress device unit$n priority 0; }" &&
            nft "add rule netdev rack unit$n numgen random mod 10000 < $2 drop" || return 1
    done
}

rack_on() { # N [qemu option...]
    local n=$1
    shift
    rm -f "$work/uart$n.in"
    mkfifo "$work/uart$n.in"
    : >"$work/uart$n.log"
    qemu-system-arm -machine virt -cpu cortex-a7 -m 128 -display none -monitor none -serial stdio \
        -netdev "tap,id=net,ifname=unit$n,script=no,downscript=no" \
        -device "virtio-net-device,netdev=net,mac=52:54:00:66:00:$(printf %02x "$n")" "$@" \
        <"$work/uart$n.in" >>"$work/uart$n.log" 2>"$work/qemu$n.log" &
    rack_pids[n]=$!
    eval "exec $((20 + n))>\"\$work/uart$n.in\""
}

rack_send() { printf '%s\r' "$2" >&$((20 + $1)); }

rack_said() { [ "$(grep -ac -- "$2" "$work/uart$1.log")" -ge "${3:-1}" ]; }
rack_says() { # N PATTERN SECONDS [COUNT]
    until_true "$3" rack_said "$1" "$2" "${4:-1}" || { tail -c 1500 "$work/uart$1.log"; return 1; }
}

# Keys from power-on until there is a prompt.
rack_prompt() { # N
    local end=$((SECONDS + 60))
    until rack_said "$1" '^=> '; do
        [ $SECONDS -lt $end ] || { tail -c 1500 "$work/uart$1.log"; return 1; }
        printf '\003' >&$((20 + $1))
        sleep 0.2
    done
}

rack_off() {
    local n
    for n in "${!rack_pids[@]}"; do
        kill -KILL "${rack_pids[n]}" 2>/dev/null
        wait "${rack_pids[n]}" 2>/dev/null
        eval "exec $((20 + n))>&-"
    done
    rack_pids=()
}
