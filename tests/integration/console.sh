#!/usr/bin/env bash
# The operators' screen, worked through tmux as an operator would, in both languages.
source "$(dirname "$0")/suite.bash"
export LANG=C.UTF-8

# A server of its own for each console: one that is ending refuses the next.
session=takt-console-$$ opened=0
trap 'tmux -L "$session-$opened" kill-server 2>/dev/null; suite_clean' EXIT
screen() { tmux -L "$session-$opened" capture-pane -p; }
shows() { screen | grep -qF -- "$1"; }
press() { tmux -L "$session-$opened" send-keys "$@"; }
console_open() { # columns lines [option...]
    local columns=$1 lines=$2
    shift 2
    tmux -L "$session-$opened" kill-server 2>/dev/null
    opened=$((opened + 1))
    tmux -L "$session-$opened" new-session -d -x "$columns" -y "$lines" \
        "$takt console --station $station --plan console/quick --order CONSOLE-1 $* || sleep 60"
}

bench_start 2 --defect 2:no_card
bundle_make || exit 1
# A product of its own: what the screen shows is the station's doing, not this plan's.
mkdir -p "$bench_dir/products/console"
sed -i "s#\"products_dir\":[[:space:]]*\"[^\"]*\"#\"products_dir\": \"$bench_dir/products\"#" "$station"
cat >"$bench_dir/products/console/product.json" <<'P'
{ "product": "console", "board": "ssc337de-nand128", "limits": "limits.json" }
P
cat >"$bench_dir/products/console/limits.json" <<'P'
{ "card": { "present": { "min": 1, "unit": "bool" } } }
P
cat >"$bench_dir/products/console/quick.json" <<'P'
{ "plan": "quick", "product": "console",
  "steps": [ { "id": "power_on", "step": "power_on", "deadline_s": 30 },
             { "id": "connect", "step": "connect", "deadline_s": 20 },
             { "id": "card", "step": "card", "deadline_s": 60, "params": { "mib": 4 } } ],
  "teardown": [ { "id": "power_off", "step": "power_off", "deadline_s": 10 } ] }
P

# The factory's system is away.
jq '. + {outbox: {mes: {connector: "http", url: "http://127.0.0.1:1/", first_pause_ms: 50, longest_pause_ms: 200}}}' \
    "$station" >"$station.new" && mv "$station.new" "$station"

tiles_at_80x24() { console_open 80 24 && until_true 15 shows "slot 1" && shows "slot 2" && shows "q quit"; }
both_verdicts() { press S && until_true 60 shows PASS && until_true 60 shows FAIL; }
failure_in_words() { press Right && press f && until_true 5 shows "last failure" && shows "card" && press f &&
    until_true 5 shows "to the rejects"; }
unsent_in_words() {
    until_true 10 shows "not sent on: 2 records wait, 0 were refused" &&
        "$takt" station status --station "$station" | grep -q 'outbox mes: 2 waiting, 0 parked; the first: http://127.0.0.1:1/: ' &&
        press l && until_true 5 shows "记录未上传：2 条等待，0 条被拒" && press l
}
chinese() { press l && until_true 5 shows "工位 1" && shows "合格" && shows "不合格" && press l && until_true 5 shows "slot 1"; }
resized() { tmux -L "$session-$opened" resize-window -x 160 -y 40 && until_true 5 shows "slot 2" && tmux -L "$session-$opened" resize-window -x 40 -y 12 && until_true 5 shows "slot"; }
starts_in_chinese() { console_open 100 30 --language zh && until_true 10 shows "工位 2"; }
daemon_back() {
    pkill -KILL -f "taktd.*$station"
    until_true 10 shows "没有响应" || return 1
    "$takt" run --help >/dev/null && "$build/taktd" --station "$station" >/dev/null 2>&1 &
    until_true 15 not_shows "没有响应"
}
not_shows() { ! shows "$1"; }
quits() { press q && until_true 5 no_session && "$takt" station status --station "$station"; }
dumb_terminal() {
    local term
    for term in dumb nonsense ''; do
        TERM=$term script -qec "timeout --foreground 5 $takt console --station $station" "$work/typed" </dev/null
        [ $? -eq 2 ] && grep -q 'takt console: the terminal type' "$work/typed" || return 1
    done
}
ends_with_terminal() {
    console_open 80 24 && until_true 10 shows "slot 1" || return 1
    pgrep -f "^$takt console --station $station" || return 1
    tmux -L "$session-$opened" kill-server
    until_true 5 no_console && "$takt" station status --station "$station"
}
no_console() { ! pgrep -f "^$takt console --station $station"; }
no_session() { ! tmux -L "$session-$opened" has-session 2>/dev/null; }

check "two tiles stand in 80 by 24" tiles_at_80x24
check "a start shows a pass and a fail" both_verdicts
check "the last failure is told in words" failure_in_words
check "what is not sent on is told, in both languages" unsent_in_words
check "one key turns the screen Chinese and back" chinese
check "it follows the terminal's size" resized
check "it starts in Chinese" starts_in_chinese
check "it finds taktd again after a kill" daemon_back
check "quitting stops nothing" quits
check "a terminal that cannot show it is refused in one line" dumb_terminal
check "it ends with its terminal" ends_with_terminal
suite_end
