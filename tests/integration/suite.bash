# What every integration suite shares: counting, a bench of virtual cameras, a clean end.
# Source it; then:  check NAME COMMAND...   bench_start UNITS [option...]   suite_end
set -u
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-$repo/build}
takt=$build/takt
work=$(mktemp -d "${TMPDIR:-/tmp}/takt-suite.XXXXXX")
passed=0 failed=0 bench_pid= identities_made=1

suite_clean() {
    exec 2>/dev/null # bash would tell of jobs that end here, behind the line that counts
    station_stop
    bench_stop
    rm -rf "$work"
}
trap suite_clean EXIT

# One test: passes when the command does. Its output is shown only when it fails, its time from 5 s on.
check() {
    local name=$1 log=$work/check.log started=$SECONDS
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "  ok    $name$([ $((SECONDS - started)) -lt 5 ] || echo ", $((SECONDS - started)) s")"
    else
        failed=$((failed + 1))
        echo "  FAILED $name"
        tail -n 40 "$log" | sed 's/^/        /'
    fi
}

# Waits until a command succeeds; $1 seconds at most.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# Brings up a bench in $bench_dir; $station is its station file.
bench_start() {
    local units=$1
    shift
    bench_dir=$(mktemp -d "$work/bench.XXXX")
    station=$bench_dir/station.json
    "$takt" bench up --units "$units" --dir "$bench_dir" "$@" 2>"$bench_dir/bench.log" &
    bench_pid=$!
    until_true 30 test -e "$station" || { cat "$bench_dir/bench.log"; return 1; }
}

# A small bundle for $bench_dir's station: a squashfs of camd's board file.
bundle_make() { # [release]
    local root=$bench_dir/rootfs
    mkdir -p "$root/etc/takt" && cp "$repo"/firmware/boards/ssc337de-nand128.json "$root/etc/takt/" &&
        head -c 3000000 /dev/urandom >"$root/etc/takt/model" &&
        mksquashfs "$root" "$bench_dir/rootfs.squashfs" -quiet -no-progress -noappend >/dev/null &&
        "$takt" bundle make --board ssc337de-nand128 --release "${1:-1}" --version "0.${1:-1}" \
            --key "$bench_dir/keys/bundle.key" --image rootfs="$bench_dir/rootfs.squashfs" \
            --image usb_uboot="$root/etc/takt/model" \
            --out "$bench_dir/bundle.takt"
}

# N identities into the pool of $station; a second call brings others.
identities_import() {
    local file=$bench_dir/identities.csv i
    {
        echo "did,mac,key"
        for ((i = 0; i < $1; i++)); do
            printf '8%08d,5c:c3:36:%s,%s\n' "$((identities_made++))" \
                "$(openssl rand -hex 3 | sed 's/../&:/g; s/:$//')" "$(openssl rand -hex 32)"
        done
    } >"$file"
    "$takt" identity import "$file" --station "$station"
}

# Lines to a SCPI instrument of $station; what it answers comes out.
scpi() { # instrument line...
    local address line
    address=$(jq -r --arg name "$1" '.instruments[$name].address | ltrimstr("tcp://")' "$station")
    shift
    exec 3<>"/dev/tcp/${address%:*}/${address#*:}" || return 1
    printf '%s\n' "$@" '*OPC?' >&3
    while read -rt 5 line <&3 && [ "$line" != 1 ]; do
        echo "$line"
    done
    exec 3>&-
}

# Rows of $station's store.
store() { sqlite3 -readonly -cmd '.timeout 5000' "$bench_dir/state/store.db" "$@"; }

bench_stop() {
    [ -n "$bench_pid" ] || return 0
    kill "$bench_pid" 2>/dev/null
    wait "$bench_pid" 2>/dev/null
    bench_pid=
}

# The daemon of $station and everything it forked, gone.
station_stop() {
    [ -n "${station:-}" ] && pkill -KILL -f "taktd.*$station" 2>/dev/null
    return 0
}

suite_end() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
