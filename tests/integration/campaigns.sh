#!/usr/bin/env bash
# The product's reliability table as campaigns on simulated time, each with a healthy unit and one that
# its condition brings down: the one is not flagged, the other found, and after how long is printed.
#   WHOLE=1 takes the files of station/campaigns as they are (tests/soak/campaigns.sh); without it
#   each is as short as it can be and still find something. ROWS="cold-start power-loss" takes these alone.
source "$(dirname "$0")/suite.bash"
source "$(dirname "$0")/terminal.bash"
export LANG=C.UTF-8
qa() { "$takt" qa "$@" --station "$station"; }
status() { qa status --json; }
over() { # looked at every LOOK_S: to look costs more than what is looked at
    sleep "${LOOK_S:-0}"
    status >"$work/status.json"
    [ "$(jq -r .state "$work/status.json")" != running ] || ! told >/dev/null || touch "$work/told_before_the_end"
    jq -e '.state == "finished" or .state == "stopped"' "$work/status.json"
}
# Failures that came to the factory's system, of the campaign's unit: its chip and why.
told() {
    cat "$work"/received/*.json 2>/dev/null | jq -c --arg plan "$(jq -r .name "$work/status.json")" \
        'select(.mode == "qa" and .verdict == "fail" and .plan == $plan)' | grep .
}
unit() { jq -r ".units[] | select(.number == $1) | .$2" "$work/status.json"; }

# 1 is healthy; each of the others has what one row of the table is there to find.
bench_start 9 --chamber --simulated-time --defect 2:leaking_memory --defect 3:no_cold_start \
    --defect 4:brownout --defect 5:lost_link --defect 6:hanging_start --defect 7:loosening_lens --defect 8:sticky_radio \
    --defect 9:no_card || exit 1
# The factory's system, which takes every record.
mkdir "$work/received"
coproc python3 -u - "$work/received" <<'PY'
import http.server, itertools, os, sys
numbers = itertools.count()
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = os.path.join(sys.argv[1], "%03d" % next(numbers))
        with open(name + ".part", "wb") as f:
            f.write(body)
        os.rename(name + ".part", name + ".json")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port)
server.serve_forever()
PY
receiver_pid=$COPROC_PID
trap 'kill $receiver_pid; tmux -L "$session-$opened" kill-server 2>/dev/null; suite_clean' EXIT
read -ru "${COPROC[0]}" port
jq --arg url "http://127.0.0.1:$port/units" '. + {outbox: {mes: {connector: "http", url: $url, first_pause_ms: 50,
    longest_pause_ms: 200}}}' "$station" >"$station.new" && mv "$station.new" "$station"
bundle_make || exit 1
row() { [ -z "${ROWS:-}" ] || [[ " $ROWS " == *" $1 "* ]]; }
# Who they are: what a cut must not change.
make -C "$repo" --no-print-directory -s build/tests/integration/unit_says || exit 1
for slot in $(row power-loss && echo 1 6); do
    scpi psu "APPL CH$slot,5,2" "OUTP ON,(@$slot)" >/dev/null &&
        until_true 120 "$repo/build/tests/integration/unit_says" "$station" $slot identity.write "$(printf \
            '{"did":"8000000%d","mac":"5c:c3:36:00:00:0%d","key":"%s","serial":"SN-%d"}' $slot $slot \
            "$(openssl rand -hex 32)" $slot)" >/dev/null && scpi psu "OUTP OFF,(@$slot)" >/dev/null || exit 1
done

campaign_of() { # NAME JQ: its file, shortened by JQ unless WHOLE
    sed 's,^ *//.*,,; s, // .*,,' "$repo/station/campaigns/$1.json" >"$work/whole.json"
    if [ -n "${WHOLE:-}" ]; then
        cp "$work/whole.json" "$bench_dir/$1.json"
    else
        jq "$2" "$work/whole.json" >"$bench_dir/$1.json"
    fi
}

# Seconds that station, bench and cameras have used.
processor() {
    cat $(printf '/proc/%s/stat ' "$bench_pid" $(pgrep -f "taktd.*$station")) 2>/dev/null |
        awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); s += $12 + $13 + $14 + $15 } END { print s / hz }'
}

# NAME SLOT FIGURE: unit 1 is good to the end, the one of SLOT fails by FIGURE
finds() {
    local began=$SECONDS before
    before=$(processor)
    qa run "$bench_dir/$1.json" --order "LOT-$1" --slots "1,$2" || return 1
    until_true "${PATIENCE_S:-600}" over || { qa status; return 1; }
    qa status
    [ "$(unit 1 state)" = ended ] && [ "$(unit 2 state)" = failed ] && [[ "$(unit 2 cause)" =~ $3 ]] || return 1
    jq -r --arg n "$1" --arg s $((SECONDS - began)) --argjson used "$(awk "BEGIN { print $(processor) - $before }")" \
        '"  \($n): \(.elapsed_ms / 36000 | round / 100) h in \($s) s, \($used | round) s of processor; healthy unit not flagged; found after \(.units[1].watched_ms / 36000 | round / 100) h: \(.units[1].cause)"' \
        "$work/status.json" >>"$work/found"
}

every_cut_is_on_record() { # a healthy unit's too, with what it was at and its seed
    qa report "$(jq .id "$work/status.json")" --json >"$work/report.json" &&
        jq -r '.events[] | select(.kind == "changed") | .text' "$work/report.json" | sort | uniq -c | sort -rn | head -20 &&
        [ "$(jq '[.events[] | select(.unit == 1 and (.text | test("seed [0-9]+")))] | length' "$work/report.json")" -ge "$1" ]
}
# The cut after which the unit failed, made again alone: the same moment, shape and time.
replayed() {
    local cut
    cut=$(jq -r '[.events[] | select(.unit == 1 and (.text | test("seed [0-9]+")))][0].text | capture("to .(?<t>.*)\u0027$").t' "$work/report.json")
    echo "to be made again: $cut"
    qa run "$bench_dir/power-loss.json" --slots 1 --replay "${cut##* }" || return 1
    until_true "${PATIENCE_S:-600}" over && [ "$(unit 1 state)" = ended ] || { qa status; return 1; }
    [ "$(store "select count(*) from campaign_event where kind = 'noted' and text like '%$cut%'
        and campaign = $(jq .id "$work/status.json")")" = 1 ]
}

short_supply='.cycles = 60 | .watch.image.every_h = 1000 | .watch.health.every_s = 11'
short_wifi='.cycles = 3 | .watch.health.every_s = 600'
short_cold='.cycles = 1 | .watch.start.every_min = 45 | .watch.image.every_h = 1000 | .watch.health.every_s = 300 | .interlocks.every_s = 300 | .interlocks.contact_s = 3600'
short_work='.cycles = 1 | .watch.load.every_min = 5 | .watch.health.every_min = 10'
short_cuts='.duration_min = 8 | .watch.health.every_min = 4'
row cold-start && campaign_of cold-start "$short_cold" && check "low-temperature start" finds cold-start 3 "not up|come up"
row supply-fluctuation && campaign_of supply-fluctuation "$short_supply" && check "voltage fluctuation" finds supply-fluctuation 4 health.uptime_s
row wifi-attenuation && campaign_of wifi-attenuation "$short_wifi" && check "Wi-Fi: attenuation and return" finds wifi-attenuation 5 return.peer_missing
if row wifi-roaming; then
    campaign_of wifi-roaming "$short_wifi" && check "Wi-Fi: from one access point to another" finds wifi-roaming 8 "return.(associated|peer_missing)"
    every_handover_is_on_record() { # of the healthy unit: there and back, by channel
        qa report "$(jq .id "$work/status.json")" --json >"$work/report.json" &&
            jq -r '.events[] | select(.unit == 1) | .text' "$work/report.json" | grep -c 'access_point from .*MHz.* to .*MHz' | tee "$work/handovers" &&
            [ "$(cat "$work/handovers")" -ge 4 ]
    }
    check "each of its handovers is an event" every_handover_is_on_record
fi
short_access='.cycles = 2 | .watch.health.every_s = 600'
if row wifi-access-points; then
    campaign_of wifi-access-points "$short_access" && check "Wi-Fi: access points go off and change channels" finds wifi-access-points 8 "return.(associated|peer_missing)"
    followed() { # the healthy unit was with the one, with the other, and with the first on both its channels; on record as measured
        qa report "$(jq .id "$work/status.json")" --json >"$work/report.json" || return 1
        jq -r '.events[] | select(.unit == 1) | .text | capture("access_point from .* to .(?<to>.*)\u0027$").to' "$work/report.json" | sort | uniq -c | tee "$work/with"
        grep -q ':00, 2472 MHz' "$work/with" && grep -q ':00, 2437 MHz' "$work/with" && grep -q ':01, 2462 MHz' "$work/with" || return 1
        # Third, fourth and fifth of the file's conditions, as measured: on and off, the channel (0 while off), and the other one.
        for k in 5 7 9; do
            jq "[.rows[] | select(.unit == 0 and .figure == $k)] | [(map(.lowest) | min), (map(.highest) | max)]" "$work/report.json"
        done | jq -sc . | tee "$work/measured"
        [ "$(cat "$work/measured")" = '[[0,1],[0,2472],[0,1]]' ]
    }
    check "the healthy one was with each of them, and what they were is on record" followed
    given_back() { # both as they were before
        for ap in ap second_ap; do
            python3 -c 'import os, socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.settimeout(5); s.bind(sys.argv[1] + ".ask"); s.sendto(b"STATUS", sys.argv[1]); print(s.recv(1000).decode()); os.unlink(sys.argv[1] + ".ask")' \
                "$(jq -r ".instruments.$ap.control" "$station")"
        done | grep -E '^(state|freq)=' | tee "$work/given"
        [ "$(tr '\n' ' ' <"$work/given")" = "state=ENABLED freq=2437 state=ENABLED freq=2462 " ]
    }
    check "the access points are as the campaign began with them" given_back
fi
if row work-cycles; then
    campaign_of work-cycles "$short_work" && check "work and rest" finds work-cycles 9 load.not_done
    worked() { # what the conditions commanded is on record beside what the units say they did, and the current tells them apart
        qa report "$(jq .id "$work/status.json")" --json >"$work/report.json" || return 1
        course() { jq "[.rows[] | select(.unit == 0 and .figure == $1)] | [(map(.mean * .samples) | add) / (map(.samples) | add), (map(.highest) | max), (map(.lowest) | min)]" "$work/report.json"; }
        # By the file's order: streams, infrared, motors, recording, talkback, processor; the healthy unit's alone would be 1.
        for k in 0 1 2 3 4; do course $((2 * k)); course $((2 * k + 1)); done | jq -s -c . | tee "$work/courses"
        jq -e '[range(0; 10; 2) as $k | .[$k][1] == 1 and .[$k][2] == 0 and .[$k + 1][1] >= 0.5 and .[$k + 1][2] == 0] | all' "$work/courses" &&
            store "select max(highest) - min(lowest) from campaign_row where campaign = $(jq .id "$work/status.json") and unit = 1
                and figure = (select number from campaign_figure where campaign = $(jq .id "$work/status.json") and name = 'load.supply_amps')" |
            tee "$work/swing" && awk '{ exit !($1 > 0.1) }' "$work/swing"
    }
    check "what was commanded is on record beside what was done and drawn" worked
fi
if row power-loss; then
    campaign_of power-loss "$short_cuts" && check "power loss at drawn moments" finds power-loss 6 cut.started
    alerted() { # each failure once, with its cause, the first of them before its campaign was over
        until_true 30 told && [ "$(told | wc -l)" = 1 ] &&
            [ "$(told | jq -r .chip_id)" = "$(unit 2 chip_id)" ] && test -e "$work/told_before_the_end"
    }
    check "its failure came to the factory's system through the outbox" alerted
    check "every cut is on record with its seed" every_cut_is_on_record $((${WHOLE:-0} ? 900 : 6))
    rack_view() { # of the campaign that ran last: a cell a unit, then its curves, in both languages
        terminal_open 100 30 "$takt console --station $station --plan ptz-indoor-3mp/line"
        until_true 20 shows "F9 rack" && press Escape && until_true 10 not_shows PIN && press F9 && until_true 20 shows "power-loss" && shows "2 units, 1 failed" &&
            until_true 5 shows "✓  1" && shows "✗  2" && finger Right && until_true 10 shows "unit 2  slot 6" &&
            shows "started again 0" && press Enter && until_true 10 shows "≥ 1" && shows "identity unchanged" || { screen; return 1; }
        screen && finger l && until_true 10 shows "已失效" && shows "产品 2" && press Enter &&
            until_true 10 shows "1 台失效" || { screen; return 1; }
        screen
        finger q
    }
    check "the console's rack shows it, a cell a unit, and its curves" rack_view
    check "one is made again alone by its seed" replayed
fi
if [ -n "${WHOLE:-}" ] && row hot-aging; then
    campaign_of hot-aging . && check "high-temperature aging, 48 h" finds hot-aging 2 health.rss_bytes
fi
if [ -n "${WHOLE:-}" ] && row long-run; then
    bytes() { store "select sum(pgsize) from dbstat where name like '%campaign%'"; }
    bytes_before=0
    [ ! -e "$bench_dir/state/store.db" ] || bytes_before=$(bytes)
    campaign_of long-run . && check "long run, 30 days" finds long-run 7 image.mtf50_centre
    store_growth() { # under 1 MB for each day of a unit that was watched
        jq -e --argjson grown $(($(bytes) - bytes_before)) '($grown / ([.units[].watched_ms] | add / 86400000)) as $day |
            "  store: \($day / 1000 | round) kB a unit-day", $day < 1000000' "$work/status.json" | tee -a "$work/growth"
        [ "$(tail -1 "$work/growth")" = true ]
    }
    check "the store grows by less than 1 MB a unit-day" store_growth
    grep store: "$work/growth" | tr -d '"' >>"$work/found"
fi
cat "$work/found" 2>/dev/null
suite_end
