#!/usr/bin/env bash
# A station of 64 slots with virtual cameras: what taktd and a console cost while nothing is done, how
# soon a unit's first step begins, and how soon a key shows while all slots are at work. UNITS=N for
# fewer. The bench around it (64 cameras and their instruments) is on the same two cores.
source "$(dirname "$0")/../integration/suite.bash" >&2
export LANG=C.UTF-8
units=${UNITS:-64}
bench_start "$units" >&2 && bundle_make >&2 || exit 1
mkdir -p "$bench_dir/products/bench"
echo '{ "product": "bench", "board": "ssc337de-nand128", "limits": "limits.json" }' >"$bench_dir/products/bench/product.json"
echo '{}' >"$bench_dir/products/bench/limits.json"
cat >"$bench_dir/products/bench/short.json" <<'P'
{ "plan": "short", "product": "bench", "part": true,
  "steps": [ { "id": "power_on", "step": "power_on", "deadline_s": 120 },
             { "id": "connect", "step": "connect", "deadline_s": 240 },
             { "id": "card", "step": "card", "deadline_s": 600, "params": { "mib": 4 } } ],
  "teardown": [ { "id": "power_off", "step": "power_off", "deadline_s": 60 } ] }
P
jq --arg products "$bench_dir/products" '.products_dir = $products | .console = {order: "WO*", slot: "SLOT*"}' \
    "$station" >"$work/station.json" && mv "$work/station.json" "$station"
"$build/taktd" --station "$station" >"$bench_dir/taktd.out" 2>&1 &
until_true 30 "$takt" station status --station "$station" >&2 || exit 1
"$takt" operator first li --station "$station" <<<27182818 >&2 || exit 1
python3 - "$takt" "$station" "$bench_dir/state/store.db" "$units" <<'E'
import fcntl, json, os, pty, select, sqlite3, statistics, struct, subprocess, sys, termios, time
takt, station, store, units = sys.argv[1:4] + [int(sys.argv[4])]
IDLE_S, KEYS, ARRIVALS = 20, 40, 5

def status():
    said = subprocess.run([takt, 'station', 'status', '--station', station, '--json'], stdout=subprocess.PIPE)
    if said.returncode:
        raise SystemExit('the station does not tell its status')
    return json.loads(said.stdout)

# ---- the console, on a terminal of 160 x 50
console, screen = pty.fork()
if console == 0:
    os.execv(takt, [takt, 'console', '--station', station, '--plan', 'bench/short', '--order', 'WO-1'])
fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack('HHHH', 50, 160, 0, 0))

def read_until(*words, seconds):
    """What came until one of the words did; its moment."""
    text, end = b'', time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([screen], [], [], 0.5)[0]:
            text += os.read(screen, 65536)
            if any(w.encode() in text for w in words):
                return time.monotonic()
    raise SystemExit(f'the console never showed {words}: {text[-300:]!r}')

def press(text):
    for c in text:
        os.write(screen, c.encode())
        time.sleep(0.08)  # a finger: no scanner types so slowly

def settle(seconds):
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([screen], [], [], left)[0]:
            os.read(screen, 65536)

read_until('slot 1', seconds=60)
press('b')
read_until('who works here', seconds=20)
for line in ('li', '27182818'):
    settle(0.5)
    os.write(screen, (line + '\r').encode())
read_until('li (engineer)', seconds=30)
settle(3)

# ---- who belongs to it
taktd = status()['pid']
def family():
    kids = open(f'/proc/{taktd}/task/{taktd}/children').read().split()
    return [taktd, console] + [int(k) for k in kids]
def ticks(pids):
    total = 0
    for p in pids:
        f = open(f'/proc/{p}/stat').read().rsplit(')', 1)[1].split()
        total += int(f[11]) + int(f[12])
    return total
def pss_mb(pids):
    kb = 0
    for p in pids:
        kb += sum(int(l.split()[1]) for l in open(f'/proc/{p}/smaps_rollup') if l.startswith('Pss:'))
    return kb / 1024

def figure(bench, value, unit, reference, peer, method):
    print(json.dumps(dict(bench=bench, value=value, unit=unit, reference=reference, peer=peer, method=method)), flush=True)

pids = family()
before, began = ticks(pids), time.monotonic()
settle(IDLE_S)
spent = (ticks(pids) - before) / os.sysconf('SC_CLK_TCK') / (time.monotonic() - began) * 100
figure(f'taktd and console, {units} idle slots', spent, '% of one core', 5, 'what it may take',
       f'processor time of taktd, what it forked and the console over {IDLE_S} s')
figure(f'taktd and console, {units} idle slots', pss_mb(pids), 'MB PSS', 44, 'OpenHTF, one slot, RSS',
       'sum of Pss in /proc/PID/smaps_rollup; at most 100')

# ---- from the scan of a label to the first step
def scan(text):
    os.write(screen, (text + '\r').encode())
def first_step_ms(serial):
    db = sqlite3.connect(f'file:{store}?mode=ro', uri=True, timeout=20)
    row = db.execute('SELECT min(s.started_ms) FROM step s JOIN run r ON r.id = s.run WHERE r.serial = ?', (serial,)).fetchone()
    db.close()
    return row[0]
waits = []
for i in range(ARRIVALS):
    scan(f'SLOT-{i % units + 1}')
    settle(1)
    at_ms = time.time() * 1000
    scan(f'ARRIVE-{i}')
    end = time.monotonic() + 60
    while not (began_ms := first_step_ms(f'ARRIVE-{i}')):
        settle(0.2)
        if time.monotonic() > end:
            raise SystemExit(f'no run of ARRIVE-{i} began: {status()}')
    waits.append(began_ms - at_ms)
    while any(s['state'] != 'idle' for s in status()['slots']):
        settle(0.5)
figure('from a scanned label to its first step', statistics.median(waits), 'ms', 100, 'what it may take',
       f'median of {ARRIVALS}; the last byte of the code to the step\'s beginning in the store')

# ---- a key, while every slot is at work
press('S')
end = time.monotonic() + 120
while sum(s['state'] != 'idle' for s in status()['slots']) < units and time.monotonic() < end:
    settle(0.2)
busy = sum(s['state'] != 'idle' for s in status()['slots'])
shown, words = [], ('退出', 'quit')
for i in range(KEYS):
    settle(0.25)
    pressed = time.monotonic()
    os.write(screen, b'l')
    shown.append((read_until(words[i % 2], seconds=20) - pressed) * 1000)
    if all(s['state'] == 'idle' for s in status()['slots']):
        press('S')
shown.sort()
figure(f'console, key to screen, {busy} slots at work', statistics.median(shown), 'ms', 50, 'what it may take',
       f'median of {KEYS} keys that turn the screen into the other language; 95 % within {shown[int(KEYS * .95)]:.0f} ms')
os.write(screen, b'q')
E
