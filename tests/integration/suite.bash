# What every integration suite shares: counting, a bench of virtual cameras, a clean end.
# Source it; then:  check NAME COMMAND...   bench_start UNITS [option...]   suite_end
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-$root/build}
takt=$build/takt
work=$(mktemp -d "${TMPDIR:-/tmp}/takt-suite.XXXXXX")
passed=0 failed=0 bench_pid=

suite_clean() {
    station_stop
    bench_stop
    rm -rf "$work"
}
trap suite_clean EXIT

# One test: passes when the command does. Its output is shown only when it fails.
check() {
    local name=$1 log=$work/check.log
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "  ok    $name"
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
