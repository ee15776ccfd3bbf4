#!/usr/bin/env bash
# Keys are on the unit and, sealed, in the pool: in no log, store, report or process, in no form.
source "$(dirname "$0")/suite.bash"
ulimit -c unlimited
make -C "$repo" --no-print-directory -s build/tests/integration/find_keys \
    build/tests/integration/station_peer || exit 1
find_keys=$repo/build/tests/integration/find_keys

bench_start 1
products=$bench_dir/products
mkdir -p "$products/keys"
sed -i "s#\"products_dir\":[[:space:]]*\"[^\"]*\"#\"products_dir\": \"$products\"#" "$station"
echo '{ "product": "keys", "board": "ssc337de-nand128", "limits": "limits.json" }' \
    >"$products/keys/product.json"
echo '{}' >"$products/keys/limits.json"
cat >"$products/keys/line.json" <<'P'
{ "plan": "line", "product": "keys",
  "steps": [ { "id": "power_on", "step": "power_on", "deadline_s": 30 },
             { "id": "connect", "step": "connect", "deadline_s": 20 },
             { "id": "identity", "step": "identity", "deadline_s": 40 } ],
  "teardown": [ ] }
P
bundle_make || exit 1
# What goes over the wire is written down, both ways, where everything is searched.
wire=$(jq -r '.slots[0].port | ltrimstr("tcp://127.0.0.1:")' "$station")
socat -d -d -r "$bench_dir/wire.to_unit" -R "$bench_dir/wire.to_station" \
    TCP-LISTEN:0,bind=127.0.0.1,fork,reuseaddr TCP:127.0.0.1:"$wire" 2>"$work/socat.log" &
socat_pid=$!
until_true 10 grep -q "listening on" "$work/socat.log" || exit 1
tap=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$work/socat.log" | head -1)
jq --arg port "tcp://127.0.0.1:$tap" '.slots[0].port = $port' "$station" >"$work/tapped" && cp "$work/tapped" "$station"
trap 'kill $socat_pid 2>/dev/null; suite_clean' EXIT
flash=$bench_dir/slot1/flash.img
daemon_pid() { "$takt" station status --station "$station" --json | jq -r .pid; }
line() { "$takt" run --station "$station" --plan keys/line --order KEYS --serial K1; }

imported() {
    identities_import 8 || return 1
    tail -n +2 "$bench_dir/identities.csv" | cut -d, -f3 >"$work/keys"
    rm "$bench_dir/identities.csv"
    [ "$(wc -l <"$work/keys")" = 8 ]
}
# A key in one of the forms it could leak in. Bytes never pass through a variable: one may be NUL.
in_form() { # form hex
    case $1 in
    lower) printf %s "$2" ;;
    upper) printf %s "${2^^}" ;;
    bytes) xxd -r -p <<<"$2" ;;
    base64) xxd -r -p <<<"$2" | base64 ;;
    esac
}
# What finds nothing shall have been able to find.
search_works() {
    local hex form
    mkdir "$work/planted"
    hex=$(sed -n 3p "$work/keys")
    for form in lower upper bytes base64; do
        { head -c 1048570 /dev/zero; in_form $form "$hex"; } >"$work/planted/file"
        [ "$("$find_keys" "$work/keys" "$work/planted" | wc -l)" = 1 ] ||
            { echo "a key as $form is not found"; return 1; }
    done
}
only_on_the_unit() { # in the unit's flash one key as bytes, twice written; anywhere else nothing
    local out
    out=$("$find_keys" "$work/keys" "$bench_dir")
    [ $? -le 1 ] || return 1
    echo "$out"
    [ "$(wc -l <<<"$out")" = 1 ] && [[ $out == "$flash: key "*" as bytes" ]]
}
reported() {
    "$takt" report unit K1 --station "$station" --format html --out "$bench_dir/unit.html" &&
        "$takt" report unit K1 --station "$station" --format json >"$bench_dir/unit.json" &&
        "$takt" report order KEYS --station "$station" --format csv >"$bench_dir/order.csv" &&
        "$takt" identity audit --station "$station" >"$bench_dir/audit"
}
daemon_killed() { kill -KILL "$(daemon_pid)"; }

# As the platform sends them, into a running taktd; from then on nothing in the clear is taken.
delivered() {
    local name
    for name in platform factory; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 \
            -subj "/CN=$name" -keyout "$work/$name.key" -out "$work/$name.pem" 2>/dev/null || return 1
    done
    chmod 600 "$work/factory.key"
    jq --arg at "$work" '.deliveries = {platform_certificate: "\($at)/platform.pem",
        certificate: "\($at)/factory.pem", key: "\($at)/factory.key"}' "$station" >"$work/station" &&
        cp "$work/station" "$station" && "$takt" station stop --station "$station" &&
        line || return 1
    {
        echo did,mac,key
        echo "900000001,5c:c3:36:aa:00:01,$(openssl rand -hex 32)"
    } >"$work/more.csv"
    tail -n 1 "$work/more.csv" | cut -d, -f3 >>"$work/keys"
    openssl cms -sign -binary -nodetach -signer "$work/platform.pem" -inkey "$work/platform.key" \
        -outform DER -in "$work/more.csv" |
        openssl cms -encrypt -binary -aes-256-gcm -outform DER -out "$bench_dir/more.p7m" "$work/factory.pem" &&
        "$takt" identity import "$bench_dir/more.p7m" --station "$station"
}
clear_is_refused() {
    ! "$takt" identity import "$work/more.csv" --station "$station" 2>"$work/said" &&
        grep -q "is no delivery: expected CMS" "$work/said"
}
# A chain that was made anew, all its hashes right, is not the one a witness saw.
witnessed() {
    "$takt" identity witness --station "$station" --out "$work/witness" && line &&
        "$takt" identity audit --station "$station" --witness "$work/witness" \
            --key "$bench_dir/keys/token.pem" | tee "$work/said" && grep -q "is a witness of" "$work/said"
}
check "identities are imported" imported
check "the search finds a key in every form" search_works
check "nothing rests in the clear after the import" "$find_keys" "$work/keys" "$bench_dir"
check "a unit gets its identity" line
check "its key is in its flash and nowhere else" only_on_the_unit
check "the daemon has forgotten it" "$find_keys" "$work/keys" "pid:$(daemon_pid)"
check "reports are made" reported
check "a second run finds it there" line
check "a delivery is imported" delivered
check "then nothing in the clear is" clear_is_refused
check "the daemon has forgotten that one too" "$find_keys" "$work/keys" "pid:$(daemon_pid)"
check "the audit chain has its witness" witnessed
# By the running daemon, on record.
quota_set() {
    "$takt" identity quota --order KEYS --allowed 9 --station "$station" &&
        [ "$("$takt" identity quota --station "$station")" = "$(printf 'order    KEYS %28d of 9' 1)" ]
}
check "a quota is set" quota_set
# The session began in the clear, went on in TLS (records of handshake and data), and was written down.
captured() {
    [ "$(stat -c %s "$bench_dir/wire.to_unit")" -gt 1000 ] && [ "$(stat -c %s "$bench_dir/wire.to_station")" -gt 1000 ] &&
        grep -qa '"hello"' "$bench_dir/wire.to_unit" && LC_ALL=C grep -qaP '\x16\x03\x01' "$bench_dir/wire.to_unit" &&
        LC_ALL=C grep -qaP '\x17\x03\x03' "$bench_dir/wire.to_station"
}
check "the traffic between station and unit was captured" captured
check "no key is in it" "$find_keys" "$work/keys" "$bench_dir/wire.to_unit" "$bench_dir/wire.to_station"
# As it is set, a core has no memory; here it is told to write all of it. Where the system sends cores
# elsewhere, the memory itself is what is searched.
core_of_daemon() { # name [filter]
    local pid cwd
    line || return 1
    pid=$(daemon_pid)
    cwd=$(readlink "/proc/$pid/cwd")
    rm -f "$cwd/core" "$cwd/core.$pid"
    [ -z "${2:-}" ] || echo "$2" >"/proc/$pid/coredump_filter" || return 1
    if [ "$(cat /proc/sys/kernel/core_pattern)" = core ] && [ -w "$cwd" ]; then
        kill -ABRT "$pid"
        until_true 30 not_there "$pid" || return 1
        mv "$cwd"/core* "$work/$1" && [ -s "$work/$1" ]
    else
        "$find_keys" "$work/keys" "pid:$pid" && kill -ABRT "$pid" && : >"$work/$1"
    fi
}
not_there() { ! kill -0 "$1" 2>/dev/null; }
small() { # no page of memory: registers and notes alone
    [ ! -s "$work/core.as_set" ] || [ "$(stat -c %s "$work/core.as_set")" -lt 1000000 ]
}
check "the daemon leaves a core" core_of_daemon core.as_set
check "without any memory" small
check "told to write all of it, it leaves another" core_of_daemon core.whole 0x7f
check "no key is in either" "$find_keys" "$work/keys" "$work/core.as_set" "$work/core.whole"
check "a run brings it up again" line
check "a daemon that is killed leaves no key" daemon_killed
check "neither do reports and second run" only_on_the_unit
# A camera of its own, which stays on: what its program remembers of a key.
peer=$repo/build/tests/integration/station_peer unit=$work/unit port=unix:$work/port
call() { timeout 30 "$peer" call "$port" "$work/peer_keys" "$@"; }
board=$repo/firmware/boards/ssc337de-nand128.json
"$peer" keys "$work/peer_keys" && mkdir "$unit" && "$peer" world "$unit" &&
    "$peer" flash "$unit" "$work/peer_keys" "$board" || exit 1
echo '{ "chip_id": "5cc336000000000000000000000000a1" }' >"$unit/unit.json"
"$build/camd" --board "$board" --hal emulator --hal-options "$unit" --port "$port" \
    2>"$work/camd.log" &
camd_pid=$!
answers() { call hello >/dev/null 2>&1; }
key_goes_there_and_back() {
    until_true 15 answers || return 1
    local key
    key=$(head -1 "$work/keys")
    call identity.write "{\"did\":\"800000001\",\"mac\":\"5c:c3:36:00:00:01\",\"key\":\"$key\",\"serial\":\"\"}" &&
        [ "$(call identity.read | jq -r .key)" = "$key" ]
}
check "a camera takes a key and shows it" key_goes_there_and_back
check "its program has forgotten it" "$find_keys" "$work/keys" "pid:$camd_pid" "$work/camd.log"
# A whole session that read the key is written down and said to the unit once more: its half of the
# link's beginning is another one now, so it takes nothing of it. (test_secure plays the TLS again.)
said_since() { tail -n +$(($1 + 1)) "$work/camd.log" | grep -F -- "$2"; }
played_again() {
    local before lines
    timeout 60 socat -r "$work/session" UNIX-LISTEN:"$work/tap" UNIX-CONNECT:"${port#unix:}" &
    until_true 10 test -S "$work/tap" || return 1
    before=$(port=unix:$work/tap call identity.read) && lines=$(wc -l <"$work/camd.log") || return 1
    wait $!
    timeout 20 socat -u "OPEN:$work/session" UNIX-CONNECT:"${port#unix:}"
    [ -s "$work/session" ] && ! said_since "$lines" "entered" && [ "$(call identity.read)" = "$before" ]
}
check "a session played again opens nothing" played_again
kill "$camd_pid"
wait "$camd_pid" 2>/dev/null
# The same over a serial line, with a tap on it that writes down both ways.
socat -r "$work/uart.to_unit" -R "$work/uart.to_station" "PTY,link=$work/uart.station,raw,echo=0" \
    "PTY,link=$work/uart.unit,raw,echo=0" &
uart_pid=$!
trap 'kill $socat_pid $uart_pid $camd_pid 2>/dev/null; suite_clean' EXIT
until_true 10 test -e "$work/uart.unit" || exit 1
"$build/camd" --board "$board" --hal emulator --hal-options "$unit" --port "pty:$work/uart.unit" \
    2>"$work/camd.log" &
camd_pid=$!
port=pty:$work/uart.station
line_captured() {
    grep -qa '"hello"' "$work/uart.to_unit" && LC_ALL=C grep -qaP '\x16\x03\x01' "$work/uart.to_unit" &&
        LC_ALL=C grep -qaP '\x17\x03\x03' "$work/uart.to_unit" &&
        LC_ALL=C grep -qaP '\x17\x03\x03' "$work/uart.to_station"
}
check "over a UART it takes and shows a key too" key_goes_there_and_back
check "the line's traffic was captured" line_captured
check "no key is in it either" "$find_keys" "$work/keys" "$work/uart.to_unit" "$work/uart.to_station"
kill "$camd_pid" "$uart_pid"
suite_end
