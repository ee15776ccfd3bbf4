#!/usr/bin/env bash
# What reading costs in stores of 10^4, 10^5 and 10^6 units of 60 measurements, drawn: the summary is
# kept in docs/evidence/store_size.txt and .svg. FOLDER keeps the stores for another look (2.5 GB).
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
folder=${FOLDER:-$(mktemp -d "${TMPDIR:-/tmp}/takt-size.XXXXXX")}
[ -n "${FOLDER:-}" ] || trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"
make --no-print-directory -s "$build"/tests/bench/bench_reports "$build"/tests/integration/report_store

# The largest is ten times the next, moved on by its days and numbers: rows as the program wrote them,
# put in by the sqlite3 shell, with its tallies added up again.
ten_times() { # from to
    rm -f "$2"
    sqlite3 "$1" "VACUUM INTO '$2'"
    {
        echo 'PRAGMA synchronous=OFF; PRAGMA cache_size=-300000; PRAGMA journal_mode=OFF;'
        sqlite3 -readonly "$1" "SELECT 'DROP TRIGGER ' || name || ';' FROM sqlite_schema WHERE type = 'trigger'"
        # Indexes are built once, behind.
        sqlite3 -readonly "$1" "SELECT 'DROP INDEX ' || name || ';' FROM sqlite_schema
            WHERE type = 'index' AND sql NOT NULL AND tbl_name IN ('run', 'unit')"
        echo "CREATE TEMP TABLE k(n); INSERT INTO k VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9);
            CREATE TEMP TABLE by AS SELECT (SELECT max(id) FROM run) r, (SELECT max(id) FROM unit) u,
                (SELECT max(started_ms) - min(started_ms) + 1000 FROM run) t, (SELECT max(id) FROM work_order) o;
            CREATE TEMP TABLE run0 AS SELECT * FROM run; CREATE TEMP TABLE unit0 AS SELECT * FROM unit;
            CREATE TEMP TABLE order0 AS SELECT * FROM work_order;
            BEGIN;
            INSERT INTO work_order SELECT id + n * by.o, name || '-' || n, product, opened_ms FROM k, order0, by ORDER BY n, id;
            INSERT INTO unit SELECT id + n * by.u, chip_id || '-' || n, serial || '-' || n, first_ms + n * by.t FROM k, unit0, by ORDER BY n, id;
            INSERT INTO run SELECT id + n * by.r, unit + n * by.u, work_order + n * by.o, product, plan, limits,
                product_file, bundle, program_version, station, slot, serial || '-' || n, operator, mode,
                started_ms + n * by.t, ended_ms + n * by.t, verdict, message, tooling FROM k, run0, by ORDER BY n, id;"
        local n
        for n in 1 2 3 4 5 6 7 8 9; do # each in the order of its key
            echo "INSERT INTO step SELECT run + $n * by.r, step, attempt, name, verdict, message,
                    started_ms + $n * by.t, duration_ms FROM step, by WHERE run <= by.r;
                INSERT INTO measurement SELECT run + $n * by.r, step, attempt, n, figure, value, verdict
                    FROM measurement, by WHERE run <= by.r;"
        done
        echo 'COMMIT; BEGIN;'
        sqlite3 -readonly "$1" "SELECT sql || ';' FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql NOT NULL
            AND (type = 'trigger' OR tbl_name IN ('run', 'unit'))"
        echo 'DELETE FROM tally; DELETE FROM tally_failure; DELETE FROM run_again;'
        sed -n '/define STORE_TALLY /,/define STORE_TALLIES_EMPTY/p' reports/store/schema.h | python3 -c '
import re, sys
parts = {n: "".join(re.findall(r"\"([^\"]*)\"", body)) for n, body in
         re.findall(r"#define (STORE_\w+) *\\\n((?:.*\\\n)*.*\n)", sys.stdin.read())}
for table, name in ("tally", "STORE_TALLY"), ("tally_failure", "STORE_TALLY_FAILURE"), ("run_again", "STORE_RUN_AGAIN"):
    print("INSERT INTO", table, parts[name] + ";")'
        echo 'COMMIT;'
    } | sqlite3 -bail "$2" >/dev/null
    sqlite3 "$2" 'PRAGMA journal_mode=WAL' >/dev/null
}

results=$folder/results
: >"$results"
for units in 10000 100000 1000000; do
    store=$folder/$units.db
    if [ ! -e "$store" ]; then
        started=$SECONDS
        if [ $units = 1000000 ]; then
            ten_times "$folder/100000.db" "$store.part"
        else
            "$build/tests/integration/report_store" "$store.part" $units
        fi
        mv "$store.part" "$store"
        rm -f "$store.part-wal" "$store.part-shm"
        echo "made $units units in $((SECONDS - started)) s" >&2
    fi
    STORE=$store UNITS=$units "$build/tests/bench/bench_reports" | jq -c --argjson units $units '. + {units: $units}' >>"$results"
done

python3 - "$results" "${OUT:-docs/evidence}" "$(git describe --always)" "$(date -u +%F)" "$(nproc)" <<'PY'
import json, math, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
sizes = sorted({r["units"] for r in rows})
limits = {"a unit's record": 10, "a batch's trace, an order of 5000 units": 1000,
          "a batch's trace, one instrument of a hundred": 1000, "a batch's trace, every unit there is": 1000,
          "the dashboard, first look at the day": 100, "the dashboard's figures": 100}
benches = list(dict.fromkeys(r["bench"] for r in rows))
value = {(r["bench"], r["units"]): r["value"] for r in rows}
head = f"version {sys.argv[3]}, {sys.argv[4]}, {sys.argv[5]} cores; 60 measurements a unit, 100,000 units a day"
out = [head, "", f"{'':44}" + "".join(f"{s:>14,}" for s in sizes) + "  units"]
broken = []
for b in benches:
    unit = next(r["unit"] for r in rows if r["bench"] == b)
    line = f"{b:44}" + "".join(f"{value[b, s]:>14.1f}" for s in sizes) + f"  {unit}"
    if b in limits:
        line += f", less than {limits[b]} wanted"
        if value[b, sizes[-1]] >= limits[b]: broken.append(b)
    out.append(line)
open(sys.argv[2] + "/store_size.txt", "w").write("\n".join(out) + "\n")
print("\n".join(out))
W, H, L, T, R, B = 760, 420, 70, 50, 250, 50
x = lambda s: L + (math.log10(s) - 4) / 2 * (W - L - R)
y = lambda v: H - B - (math.log10(max(v, .1)) + 1) / 5 * (H - T - B)
colours = ["#0b6bcb", "#c2410c", "#15803d", "#7c3aed", "#be123c"]
svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="12">',
       f'<rect width="{W}" height="{H}" fill="#fff"/><text x="{L}" y="22" font-size="15">What reading costs as the store grows</text>',
       f'<text x="{L}" y="39" fill="#666">{head}</text>']
for e in range(-1, 5):
    svg.append(f'<line x1="{L}" x2="{W-R}" y1="{y(10**e):.1f}" y2="{y(10**e):.1f}" stroke="#ddd"/>'
               f'<text x="{L-8}" y="{y(10**e)+4:.1f}" text-anchor="end">{10**e:g} ms</text>')
for s in sizes:
    svg.append(f'<text x="{x(s):.1f}" y="{H-B+20}" text-anchor="middle">{s:,} units</text>')
last = []
for c, b in zip(colours, [b for b in benches if (b, sizes[0]) in value and "bytes" not in b]):
    points = " ".join(f"{x(s):.1f},{y(value[b, s]):.1f}" for s in sizes)
    end = y(value[b, sizes[-1]]) + 4
    while any(abs(end - o) < 15 for o in last): end += 15
    last.append(end)
    svg.append(f'<polyline points="{points}" fill="none" stroke="{c}" stroke-width="2"/>' +
               "".join(f'<circle cx="{x(s):.1f}" cy="{y(value[b, s]):.1f}" r="3" fill="{c}"/>' for s in sizes) +
               f'<text x="{W-R+10}" y="{end:.1f}" fill="{c}">{b}</text>')
svg.append("</svg>")
open(sys.argv[2] + "/store_size.svg", "w").write("\n".join(svg) + "\n")
sys.exit(f"too slow: {', '.join(broken)}" if broken else 0)
PY
