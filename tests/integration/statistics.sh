#!/usr/bin/env bash
# takt stats beside Python: the same tables through exact fractions and the statistics module.
source "$(dirname "$0")/suite.bash"

# Tables whose sums are hard: large offsets, wild first values, few digits, many rows.
tables() {
    python3 - "$work" <<'PY'
import random, sys
random.seed(20261128)
kinds = {
    "plain": lambda i: random.gauss(10, 3),
    "offset": lambda i: 1e9 + random.gauss(0, 1e-3),
    "first_far": lambda i: 1e9 if i == 0 else random.random(),
    "alternating": lambda i: 1e7 + (-1) ** i * 0.1,
    "drifting": lambda i: i * 0.001 + random.gauss(0, 1),
    "wide": lambda i: random.choice([-1, 1]) * 10 ** random.uniform(-12, 12),
}
for name, make in kinds.items():
    for count in (3, 100, 5000):
        with open(f"{sys.argv[1]}/{name}.{count}.csv", "w") as f:
            f.write("value\n" + "".join(f"{make(i)!r}\n" for i in range(count)))
PY
}

# Mean, deviation and lag-1 in fractions of whole numbers: exact until the last division.
describes_as_python() { # table
    "$takt" stats describe "$1" --json >"$work/ours.json" && python3 - "$1" "$work/ours.json" <<'PY'
import json, math, sys
from fractions import Fraction as F
x = [F(float(line)) for line in open(sys.argv[1]).read().split()[1:]]
ours = json.load(open(sys.argv[2]))
n, mean = len(x), sum(x) / len(x)
squares = sum((v - mean) ** 2 for v in x)
lag = sum((a - mean) * (b - mean) for a, b in zip(x, x[1:]))
exact = {"n": n, "mean": float(mean), "sd": math.sqrt(squares / (n - 1)), "lag1": float(lag / squares)}
for name, value in exact.items():
    wrong = abs(ours[name] - value) / abs(value)
    if wrong > 1e-13:
        sys.exit(f"{sys.argv[1]} {name}: {ours[name]!r}, exactly {value!r}, off by {wrong:.1e}")
PY
}

charts_as_python() { # table
    "$takt" stats imr "$1" --json >"$work/ours.json" && python3 - "$1" "$work/ours.json" <<'PY'
import json, statistics, sys
x = [float(line) for line in open(sys.argv[1]).read().split()[1:]]
ours = json.load(open(sys.argv[2]))
mean = statistics.fmean(x)
mr = statistics.fmean(abs(b - a) for a, b in zip(x, x[1:]))
s = mr / 1.128
for name, value in {"mean": mean, "ucl": mean + 3 * s, "lcl": mean - 3 * s}.items():
    if abs(ours[name] - value) > 1e-9 * max(abs(value), s):
        sys.exit(f"{name}: {ours[name]!r}, {value!r}")
z = [(v - mean) / s for v in x]
broken = set()
for i in range(len(z)):
    for sign in (1, -1):
        y = [sign * v for v in z[: i + 1]]
        if y[i] > 3: broken.add((i + 1, 1))
        if y[i] > 2 and sum(v > 2 for v in y[-3:]) >= 2: broken.add((i + 1, 2))
        if y[i] > 1 and sum(v > 1 for v in y[-5:]) >= 4: broken.add((i + 1, 3))
        if len(y) >= 8 and all(v > 0 for v in y[-8:]): broken.add((i + 1, 4))
theirs = {(v["point"], v["rule"]) for v in ours["violations"]}
if theirs != broken:
    sys.exit(f"violations differ: {sorted(theirs ^ broken)[:5]}")
PY
}

check "tables are made" tables
for table in "$work"/*.csv; do
    check "describe $(basename "$table" .csv)" describes_as_python "$table"
done
for table in "$work"/{plain,drifting,alternating}.{100,5000}.csv; do
    check "imr $(basename "$table" .csv)" charts_as_python "$table"
done
check "stdin is a table too" bash -c "printf 'x\n1\n2\n' | '$takt' stats describe - --json | jq -e '.mean == 1.5'"

suite_end
