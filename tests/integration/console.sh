#!/usr/bin/env bash
# The operators' screen, worked through tmux as an operator would, in both languages.
source "$(dirname "$0")/suite.bash"
source "$(dirname "$0")/terminal.bash"
export LANG=C.UTF-8

# As a scanner that types: all of it at once, then Enter.
scan() { press -l "$1$(printf '\r')"; }
console_open() { # columns lines [option...]
    local columns=$1 lines=$2
    shift 2
    terminal_open "$columns" "$lines" "$takt console --station $station --plan console/quick $*"
    # What the terminal itself gets: a bell is no text.
    tmux -L "$session-$opened" pipe-pane -o "cat >>$work/bytes-$opened"
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
{ "card": { "present": { "min": 1, "unit": "bool" } },
  "image": { "mtf50_centre": { "min": 5, "unit": "cycles/px" } } }
P
cat >"$bench_dir/products/console/quick.json" <<'P'
{ "plan": "quick", "product": "console", "part": true,
  "steps": [ { "id": "power_on", "step": "power_on", "deadline_s": 30 },
             { "id": "connect", "step": "connect", "deadline_s": 20 },
             { "id": "card", "step": "card", "deadline_s": 60, "params": { "mib": 4 } } ],
  "teardown": [ { "id": "power_off", "step": "power_off", "deadline_s": 10 } ] }
P
# A plan with a picture, and a limit that no lens reaches.
sed 's/"quick"/"picture"/; s/{ "id": "card".*/{ "id": "image", "step": "image", "deadline_s": 120, "needs": ["light"] } ],/' \
    "$bench_dir/products/console/quick.json" >"$bench_dir/products/console/picture.json"

# The factory's system is away, an instrument's calibration is over.
jq --arg scanner "unix:$bench_dir/scanner.sock" '. + {
    outbox: {mes: {connector: "http", url: "http://127.0.0.1:1/", first_pause_ms: 50, longest_pause_ms: 200}},
    console: {order: "WO*", badge: "EMP*", slot: "SLOT*", units_per_hour: 90, scanner: $scanner}}
    | .instruments.printer.calibration = {certificate: "C-7", calibrated_on: "2019-01-01", due_on: "2020-01-01"}' \
    "$station" >"$station.new" && mv "$station.new" "$station"

sign_in() { # name pin
    finger b && until_true 5 shows "$3" && press -l "$1" && press Enter && press -l "$2" && press Enter
}
first_account() {
    console_open 80 24 && until_true 15 shows "the first is an engineer's" &&
        press -l li && press Enter && press -l 27182818 && press Enter && press -l 27182819 && press Enter &&
        until_true 5 shows "the two PINs differ" && not_shows 27182818 &&
        press -l 123456 && press Enter && press -l 123456 && press Enter &&
        until_true 10 shows "is tried first" &&
        press -l 27182818 && press Enter && press -l 27182818 && press Enter &&
        until_true 20 shows "li (engineer)"
}
tiles_at_80x24() { finger Up && until_true 5 shows "q quit" && shows "slot 1" && shows "slot 2" && shows "F7 QA" && shows "F8 report"; }
order_asked() {
    shows "scan the order" && scan WO-55 && until_true 5 shows "WO-55" &&
        until_true 5 shows "insert a unit and scan the label of slot 1"
}
# S and a are commands; in a label they are letters.
label_commands_nothing() {
    scan SaS-0001 && until_true 10 shows SaS-0001 && until_true 60 shows PASS || return 1
    [ "$(store "SELECT group_concat(slot || ':' || serial) FROM run")" = 1:SaS-0001 ]
}
both_verdicts() { finger S && until_true 60 shows FAIL && until_true 60 shows PASS; }
figures_of_today() {
    # Slot 1's unit ran twice: two units, three runs.
    until_true 20 shows "today: passed 1  failed 1  first pass 50.0 %  3/h of 90/h" &&
        until_true 5 shows "most failed: TF card"
}
bell_rang() { grep -q $'\a' "$work/bytes-$opened"; }
next_is_told() { finger Right && until_true 5 shows "slot 2: to the rejects, insert the next and scan its label"; }
failure_in_words() { finger f && until_true 5 shows "last failure" && shows "card found" && shows "≥ 1 bool" && finger f; }
unsent_in_words() {
    until_true 10 shows "not sent on: 3 records wait, 0 were refused" &&
        "$takt" station status --station "$station" | grep -q 'outbox mes: 3 waiting, 0 parked; the first: http://127.0.0.1:1/: ' &&
        finger l && until_true 5 shows "记录未上传：3 条等待，0 条被拒" && finger l
}
chinese() {
    finger l && until_true 5 shows "工位 1" && shows "合格" && shows "不合格" && shows "直通率" &&
        shows "li (工程师)" && shows "放入不良品区" && finger l && until_true 5 shows "slot 1"
}
unit_screen() {
    press F2 && until_true 5 shows "slot 2   unit" && until_true 10 shows "card found 0 bool (≥ 1)" &&
        shows "power on" && shows "power off" && finger l && until_true 5 shows "上电" && finger l
}
last_screen() {
    press F3 && until_true 10 shows "TF card: card found 0 (≥ 1)" && shows SaS-0001 && finger l &&
        until_true 5 shows "存储卡: 检测到卡 0" && finger l
}
health_screen() {
    press F4 && until_true 5 shows "calibration OVERDUE since 2020-01-01 (C-7)" && shows "GB free" &&
        shows "3 wait, 0 refused: http" && finger l && until_true 5 shows "校准已过期" && finger l
}
# The plan's file changes while a shift is at work: what it was holds until key a is pressed.
changed_files() {
    sed -i 's/"deadline_s": 60/"deadline_s": 50/' "$bench_dir/products/console/quick.json"
    press F1 && finger s && until_true 10 shows "console/quick was changed (plan)" && press F4 &&
        until_true 5 shows "a accept changed plan" && finger a &&
        until_true 10 shows "the changed files hold from now on (plan)" && finger l &&
        until_true 5 shows "a 确认改动的计划" && finger a && until_true 10 shows "均无改动" && finger l &&
        [ "$(store "SELECT actor || ' ' || subject FROM audit WHERE action = 'plan.accept' ORDER BY n DESC LIMIT 1")" = "li console/quick" ]
}
golden_screen() {
    press F6 && finger Left && until_true 5 shows "slot 1: no golden unit was run here yet" && finger g &&
        until_true 60 shows "slot 1: golden unit" && shows "0 min ago" && shows "card found" && shows PASS &&
        [ "$(store "SELECT count(*) FROM run WHERE mode = 'golden' AND operator = 'li'")" = 1 ] &&
        finger l && until_true 5 shows "金样机" && finger l
}
qa_screen() {
    "$takt" operator sign-in li --station "$station" <<<27182818 >"$work/session" || return 1
    TAKT_SESSION=$(cat "$work/session") "$takt" defect SaS-0001 --code SCRATCH --place lid --station "$station" || return 1
    press F7 && until_true 20 shows "SCRATCH" && shows "not yet 5 units" && finger l &&
        until_true 5 shows "尚未维修的不良" && finger l
}
report_screen() { # of the day, then of the order; the golden unit's run is in neither
    press F8 && until_true 20 shows "today at this station" && until_true 20 shows "units 2  passed 1  failed 1" &&
        shows "TF card: card found" && shows "100 %" && shows "runs by time" && shows "stands off" &&
        finger t && until_true 20 shows "order WO-55" && shows "first pass 50.0 %  last pass 50.0 %" &&
        finger l && until_true 5 shows "直通率 50.0 %" && shows "不合格项排列" && shows "与同类偏移" &&
        finger l && finger t && until_true 20 shows "today at this station"
}
badge_and_roles() {
    local token=$(cat "$work/session")
    TAKT_SESSION=$token "$takt" operator add wang --role operator --badge EMP-4711 --station "$station" <<<907214 &&
        press F5 && scan EMP-4711 && until_true 5 shows "who works here?" && shows EMP-4711 &&
        press -l 907215 && press Enter && until_true 10 shows "the name or the PIN is wrong" &&
        press -l 907214 && press Enter && until_true 10 shows "wang (operator)" &&
        finger p && until_true 5 shows "wang may not do this" &&
        press F6 && finger g && until_true 5 shows "wang may not do this"
}
ports_screen() {
    press F5 && until_true 5 shows "port in the station file" && shows "tcp://127.0.0.1" &&
        finger b && until_true 5 shows "who works here?" && scan li && press -l 27182818 && press Enter &&
        until_true 10 shows "li (engineer)" && finger p || return 1
    # On a machine without USB it says so in a line; with it, it waits for a unit.
    until_true 10 shows "plug in the unit of slot 1" || until_true 5 shows "/sys/bus/usb"
}
scanner_on_a_port() {
    press F1
    mkfifo "$bench_dir/codes"
    socat UNIX-LISTEN:"$bench_dir/scanner.sock" GOPEN:"$bench_dir/codes",rdonly & local reader=$!
    exec 7<>"$bench_dir/codes"
    until_true 10 test -S "$bench_dir/scanner.sock"
    sleep 3 # the console looks for it every two seconds
    printf 'WO-77\r\n' >&7 && until_true 10 shows "WO-77" && printf 'SLOT-2\r' >&7 &&
        until_true 5 shows "slot 2 is next" && printf 'SN-PORT-1\r' >&7 &&
        until_true 60 ran_on_slot_2
    local rc=$?
    exec 7>&-
    kill $reader 2>/dev/null
    wait $reader 2>/dev/null
    return $rc
}
ran_on_slot_2() { [ "$(store "SELECT slot || ' ' || operator FROM run WHERE serial = 'SN-PORT-1' AND verdict <> 0")" = "2 li" ]; }
cut_code() { press -l 'SN-CUT' && until_true 5 shows "read only in part"; }
typed_code() { press Enter && until_true 5 shows "a code that cannot be scanned" && scan SLOT-1 && until_true 5 shows "slot 1 is next"; }
resized() {
    tmux -L "$session-$opened" resize-window -x 160 -y 40 && until_true 5 shows "slot 2" &&
        tmux -L "$session-$opened" resize-window -x 40 -y 12 && until_true 5 shows "slot" &&
        tmux -L "$session-$opened" resize-window -x 5 -y 3 && tmux -L "$session-$opened" resize-window -x 80 -y 24 &&
        until_true 5 shows "slot 2"
}
second_console() {
    local first=$opened
    opened=$((opened + 1))
    tmux -L "$session-$opened" new-session -d -x 100 -y 30 "$takt console --station $station --plan console/quick --language zh; sleep 60"
    until_true 15 shows "工位 2" && shows "请扫工牌" || return 1
    # What one of them starts, the other sees; and what is signed in there is not signed in here.
    tmux -L "$session-$first" send-keys s
    until_true 60 shows "测试中" && until_true 60 not_shows "测试中"
    local rc=$?
    press q
    until_true 5 no_session
    opened=$first
    return $rc
}
# Over a real ssh: a server of this suite's own on a port of its own, which knows one key.
over_ssh() {
    local port=$((20000 + $$ % 20000)) here=$opened
    ssh-keygen -q -t ed25519 -N '' -f "$work/host" && ssh-keygen -q -t ed25519 -N '' -f "$work/id" &&
        cp "$work/id.pub" "$work/authorized" || return 1
    printf '%s\n' "Port $port" "ListenAddress 127.0.0.1" "HostKey $work/host" "PidFile none" "UsePAM no" \
        "AuthorizedKeysFile $work/authorized" "StrictModes no" "PasswordAuthentication no" >"$work/sshd"
    [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
    /usr/sbin/sshd -D -f "$work/sshd" -E "$work/sshd.log" & local server=$!
    until_true 10 grep -q "listening on" "$work/sshd.log" || return 1
    opened=$((opened + 1))
    tmux -L "$session-$opened" new-session -d -x 100 -y 30 "ssh -tt -p $port -i $work/id -o IdentitiesOnly=yes \
        -o UserKnownHostsFile=$work/known -o StrictHostKeyChecking=accept-new 127.0.0.1 \
        env LANG=C.UTF-8 $takt console --station $station --plan console/quick; sleep 60"
    until_true 20 shows "slot 2" && finger l && until_true 10 shows "工位 2" && press F4 &&
        until_true 10 shows "校准已过期" && tmux -L "$session-$opened" resize-window -x 80 -y 24 &&
        until_true 10 shows "F7" && finger q && until_true 10 no_console_over "$port"
    local rc=$?
    tmux -L "$session-$opened" kill-server 2>/dev/null
    kill $server
    wait $server 2>/dev/null
    opened=$here
    return $rc
}
no_console_over() { ! pgrep -f "^ssh -tt -p $1 "; }
picture_judged() { [ "$(store "SELECT verdict FROM run JOIN work_order o ON o.id = work_order WHERE o.name = 'WO-9'")" = 2 ]; }
picture_named() {
    console_open 100 30 --plan console/picture --order WO-9 && until_true 15 shows "scan your badge" &&
        sign_in li 27182818 "who works here?" && until_true 10 shows "li (engineer)" && finger s &&
        until_true 180 picture_judged && finger f && until_true 10 shows "state/attachments/" || return 1
    local file=$(screen | tr -d '┃ \n' | grep -o 'state/attachments/[0-9a-f]*/[0-9a-f]*' | head -1)
    ls -l "$bench_dir/${file%f}" "$bench_dir/$file" 2>/dev/null | grep -q .
}
starts_in_chinese() { console_open 100 30 --language zh && until_true 10 shows "工位 2"; }
daemon_back() {
    finger b && until_true 5 shows "请登录" && scan li && press -l 27182818 && press Enter && until_true 10 shows "li (工程师)"
    pkill -KILL -f "taktd.*$station"
    until_true 10 shows "没有响应" || return 1
    "$takt" run --help >/dev/null && "$build/taktd" --station "$station" >/dev/null 2>&1 &
    until_true 15 not_shows "没有响应" && until_true 5 shows "请扫工牌"
}
quits() { finger q && until_true 5 no_session && "$takt" station status --station "$station"; }
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

# Texts of the sources against the catalogue: none without its Chinese.
all_in_chinese() {
    xgettext -k_ -kN_ --from-code=UTF-8 -o "$work/texts.pot" "$repo"/station/console/*.c &&
        msgmerge -q --no-fuzzy-matching -o "$work/merged.po" "$repo/station/console/po/zh_CN.po" "$work/texts.pot" &&
        msgattrib --untranslated "$work/merged.po" | tee "$work/untranslated" && [ ! -s "$work/untranslated" ]
}
check "every text has its Chinese" all_in_chinese

# Steps and figures of the products that come with it: plain words in both languages.
names_in_words() {
    local po
    for po in zh_CN en; do
        sed 's|^ *//.*||; s| // .*||' "$repo"/station/products/*/*.json "$repo"/station/campaigns/*.json |
            jq -r '(.steps[]? | .id, .step), (.. | objects | to_entries[] | select(.value.unit?) | .key)' |
            tr . '\n' | sort -u |
            grep -vxFf <(sed -n 's/^msgid "\(.*\)"$/\1/p' "$repo/station/console/po/$po.po") && return 1
    done
    return 0
}
check "steps and figures of products and campaigns have words in both languages" names_in_words
check "the first start makes the first account" first_account
check "two tiles stand in 80 by 24" tiles_at_80x24
check "the order is the next thing, and scanned" order_asked
check "a label's letters command nothing; it starts one slot" label_commands_nothing
check "a start shows a pass and a fail" both_verdicts
check "today's figures stand in the head" figures_of_today
check "a fail is heard" bell_rang
check "the one next thing is told" next_is_told
check "the last failure is told in words" failure_in_words
check "what is not sent on is told, in both languages" unsent_in_words
check "one key turns the screen Chinese and back" chinese
check "a unit's steps are seen" unit_screen
check "the last units are seen" last_screen
check "the station's health is seen" health_screen
check "changed files are accepted by a key" changed_files
check "the golden unit is run and seen" golden_screen
check "QA sees defects and what is close to its limits" qa_screen
check "the report of the day and of the order grows on the screen" report_screen
check "a badge and a PIN sign in; a role keeps to its work" badge_and_roles
check "ports are learned by a technician" ports_screen
check "a scanner on a port: order, slot, label" scanner_on_a_port
check "a code cut short does nothing" cut_code
check "a code can be typed" typed_code
check "it follows the terminal's size" resized
check "a second console watches the same station" second_console
check "it works over ssh" over_ssh
check "a failure names its picture's file" picture_named
check "it starts in Chinese" starts_in_chinese
check "it finds taktd again after a kill, and asks who works here" daemon_back
check "quitting stops nothing" quits
check "a terminal that cannot show it is refused in one line" dumb_terminal
check "it ends with its terminal" ends_with_terminal
suite_end
