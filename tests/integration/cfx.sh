#!/usr/bin/env bash
# Runs as IPC-2591 (CFX) messages over AMQP 1.0, to a real RabbitMQ: what arrives, what is refused,
# who is let in, and a network and a broker that fail in the middle.
source "$(dirname "$0")/suite.bash"
source "$(dirname "$0")/rabbitmq.bash"
make -C "$repo" --no-print-directory -s \
    build/tests/integration/{queue_runs,bad_network} || exit 1
receiver=$repo/tests/integration/cfx_receiver.py
network_pid= receiver_pid=
trap '[ -n "$receiver_pid" ] && kill $receiver_pid; [ -n "$network_pid" ] && kill $network_pid; suite_clean; rabbitmq_stop' EXIT
rabbitmq_start || exit 1
bench_start 1 || exit 1
cp "$rabbitmq"/{ca,station-1}.pem "$rabbitmq/station-1.key" "$bench_dir/"
source "$(dirname "$0")/waiting_station.bash"

destination() { # url address [more members]
    printf '{"mes": {"connector": "cfx", "url": "%s", "address": "%s", "handle": "Takt.Final.bench",
        "first_pause_ms": 20, "longest_pause_ms": 200, "timeout_ms": 5000, "heartbeat_s": 1 %s}}' "$1" "$2" "${3:+, $3}"
}
receive() { # queue [quiet_s]: what is in it, into $work/received
    "$receiver" "127.0.0.1:$rabbitmq_port" "$1" "${2:-0.7}" >"$work/received"
}
envelopes() { cut -f 5 "$work/received"; }
of_runs() { # each message once, in the order they first came, without the endpoint's own
    awk -F '\t' '$2 !~ /(Heartbeat|Endpoint[A-Za-z]*)$/ && !seen[$1]++ { print $5 }' "$work/received"
}
broker=amqp://127.0.0.1:$rabbitmq_port secure=amqps://localhost:$rabbitmq_tls_port

all_arrive() {
    outbox "$(destination "$broker" /queue/cfx)" 12 && comes_to sent "$runs" && sleep 1.2 && receive /amq/queue/cfx
}
check "twelve runs are accepted by the broker" all_arrive
serials_in_order() {
    [ "$(of_runs | jq -r 'select(.MessageName | endswith("UnitsTested")) | .MessageBody.TestedUnits[0].UnitIdentifier')" = "$serials" ]
}
in_order() { # each run's three messages, run after run
    of_runs | jq -es '[.[].MessageName] | [range(0; length; 3) as $i | .[$i:$i+3]] | unique ==
        [["CFX.Production.WorkStarted", "CFX.Production.TestAndInspection.UnitsTested", "CFX.Production.WorkCompleted"]]' &&
        serials_in_order
}
check "three messages a run, in order" in_order
one_transaction() {
    of_runs | jq -es '[range(0; length; 3) as $i | .[$i:$i+3] | [.[0].MessageBody.TransactionID,
        .[1].MessageBody.TransactionId, .[2].MessageBody.TransactionID] | unique | length] | unique == [1]'
}
check "one transaction id a run" one_transaction
as_the_standard_says() {
    of_runs | jq -es 'all(.[]; keys == ["MessageBody","MessageName","RequestID","Source","Target","TimeStamp","UniqueID","Version"]
            and .Source == "Takt.Final.bench" and .MessageBody["$type"] == .MessageName + ", CFX")
        and all(.[] | select(.MessageName | endswith("UnitsTested")) | .MessageBody;
            (.TestMethod == "Automated") and (.SamplingInformation.SamplingMethod == "NoSampling")
            and (.TestedUnits | length == 1) and .TestedUnits[0].OverallResult == "Passed"
            and (.TestedUnits[0].Tests | length == 20)
            and all(.TestedUnits[0].Tests[]; (.Measurements | length == 3) and .Result == "Passed" and .Error == null
                and all(.Measurements[]; .["$type"] == "CFX.Structures.NumericMeasurement, CFX"
                    and .MeasuredValue.MinimumAcceptableValue == 8.5 and .MeasuredValue.MaximumAcceptableValue == 11.5)))'
}
check "names and members as the standard has them" as_the_standard_says
values_are_the_stores() { # to 14 digits; cJSON prints the shortest text within an epsilon
    of_runs | python3 -c 'import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if m["MessageName"].endswith("UnitsTested"):
        for t in m["MessageBody"]["TestedUnits"][0]["Tests"]:
            for v in t["Measurements"]: print(repr(v["MeasuredValue"]["Value"]))' >"$work/sent" &&
        store "select printf('%!.17g', value) from measurement order by run, step, attempt, n" |
        python3 -c 'import sys; [print(repr(float(x))) for x in sys.stdin]' >"$work/kept" &&
        [ "$(wc -l <"$work/sent")" = $((runs * 60)) ] &&
        paste "$work/sent" "$work/kept" | awk '($1 - $2) ^ 2 > 1e-28 * $2 ^ 2 { print; bad = 1 } END { exit bad }'
}
check "values are the store's" values_are_the_stores
carried_as_cfx() { # message-id is the envelope's UniqueID; subject and properties as the SDK sets them
    awk -F '\t' '{ split($5, part, "\"UniqueID\":\""); if (substr(part[2], 1, 36) != $1) exit 1
        if ($2 !~ /^Takt\.Final\.bench\.CFX\./ || $4 != "application/json; charset=\"utf-8\"" ) exit 1
        if ($3 !~ /"cfx-topic": "CFX/ || $3 !~ /"cfx-handle": "Takt.Final.bench"/) exit 1 }' "$work/received"
}
check "the AMQP message names what is in it" carried_as_cfx
beats() { [ "$(envelopes | jq -r 'select(.MessageName == "CFX.Heartbeat") | .MessageBody.HeartbeatFrequency' | sort | uniq -c | awk '{ print ($1 >= 2) $2 }')" = 100:00:01 ]; }
check "heartbeats come while nothing is to be sent" beats
announced() { [ "$(envelopes | jq -rs 'map(select(.MessageName == "CFX.EndpointConnected")) | length')" = 1 ]; }
check "the endpoint says that it is connected" announced
stopped() { ! pgrep -f "taktd.*$station" >/dev/null; }
left() { # as an operator stops it, not as the tests do
    pkill -TERM -f "taktd.*$station"
    until_true 20 stopped && receive /amq/queue/cfx || return 1
    [ "$(envelopes | jq -r '.MessageName + " " + (.MessageBody.CFXHandle // "")' | tail -n 1)" = "CFX.EndpointShuttingDown Takt.Final.bench" ]
}
check "and, last of all, that it shuts down" left

# A receiver that settles as it is told, without a broker.
settles_port=$(rabbitmq_free_port)
told() { # UNITS [how word]...
    local units=$1
    shift
    [ -n "$receiver_pid" ] && kill "$receiver_pid" 2>/dev/null
    "$receiver" "127.0.0.1:$settles_port" - 0 "$@" >"$work/received" &
    receiver_pid=$!
    outbox "$(destination "amqp://127.0.0.1:$settles_port" cfx)" "$units"
}
rejected() { # the second unit's tests are not wanted
    told 3 reject UnitsTested && comes_to parked 3 &&
        "$takt" outbox status --station "$station" |
        grep 'parked 2, for mes.* was rejected: amqp:precondition-failed: no such recipe'
}
check "what is rejected is parked, with its reason" rejected
retried_by_hand() {
    kill "$receiver_pid"
    "$receiver" "127.0.0.1:$settles_port" - 0 >"$work/received" &
    receiver_pid=$!
    "$takt" outbox retry 2 --station "$station" && comes_to sent 1 && [ "$(of_runs | wc -l)" = 3 ] &&
        grep -q SN000000001 "$work/received" && is_count parked 2
}
check "it can be tried again" retried_by_hand
later() { # neither is a refusal: sent again, under the same id
    told 4 release SN000000001 modify SN000000002 && comes_to sent "$runs" && is_count parked 0 &&
        [ "$(of_runs | wc -l)" = $((3 * runs)) ] && serials_in_order
}
check "what is released or to be modified is sent again" later
kill "$receiver_pid"; receiver_pid=

# RabbitMQ 3.10's plug-in ends the session where a queue refuses: the record waits for room.
full_queue() {
    outbox "$(destination "$broker" /amq/queue/full)" 1 && until_true 10 says 'tried [1-9]' && is_count parked 0 &&
        until_true 30 drained
}
drained() { receive /amq/queue/full && is_count sent 1; }
check "a full queue holds up, and loses nothing" full_queue
nobody_takes_it() {
    outbox "$(destination "$broker" /exchange/no-such-exchange/x)" 1 &&
        until_true 10 says 'does not take messages|closed|ended' && is_count parked 0 && is_count waiting 1
}
check "an address that is not there is no refusal: it waits" nobody_takes_it

let_in() { outbox "$(destination "$@")" 1 && comes_to sent 1; }
kept_out() { outbox "$(destination "$2" "$3" "$4")" 1 && until_true 15 says "$1" && is_count waiting 1; }
check "user and password over TLS" let_in "$secure" /queue/tls '"ca": "ca.pem", "user": "line", "password": "pass word"'
check "a certificate over TLS, by SASL EXTERNAL" let_in "$secure" /queue/tls \
    '"ca": "ca.pem", "certificate": "station-1.pem", "key": "station-1.key"'
check "a wrong password is no refusal of the record" kept_out 'uthentication|closed|SASL|sasl' "$secure" /queue/tls \
    '"ca": "ca.pem", "user": "line", "password": "wrong"'
check "a broker of an unknown authority gets nothing" kept_out 'certificate' "$secure" /queue/tls \
    '"user": "line", "password": "pass word"'
check "nor one whose certificate is another's" kept_out 'certificate|hostname' "amqps://127.0.0.1:$rabbitmq_tls_port" \
    /queue/tls '"ca": "ca.pem", "user": "line", "password": "pass word"'
clear_password() {
    station_stop
    jq --argjson outbox "$(destination "$broker" /queue/x '"user": "line", "password": "secret"')" '. + {outbox: $outbox}' \
        "$as_made" >"$station"
    "$build/taktd" --station "$station" >"$work/out" 2>&1
    [ $? = 2 ] && grep -q 'station.json:[0-9]*: over amqp:// anyone on the line can read' "$work/out"
}
check "a password in the clear is refused, with its line" clear_password

# Twenty units through a network that cuts, loses answers and holds up; the broker killed in the middle.
once_each() {
    coproc "$build/tests/integration/bad_network" "$rabbitmq_port" 20261128
    network_pid=$COPROC_PID
    read -ru "${COPROC[0]}" port
    outbox "$(destination "amqp://127.0.0.1:$port" /queue/bad)" 20 && until_true 60 enough_sent &&
        rabbitmq_crash && comes_to sent "$runs" 90 && is_count parked 0 || return 1
    kill "$network_pid"
    network_pid=
    receive /amq/queue/bad 3
    [ "$(of_runs | wc -l)" = $((3 * runs)) ] || { echo "$(of_runs | wc -l) messages of $runs runs"; return 1; }
    [ "$(awk -F '\t' '$2 !~ /(Heartbeat|Endpoint[A-Za-z]*)$/' "$work/received" | wc -l)" -gt $((3 * runs)) ] ||
        { echo "the network was never bad enough to send anything twice"; return 1; }
}
enough_sent() { [ "$(waiting sent)" -ge 6 ]; }
check "each message once for a receiver that keeps ids, network and broker failing" once_each
check "and in order" serials_in_order

suite_end
