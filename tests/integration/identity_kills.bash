# Stations that share a pool give identities to virtual cameras while every process is killed, the
# network is cut and PostgreSQL is stopped; then pool, stores, units and labels are held against each
# other. Source it behind suite.bash, with STATIONS, SLOTS, KILLS and SEED set; calls `check`. How
# far it is goes to stderr.
exec 3>&2
export PATH=$PATH:/usr/lib/postgresql/15/bin
pg=$work/pg net=$work/net units=$work/units
as_postgres() { if [ "$(id -u)" = 0 ]; then setpriv --reuid nobody --regid nogroup --clear-groups "$@"; else "$@"; fi; }
pg_start() { as_postgres pg_ctl -D "$pg/data" -w -t 60 -l "$pg/server.log" -o "-k $pg -h ''" start >/dev/null 2>&1; }
pg_stop() { as_postgres pg_ctl -D "$pg/data" -w -t 60 -m "$1" stop >/dev/null 2>&1; }
sql() { psql -qtAX -v ON_ERROR_STOP=1 "postgresql:///pool?host=$pg&user=takt" -c "$1"; }
net_up() { ln -sfn "$pg/.s.PGSQL.5432" "$net/.s.PGSQL.5432"; }
net_cut() { # new connections find nothing, those there are end
    rm -f "$net/.s.PGSQL.5432"
    sql "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'takt pool'" >/dev/null 2>&1
}
kills_clean() {
    touch "$work/stop" "$work/kills_over"
    local p
    for p in "${bench_pids[@]}"; do kill "$p" 2>/dev/null; done
    for p in $(pgrep -f "taktd.*$work/bench"); do kill -KILL "$p" 2>/dev/null; done
    pg_stop immediate
}
trap 'kills_clean; suite_clean' EXIT

pg_begin() {
    mkdir -p "$pg" "$net" "$units" && chmod 755 "$work" "$net" && { [ "$(id -u)" != 0 ] || chown nobody "$pg"; }
    as_postgres sh -c "cd '$pg' && initdb -D data -U takt -A trust -E UTF8 --locale=C -N" >/dev/null 2>&1 &&
        pg_start && createdb -h "$pg" -U takt pool && net_up
}

bench_pids=()
station_of() { echo "$work/bench$1/station.json"; }
begin_station() { # N: a bench, the shared custody, a plan
    local dir=$work/bench$1
    mkdir -p "$dir"
    "$takt" bench up --units "$SLOTS" --dir "$dir" 2>"$dir.log" &
    bench_pids+=($!)
    until_true 60 test -e "$dir/station.json" || return 1
    mkdir -p "$dir/products/kills"
    echo '{ "product": "kills", "board": "ssc337de-nand128", "limits": "limits.json" }' >"$dir/products/kills/product.json"
    echo '{ "identity": { "read_back_matches": { "min": 1, "unit": "bool" } } }' >"$dir/products/kills/limits.json"
    cat >"$dir/products/kills/line.json" <<'P'
{ "plan": "line", "product": "kills",
  "steps": [ { "id": "scan", "step": "scan", "deadline_s": 30, "needs": ["scanner"] },
             { "id": "power_on", "step": "power_on", "deadline_s": 60, "needs": ["power_supply"] },
             { "id": "connect", "step": "connect", "deadline_s": 60 },
             { "id": "identity", "step": "identity", "deadline_s": 90 },
             { "id": "label", "step": "label", "deadline_s": 60, "needs": ["label_printer"], "when": "all_passed" } ],
  "teardown": [ { "id": "power_off", "step": "power_off", "deadline_s": 30 } ] }
P
    jq --arg name "s$1" --arg products "$dir/products" --arg custody "file:$work/custody.key" \
        --arg pool "postgresql:///pool?host=$net&user=takt" \
        '.station = $name | .products_dir = $products | .custody = $custody |
         .pool = {shared: $pool, lease: {identities: 20, hours: 2}}' "$dir/station.json" >"$dir/new" &&
        mv "$dir/new" "$dir/station.json"
    local slot
    for ((slot = 1; slot <= SLOTS; slot++)); do cp "$dir/slot$slot/flash.img" "$dir/pristine$slot.img"; done
}
import_identities() { # more than all units can use
    imported=$1
    {
        echo "prefix,first,last"
        echo "5c:c3:36,5c:c3:36:00:00:00,5c:c3:36:ff:ff:ff"
        echo "did,key"
        openssl rand -hex $((16 * $1)) | tr -d '\n' | fold -w 32 | awk '{ print 800000000 + NR "," $0 }'
    } >"$work/ids.csv"
    "$takt" identity import "$work/ids.csv" --station "$(station_of 1)"
}

identity_partition() {
    local at size
    read -r at size < <(grep -v '^ *//' "$repo/firmware/boards/ssc337de-nand128.json" |
        jq -r '.flash.partitions[] | select(.name == "identity") | "\(.offset_kib) \(.size_kib)"')
    dd if="$1" bs=1024 skip="$at" count="$size" status=none
}
# Asked all the time by every slot: of the bench's own children, without a process for it.
off() { # station slot
    local thread child children words
    for thread in /proc/${bench_pids[$1 - 1]}/task/*/children; do
        children=()
        read -ra children 2>/dev/null <"$thread" || true # it ends without a line end
        for child in "${children[@]}"; do
            mapfile -d '' -t words 2>/dev/null <"/proc/$child/cmdline" || continue
            [[ " ${words[*]} " != *"/bench$1/slot$2 "* ]] || return 1
        done
    done
}
until_off() { # station slot
    local end=$((SECONDS + 120))
    until off "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.3
    done
}
# One slot after the other gets a unit that was never anywhere, until it passed or was tried six times.
serve_slot() { # station slot
    local dir=$work/bench$1 chip tries
    while [ ! -e "$work/stop" ]; do
        until_off "$1" "$2" || continue
        chip=$(openssl rand -hex 16)
        cp "$dir/pristine$2.img" "$dir/slot$2/flash.img"
        jq --arg chip "$chip" '.chip_id = $chip' "$dir/slot$2/unit.json" >"$dir/unit$2" && cp "$dir/unit$2" "$dir/slot$2/unit.json"
        for ((tries = 0; tries < 6; tries++)); do
            timeout 300 "$takt" run --station "$dir/station.json" --plan kills/line --order KILLS --slot "$2" >"$dir/run$2.log" 2>&1 && break
            # While taktd goes on with the run it was killed in, the slot is busy.
            sleep 0.5
            [ -e "$work/stop" ] && [ -e "$work/kills_over" ] && [ $tries -ge 2 ] && break
        done
        until_off "$1" "$2"
        identity_partition "$dir/slot$2/flash.img" >"$units/$chip.img"
        echo "$chip" >>"$work/swapped"
    done
}

# A process of that kind, by chance.
pick() { # kind
    local found
    case $1 in
    camd) mapfile -t found < <(pgrep -f "camd .*$work/bench") ;;
    *) mapfile -t found < <(pgrep -f "taktd.*$work/bench") ;;
    esac
    [ ${#found[@]} -gt 0 ] && echo "${found[RANDOM % ${#found[@]}]}"
}
kill_one() { # taktd and all it forks have one command line: workers, fixture, outbox, pool process
    local pid kind=station
    [ $((RANDOM % 4)) = 0 ] && kind=camd
    pid=$(pick $kind) || return 1
    kill -KILL "$pid" 2>/dev/null && killed[$kind]=$((killed[$kind] + 1))
}
declare -A killed=([station]=0 [camd]=0 [cut]=0 [postgres]=0)
kill_all_day() {
    local done=0 pause
    RANDOM=$SEED
    touch "$work/swapped"
    # Kills come at their pace, however much there is to do for those who are killed.
    renice -n -10 -p $BASHPID >/dev/null 2>&1
    while [ $done -lt "$KILLS" ]; do
        pause=$(awk "BEGIN { print 0.05 + $((RANDOM % 60)) / 100 }")
        sleep "$pause"
        if [ $((RANDOM % 40)) = 0 ]; then
            net_cut
            sleep $((1 + RANDOM % 4))
            net_up
            killed[cut]=$((killed[cut] + 1))
        elif [ $((RANDOM % 60)) = 0 ]; then
            pg_stop immediate
            sleep $((1 + RANDOM % 3))
            pg_start
            killed[postgres]=$((killed[postgres] + 1))
        else
            kill_one && done=$((done + 1)) && [ $((done % 50)) = 0 ] &&
                echo "$done of $KILLS kills, $SECONDS s, $(wc -l <"$work/swapped") units" >&3
        fi
    done
    # Whatever chance said, each of these has been.
    net_cut; sleep 2; net_up; killed[cut]=$((killed[cut] + 1))
    pg_stop immediate; sleep 1; pg_start; killed[postgres]=$((killed[postgres] + 1))
    touch "$work/kills_over"
    renice -n 0 -p $BASHPID >/dev/null 2>&1
    echo "killed ${killed[station]} of the stations' processes and ${killed[camd]} cameras, cut the network ${killed[cut]} times, stopped PostgreSQL ${killed[postgres]} times" |
        tee "$work/killed"
}

store_of() { sqlite3 -readonly -cmd '.timeout 10000' "$work/bench$1/state/store.db" "$2"; }
settled() { # every station told everything, and its lease is what the pool thinks
    local s
    for ((s = 1; s <= STATIONS; s++)); do
        "$takt" station status --station "$(station_of $s)" >/dev/null 2>&1 ||
            "$build/taktd" --station "$(station_of $s)" >>"$work/bench$s.log" 2>&1 &
        [ "$(store_of $s "select (select count(*) from identity where shared is not null and reported <> state) +
                          (select count(*) from pool_lease where state in (0, 2)) + (select count(*) from run where verdict = 0)")" = 0 ] || return 1
    done
}
gather() {
    local s f
    sql "SELECT did || '|' || chip_id || '|' || state FROM takt_pool.identity WHERE state > 0" | sort >"$work/pool.txt"
    for ((s = 1; s <= STATIONS; s++)); do
        store_of $s "select did, chip_id, state from identity where state > 0"
    done | sort >"$work/store.txt"
    for f in "$units"/*.img; do # identity_record.h: two copies, the DID 12 bytes behind the mark
        LC_ALL=C grep -aobF TKID "$f" | cut -d: -f1 | while read -r at; do
            echo "$(tail -c +$((at + 13)) "$f" | head -c 9)|$(basename "$f" .img)"
        done
    done | sort -u >"$work/unit.txt"
    cat "$work"/bench*/labels/* 2>/dev/null | grep -oP 'DID \K8\d{8}' | sort -u >"$work/label.txt"
    wc -l "$work"/{pool,store,unit,label}.txt
}
no_did_on_two_units() { [ -z "$(cut -d'|' -f1 "$work/unit.txt" | uniq -d)" ] && [ -z "$(cut -d'|' -f2 "$work/unit.txt" | sort | uniq -d)" ]; }
none_unaccounted() { # all that were imported are free, in one lease, or of a unit
    local s
    sql "SELECT did FROM takt_pool.identity WHERE state = 0 AND lease IS NOT NULL" | sort >"$work/leased.pool"
    for ((s = 1; s <= STATIONS; s++)); do
        store_of $s "select did from identity where state = 0 and held = 1"
    done | sort >"$work/leased.stations"
    [ -z "$(uniq -d "$work/leased.stations")" ] && diff "$work/leased.pool" "$work/leased.stations" &&
        [ "$(sql "SELECT count(*) FROM takt_pool.identity")" = "$imported" ] &&
        [ "$(sql "SELECT count(*) FROM takt_pool.identity WHERE state = 4 AND reason NOT LIKE 'its unit %'")" = 0 ]
}
units_agree() { # what is on a unit is the unit's in the pool
    cut -d'|' -f1,2 "$work/pool.txt" >"$work/pool.pairs"
    [ -z "$(comm -23 "$work/unit.txt" <(sort "$work/pool.pairs"))" ]
}
confirmed_are_on_their_units() {
    [ -z "$(comm -23 <(grep '|3$' "$work/pool.txt" | cut -d'|' -f1,2 | sort) "$work/unit.txt")" ]
}
stores_agree() { # what a station has on record is in the pool, to the state
    [ -z "$(comm -23 "$work/store.txt" "$work/pool.txt")" ]
}
labels_agree() { [ -z "$(comm -23 "$work/label.txt" <(grep '|3$' "$work/pool.txt" | cut -d'|' -f1 | sort))" ]; }
chains_hold() {
    local s
    for ((s = 1; s <= STATIONS; s++)); do "$takt" identity audit --station "$(station_of $s)" || return 1; done
}
many_were_given() { [ "$(grep -c '|3$' "$work/pool.txt")" -ge "$1" ] && [ "$(wc -l <"$work/label.txt")" -ge "$1" ]; }

kills_run() { # least number of identities that must have been given
    local s n workers=()
    check "a PostgreSQL is there" pg_begin
    for ((s = 1; s <= STATIONS; s++)); do
        begin_station $s || { cat "$work/bench$s.log"; failed=$((failed + 1)); return 1; }
    done
    check "identities and their range of MAC addresses are imported" import_identities $((KILLS * 3 + STATIONS * SLOTS * 20 + 200))
    for ((s = 1; s <= STATIONS; s++)); do
        for ((n = 1; n <= SLOTS; n++)); do
            serve_slot $s $n >>"$work/serve$s.log" 2>&1 &
            workers+=($!)
        done
    done
    enough() { # units that were given one, and have their label
        [ "$(sql "SELECT count(*) FROM takt_pool.identity WHERE state = 3" 2>/dev/null || echo 0)" -ge "$1" ] &&
            [ "$(cat "$work"/bench*/labels/* 2>/dev/null | grep -oP 'DID \K8\d{8}' | sort -u | wc -l)" -ge "$1" ]
    }
    until_true 300 enough 1
    check "processes are killed, the network is cut, PostgreSQL is stopped" kill_all_day
    # What was under way comes to its end.
    until_true 900 enough "$1"
    touch "$work/stop"
    wait "${workers[@]}"
    check "every station tells what it did, and stands still" until_true 300 settled
    check "pool, stores, units and labels are read" gather
    check "no DID is on two units, no unit has two" no_did_on_two_units
    check "no identity is unaccounted for, none in two leases" none_unaccounted
    check "what is on a unit is the unit's in the pool" units_agree
    check "what is confirmed is on its unit" confirmed_are_on_their_units
    check "what a station has on record is in the pool" stores_agree
    check "what is printed is confirmed" labels_agree
    check "every station's audit chain holds" chains_hold
    check "at least $1 identities were given and labelled meanwhile" many_were_given "$1"
}
