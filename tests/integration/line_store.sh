#!/usr/bin/env bash
# A line's store in PostgreSQL, read as a station's own is: the same runs in both, the same documents
# out of both; a role that may only read.
source "$(dirname "$0")/suite.bash"
make -C "$repo" --no-print-directory -s build/tests/integration/{report_store,queue_runs,bad_network} || exit 1
server=$(mktemp -d "${TMPDIR:-/tmp}/takt-pg.XXXXXX")
PATH=$PATH:/usr/lib/postgresql/15/bin
as_server() { # PostgreSQL does not run as root
    if [ "$(id -u)" = 0 ]; then
        (cd "$server" && setpriv --reuid nobody --regid nogroup --clear-groups "$@")
    else
        (cd "$server" && "$@")
    fi
}
serve_pid= network_pid=
stop() {
    [ -n "$network_pid" ] && kill "$network_pid" 2>/dev/null
    [ -n "$serve_pid" ] && kill "$serve_pid" 2>/dev/null && wait "$serve_pid"
    as_server pg_ctl -D data -m immediate -w stop >/dev/null 2>&1
    rm -rf "$server"
}
trap 'stop; suite_clean' EXIT
chmod 755 "$server" && { [ "$(id -u)" != 0 ] || chown nobody "$server"; }
as_server initdb -D data -U takt -A trust -E UTF8 --locale=C -N >"$work/initdb" 2>&1 &&
    as_server pg_ctl -D data -w -t 60 -l server.log -o "-k $server -h ''" start >"$work/start" 2>&1 ||
    { cat "$work/initdb" "$work/start"; exit 1; }
sql() { psql -X -q -h "$server" -U "${role:-takt}" -d line -At -c "$1"; }
psql -X -q -h "$server" -U takt -d postgres -c 'CREATE DATABASE line' -c 'CREATE ROLE takt_reader LOGIN' || exit 1
address="postgresql:///line?host=$server&user=takt" reader="postgresql:///line?host=$server&user=takt_reader"
file=$work/store.db now_ms=$(date +%s)000
for place in "$file" "$address"; do
    "$repo/build/tests/integration/report_store" "$place" 150 "$now_ms" || exit 1
done

same() { # words of takt, without --store
    "$takt" "$@" --store "$file" >"$work/of_file" || return 1
    "$takt" "$@" --store "$reader" >"$work/of_server" || return 1
    [ -s "$work/of_file" ] && cmp "$work/of_file" "$work/of_server"
}
check "an order says the same from both" same report order WO-0001 --format json
check "so does a hostile one" same report order WO-HOSTILE --format json
check "a unit" same report unit SN000000007 --format json
check "a station" same report station final-2 --format json
check "a shift" same report shift final-2 --from "$(date -u -d "@$((now_ms / 1000 - 3600))" +%FT%H:%M)" --format csv
check "a page" same report order WO-0001 --format html --lang zh
check "a table" same report unit SN000000007 --format csv
check "a unit's trace" same trace unit SN000000007 --json
check "an instrument's batch" same trace instrument P-2 --json
check "a batch of all, a page of it" same trace program 0.1.0 --skip 100 --limit 50 --json
no_such() { ! "$takt" report order "x' OR '1'='1" --store "$reader" 2>"$work/none" && grep -q 'no order' "$work/none"; }
check "a name is a name, whatever it holds" no_such
printable() { "$takt" report order WO-0001 --store "$reader" --format "$1" --out "$work/o.$1" && [ -s "$work/o.$1" ]; }
check "on paper" printable pdf
check "as a workbook" printable xlsx
check "its tallies are what its runs add up to" "$takt" store check --store "$reader"
broken() {
    sql 'UPDATE tally SET passed = passed + 1' || return 1
    "$takt" store check --store "$reader" >"$work/broken" 2>&1
    local status=$?
    sql 'UPDATE tally SET passed = passed - 1' || return 1
    [ $status = 1 ] && grep -q "tally is not what the runs add up to" "$work/broken"
}
check "and it is said where they are not" broken
left_to_it() { "$takt" store backup --to "$work/b" --store "$address" 2>"$work/left"; [ $? = 2 ] && grep -q pg_dump "$work/left"; }
check "what PostgreSQL does itself is left to it" left_to_it

older_program() { # place: its reports are refused in a line, which says what to do; then they are there
    "$takt" report order "$2" --store "$1" --format json >"$work/older" 2>&1
    [ $? = 3 ] && grep -q 'takt store migrate' "$work/older" || { cat "$work/older"; return 1; }
    "$takt" store migrate --store "$1" && "$takt" report order "$2" --store "$1" --format json >"$work/older" &&
        jq -e '.unit_count > 0' "$work/older"
}
archive_of_version() { # an archive that an older program wrote
    sqlite3 "$work/version_$1.db" <"$repo/tests/unit/reports/stores/version_$1.sql" &&
        older_program "$work/version_$1.db" "$(sqlite3 "$work/version_$1.db" 'SELECT name FROM work_order LIMIT 1')"
}
check "an older program's archive is read once it was brought forward" archive_of_version 3

cannot_write() { ! role=takt_reader sql "$1" >"$work/refused" 2>&1 && grep -q 'permission denied' "$work/refused"; }
check "the reader's role cannot add" cannot_write "INSERT INTO site(name) VALUES ('x')"
check "nor change" cannot_write "UPDATE run SET slot = 9"
check "nor remove" cannot_write "DELETE FROM tally"
check "nor make a table" cannot_write "CREATE TABLE x(y int)"

# ---- the dashboard ------------------------------------------------------------------------------
"$takt" serve --store "$reader" --listen 127.0.0.1:0 2>"$work/serve.log" &
serve_pid=$!
until_true 20 grep -q http:// "$work/serve.log" || cat "$work/serve.log"
url=$(sed -n 's/^takt serve: \(http.*\)\/$/\1/p' "$work/serve.log")
counted() {
    [ "$(curl -s "$url/dashboard.json" | jq .unit_count)" = "$(sql "SELECT count(DISTINCT coalesce(unit, -id))
        FROM run WHERE verdict BETWEEN 1 AND 4 AND started_ms >= $(date -d "$(date +%F)" +%s)000")" ]
}
check "the dashboard reads it too" until_true 10 counted
unit_page() { curl -sf "$url/unit/SN000000007" | grep -q SN000000007; }
check "and shows a unit's page" unit_page
again() { as_server pg_ctl -D data -m fast -w restart -l server.log >/dev/null 2>&1 && until_true 20 counted; }
check "it connects again when the server was restarted" again

# ---- a station sends to it through a network that cuts, loses answers and holds up ------------------
server_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
bench_start 1 || exit 1
source "$(dirname "$0")/waiting_station.bash"
of_line() { psql -X -q -h "$server" -p "$server_port" -U takt -d sent -At -c "$1"; }
each_once() {
    as_server pg_ctl -D data -m fast -w stop && as_server pg_ctl -D data -w -t 60 -l server.log \
        -o "-k $server -h 127.0.0.1 -p $server_port" start >/dev/null || return 1
    psql -X -q -h "$server" -p "$server_port" -U takt -d postgres -c 'CREATE DATABASE sent' || return 1
    coproc "$repo/build/tests/integration/bad_network" "$server_port" 20261129
    network_pid=$COPROC_PID
    local port
    read -ru "${COPROC[0]}" port
    outbox "{\"line\": {\"connector\": \"postgresql\", \"first_pause_ms\": 20, \"longest_pause_ms\": 200,
        \"address\": \"postgresql://takt@127.0.0.1:$port/sent?connect_timeout=5\"}}" 24 || return 1
    until_true 60 some_sent && as_server pg_ctl -D data -m immediate -w restart -l server.log >/dev/null || return 1
    comes_to sent "$runs" 240 && is_count parked 0 || return 1
    kill "$network_pid"
    network_pid=
    [ "$(of_line 'SELECT count(*) FROM run')" = "$runs" ] && [ "$(of_line 'SELECT count(*) FROM received')" = "$runs" ] &&
        [ "$(of_line 'SELECT sum(runs) FROM tally')" = "$runs" ] &&
        [ "$(of_line 'SELECT serial FROM run ORDER BY id')" = "$serials" ] || { of_line 'SELECT count(*) FROM run'; return 1; }
}
some_sent() { [ "$(waiting sent)" -ge 6 ]; }
check "each run once and in order through a bad network and a restart of the server" each_once
bad_enough() { [ "$(store 'SELECT sum(attempts) FROM outbox')" -gt "$runs" ]; }
check "and the network was bad enough to show it" bad_enough

suite_end
