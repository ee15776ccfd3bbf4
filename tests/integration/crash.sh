#!/usr/bin/env bash
# Processes killed in mid-run, units that go, disks that fill, files that are wrong: nothing
# committed is lost, no identity is used twice, and the message says what to do.
source "$(dirname "$0")/suite.bash"

bench_start 2
bundle_make || exit 1
products=$bench_dir/products
mkdir -p "$products/crash"
sed -i "s#\"products_dir\":[[:space:]]*\"[^\"]*\"#\"products_dir\": \"$products\"#" "$station"
echo '{ "product": "crash", "board": "ssc337de-nand128", "limits": "limits.json" }' \
    >"$products/crash/product.json"
echo '{ "card": { "write_mb_s": { "min": 10, "unit": "MB/s" } } }' >"$products/crash/limits.json"
cat >"$products/crash/line.json" <<'P'
{ "plan": "line", "product": "crash",
  "steps": [ { "id": "power_on", "step": "power_on", "deadline_s": 30 },
             { "id": "connect", "step": "connect", "deadline_s": 20 },
             { "id": "flash", "step": "flash_agent", "deadline_s": 60 },
             { "id": "identity", "step": "identity", "deadline_s": 40 },
             { "id": "card", "step": "card", "deadline_s": 60, "params": { "mib": 8 } } ],
  "teardown": [ { "id": "power_off", "step": "power_off", "deadline_s": 10 } ] }
P
line() { "$takt" run --station "$station" --plan crash/line --order CRASH "$@"; }
status() { "$takt" station status --station "$station" --json; }
up() { status >/dev/null 2>&1; }
slot_step() { status | jq -r ".slots[] | select(.slot == $1) | .step // .state"; }
at_step() { [ "$(slot_step "$1")" = "$2" ]; }
idle() { [ "$(status 2>/dev/null | jq -r '[.slots[].state] | unique | join(",")')" = idle ]; }
daemon() { status | jq -r .pid; }
start_daemon() { "$build/taktd" --station "$station" >>"$bench_dir/taktd.out" 2>&1 & until_true 15 up; }
verdict_of() { store "select v.name from run r join verdict v on v.id = r.verdict where r.id = $1"; }
last_run() { store "select max(id) from run where slot = $1"; }
camera_pid() { pgrep -f "camd .*$bench_dir/slot$1( |\$)" | head -1; }

empty_pool() { # nobody imported identities yet
    line >"$work/out" 2>&1
    [ $? = 2 ] || { cat "$work/out"; return 1; }
    grep -q "identit" "$work/out"
}
both_pass() { line --serial C1 --serial C2 && idle; }
identities_agree() { # one identity a chip, one chip an identity; the chain holds
    "$takt" identity audit --station "$station" &&
        [ "$(store "select count(*) - count(distinct chip_id) from identity where chip_id is not null")" = 0 ] &&
        [ "$(store "select count(*) from identity where chip_id is not null")" -le 2 ]
}
steps_once() { # every attempt of every step of every run stands there once
    [ "$(store "select count(*) from (select run, step, attempt from step group by 1, 2, 3 having count(*) > 1)")" = 0 ] &&
        [ "$(store "select count(*) from run where verdict = 0")" = 0 ]
}

killed_camera() {
    local before run
    before=$(store "select did from identity where chip_id is not null order by did")
    line --serial C1 --serial C2 >"$work/run.out" 2>&1 &
    local client=$!
    until_true 40 at_step 1 card || return 1
    kill -KILL "$(camera_pid 1)"
    wait $client
    run=$(last_run 1)
    [ "$(verdict_of "$run")" = error ] || { echo "slot 1: $(verdict_of "$run")"; return 1; }
    [ "$(verdict_of "$(last_run 2)")" = pass ] || { echo "slot 2 suffered"; return 1; }
    store "select message from step where run = $run and message is not null" | grep -iE "unit|session|camera|port"
    [ "$before" = "$(store "select did from identity where chip_id is not null order by did")" ]
}
killed_worker() {
    line --serial C1 --serial C2 >"$work/run.out" 2>&1 &
    local client=$! run worker
    until_true 40 at_step 1 card || return 1
    worker=$(status | jq -r '.slots[] | select(.slot == 1) | .worker_pid // empty')
    [ -n "$worker" ] || { echo "no worker of slot 1 to be found"; return 1; }
    kill -KILL "$worker"
    wait $client
    run=$(last_run 1)
    [ "$(verdict_of "$run")" = error ] && [ "$(verdict_of "$(last_run 2)")" = pass ] &&
        store "select message from step where run = $run and message is not null" | grep -i "killed"
}
killed_daemon() { # $1 ms into a run: any moment must do
    local client pid
    pid=$(daemon)
    line --serial C1 --serial C2 >"$work/run.out" 2>&1 &
    client=$!
    sleep "$(awk "BEGIN { print $1 / 1000 }")"
    kill -KILL "$pid"
    until_true 5 not_running "$pid"
    committed_steps >"$work/before" # what is there the moment it died ...
    wait $client
    start_daemon || return 1
    until_true 60 idle || return 1
    committed_steps >"$work/after" # ... stands there unchanged for good
    comm -23 "$work/before" "$work/after"
    store "select r.slot, n.name, s.attempt, s.verdict, s.message from step s join step_name n on n.id = s.name
           join run r on r.id = s.run where r.id in ($(last_run 1), $(last_run 2)) and s.verdict <> 1"
    [ -z "$(comm -23 "$work/before" "$work/after")" ] &&
        [ "$(verdict_of "$(last_run 1)")" = pass ] && [ "$(verdict_of "$(last_run 2)")" = pass ]
}
committed_steps() { store "select run, step, attempt, verdict, started_ms from step" | sort; }
not_running() { ! kill -0 "$1" 2>/dev/null; }
nothing_left_on() { # after the last run: no camera draws power
    [ -z "$(camera_pid 1)" ] && [ -z "$(camera_pid 2)" ]
}
refused_with() { # text: what the refusal must say
    line >"$work/out" 2>&1
    local code=$?
    cat "$work/out"
    [ $code = 2 ] && grep -qF "$1" "$work/out"
}
unknown_step() {
    sed -i.kept 's/"step": "card"/"step": "crad"/' "$products/crash/line.json"
    refused_with "line.json:6: "
    local result=$?
    mv "$products/crash/line.json.kept" "$products/crash/line.json"
    return $result
}
limit_without_unit() {
    cp "$products/crash/limits.json" "$work/kept"
    printf '{\n "card": {\n  "write_mb_s": { "min": 10 } } }\n' >"$products/crash/limits.json"
    refused_with "limits.json:3: "
    local result=$?
    cp "$work/kept" "$products/crash/limits.json"
    return $result
}
damaged_store() { # a page gone bad while taktd was away: set aside, and the line goes on
    station_stop
    local db=$bench_dir/state/store.db before kept pages
    make -C "$repo" --no-print-directory -s build/tests/integration/queue_runs &&
        "$build/tests/integration/queue_runs" "$station" 50 || return 1
    before=$(store "select count(*) from step")
    sqlite3 "$db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
    # A leaf of the steps, behind the first.
    pages=$(sqlite3 "$db" "select pageno from dbstat where name = 'step' and pagetype = 'leaf' limit 1 offset 1")
    head -c 4096 /dev/zero | tr '\0' '\245' | dd of="$db" bs=4096 seek=$((pages - 1)) conv=notrunc status=none
    start_daemon || return 1
    grep -q 'the store was damaged: it is set aside as' "$bench_dir/taktd.out" &&
        status | jq -r .recovered | grep -q 'rows were read from it' && [ -e "$db.damaged-1" ] || return 1
    kept=$(store "select count(*) from step")
    echo "steps: $before, of them $kept kept"
    [ "$kept" -gt 0 ] && [ "$kept" -lt "$before" ] &&
        "$takt" store check --station "$station" && "$takt" identity audit --station "$station" &&
        identities_import 4 && both_pass
}
another_programs_file() {
    local small=$bench_dir/other
    mkdir -p "$small/state" && sqlite3 "$small/state/store.db" 'create table t(x); pragma user_version=1'
    sed "s#\"state_dir\":[[:space:]]*\"[^\"]*\"#\"state_dir\": \"$small/state\"#" "$station" >"$bench_dir/other.json"
    "$build/taktd" --station "$bench_dir/other.json" >"$work/out" 2>&1
    [ $? = 2 ] && grep -q 'another program' "$work/out" && [ "$(ls "$small"/state/store.db*damaged* 2>/dev/null)" = "" ] &&
        [ "$(sqlite3 "$small/state/store.db" 'select count(*) from t')" = 0 ]
}
full_disk() { # the state on a file system of 8 MiB, filled to the brim
    local small=$bench_dir/small code
    mkdir -p "$small" && mount -t tmpfs -o size=8m tmpfs "$small" || return 1
    sed "s#\"state_dir\":[[:space:]]*\"[^\"]*\"#\"state_dir\": \"$small/state\"#" "$station" \
        >"$bench_dir/full.json"
    "$build/taktd" --station "$bench_dir/full.json" >"$work/out" 2>&1 &
    until_true 10 "$takt" station status --station "$bench_dir/full.json" || cat "$work/out"
    head -c 16m /dev/zero >"$small/filler" 2>/dev/null
    "$takt" run --station "$bench_dir/full.json" --plan crash/line --order FULL >"$work/out" 2>&1
    code=$?
    cat "$work/out"
    "$takt" station stop --station "$bench_dir/full.json" --force
    umount -l "$small"
    [ $code -ge 2 ] && grep -q "free some space" "$work/out"
}

check "an empty pool is refused at the start" empty_pool
check "identities come in" identities_import 4
check "two units pass" both_pass
check "a killed camera is an error of its slot alone, and keeps its identity" killed_camera
check "a killed slot worker is an error of its slot alone" killed_worker
RANDOM=${SEED:=$$}
echo "  seed  $SEED"
for round in 1 2 3 4 5; do
    moment=$((RANDOM % 2500 + 50))
    check "taktd killed $moment ms into a run goes on where it was" killed_daemon $moment
done
check "every attempt of every step is recorded once" steps_once
check "one identity a unit, and the audit chain holds" identities_agree
check "no camera draws power when all is over" nothing_left_on
check "an unknown step is refused with file and line" unknown_step
check "a limit without a unit is refused with file and line" limit_without_unit
check "a full disk is refused at the start" full_disk
check "a damaged store is set aside and recovered at the start" damaged_store
check "another program's file is left as it is" another_programs_file
suite_end
