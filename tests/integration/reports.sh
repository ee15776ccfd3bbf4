#!/usr/bin/env bash
# Reports as other programs read them: PDF by poppler, workbooks by Python, pages and the dashboard
# by Chromium.
source "$(dirname "$0")/suite.bash"
make -C "$repo" --no-print-directory -s build/tests/integration/report_store || exit 1
serve_pid=
serve_stop() {
    [ -n "$serve_pid" ] && kill "$serve_pid" 2>/dev/null && wait "$serve_pid"
    serve_pid=
}
trap 'serve_stop; suite_clean' EXIT
store=$work/store.db
"$repo/build/tests/integration/report_store" "$store" 2000 || exit 1

report() { # format language subject name -> $work/report.FORMAT
    "$takt" report "$3" "$4" --store "$store" --format "$1" --lang "$2" --out "$work/report.$1"
}

pdf_says() { # words that must stand in the text of the last PDF
    local text word
    text=$(pdftotext -layout "$work/report.pdf" -) || return 1
    for word; do
        grep -qF -- "$word" <<<"$text" || { echo "no '$word' in: $(head -40 <<<"$text")"; return 1; }
    done
}
pdf_fonts_are_inside() { ! pdffonts "$work/report.pdf" | awk 'NR > 2 && $(NF-4) != "yes"' | grep .; }

check "an order as PDF" report pdf en order WO-0001
check "it says yield, failures and capability" pdf_says WO-0001 "First-pass yield" \
    "infrared · infrared_level" Cpk "Control charts"
check "its fonts are inside" pdf_fonts_are_inside
check "the same in Chinese" report pdf zh order WO-0001
check "Chinese is text, with glyphs" pdf_says 工单 直通率 控制图
check "Chinese fonts are inside" pdf_fonts_are_inside
check "a unit's certificate" report pdf en unit SN000000007
check "it holds limits and values" pdf_says "Test certificate" SN000000007 "8.5 … 11.5" PASS
no_step_alone() { # its name as the last words of a page, its figures on the next
    local lonely
    lonely=$(pdftotext -layout "$work/report.pdf" - | awk 'BEGIN { RS = "\f" }
        { n = split($0, l, "\n"); for (k = 0; n && k < 2; n--) if (l[n] != "") { k++; last = l[n] }
          if (last ~ /^ *[a-z_0-9]+ +合格 *$/) print last }')
    [ -z "$lonely" ] || { echo "a page ends with the step '$lonely'"; return 1; }
}
check "the same in Chinese" report pdf zh unit SN000000007
check "no step's name stands alone at the end of a page" no_step_alone
check "a hostile order as PDF" report pdf zh order WO-HOSTILE
check "its names are text" pdf_says "<script>" "DROP TABLE" 摄像头-01

compared() { # FORMAT LANGUAGE: the second campaign beside the first one's lot
    "$takt" report campaign 2 --against L-OLD --store "$store" --format "$1" --lang "$2" \
        --out "$work/report.$1"
}
compared_json() { # R: survdiff() of the remission data gives 16.79 and 4.17e-05
    compared json en && jq -e '.comparison | (.chi_square * 100 | round) == 1679 and
        (.p * 1e7 | round) == 417 and .same_file and [.rows[].failed] == [9, 21] and
        [.rows[].expected * 100 | round] == [1925, 1075]' "$work/report.json"
}
compare_refused() {
    local rc
    for against in 2 99 L-NONE; do
        "$takt" report campaign 2 --against $against --store "$store" >/dev/null 2>"$work/err"
        rc=$?
        [ $rc = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] || { echo "$against: $rc"; cat "$work/err"; return 1; }
    done
    ! "$takt" report order WO-0001 --against 1 --store "$store" >/dev/null 2>&1
}
check "two campaigns compared, as R compares the same data" compared_json
check "a campaign as PDF, beside another lot's" compared pdf en
check "it says what an auditor asks for" pdf_says "hot-aging · 2" "Log-rank test: χ² = 16.79, p = 4.17e-05" \
    "hot-aging · 1 · L-OLD" "Arrhenius factor" CH-9 C-2026-114 2026-01-05 "R ≥ 99 %" 230 \
    "health.rss_bytes" SN000001007 c4a7000000000021 "drifted by 27.1 %"
check "its fonts are inside" pdf_fonts_are_inside
check "the same in Chinese" compared pdf zh
check "Chinese is text, with glyphs" pdf_says 生存曲线 对数秩检验 再次试验所需的产品数 校准日期
check "another campaign that is not there, or none to compare, is refused" compare_refused

# Cells of a workbook by Python's own zip and XML.
workbook() { # expression over `cells` {sheet number: {reference: (type, value)}} and `raw`
    python3 - "$work/report.xlsx" "$1" <<'PY'
import re, sys, zipfile
import xml.etree.ElementTree as X
z = zipfile.ZipFile(sys.argv[1])
n = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
texts = ["".join(t.text or "" for t in s.iter(n + "t")) for s in X.fromstring(z.read("xl/sharedStrings.xml"))]
cells, raw = {}, {}
for name in z.namelist():
    m = re.fullmatch(r"xl/worksheets/sheet(\d+)\.xml", name)
    if not m: continue
    sheet = cells[int(m[1])] = {}
    raw[int(m[1])] = z.read(name).decode()
    for c in X.fromstring(z.read(name)).iter(n + "c"):
        v = c.find(n + "v")
        if c.find(n + "f") is not None: sheet[c.get("r")] = ("formula", c.find(n + "f").text)
        elif v is not None and c.get("t") == "s": sheet[c.get("r")] = ("text", texts[int(v.text)])
        elif v is not None: sheet[c.get("r")] = ("number", float(v.text))
everything = [v for s in cells.values() for v in s.values()]
if not eval(sys.argv[2]): sys.exit(f"not so: {sys.argv[2]}\n{list(cells[max(cells)].items())[:40]}")
PY
}
check "an order as workbook" report xlsx en order WO-0001
check "counts are numbers" workbook '("number", 2000.0) in cells[1].values()'
check "Cpk is a number under a conditional format" \
    workbook 'cells[4]["K1"] == ("text", "Cpk") and cells[4]["K2"][0] == "number" and "conditionalFormatting" in raw[4]'
check "it has a chart" workbook 'any(n.startswith("xl/charts/") for n in z.namelist())'
check "a hostile order as workbook" report xlsx en order WO-HOSTILE
check "no formula, whatever a name begins with" \
    workbook 'not any(t == "formula" for t, v in everything) and any(v == "=cmd|'"'"' /C calc'"'"'!A0" for t, v in everything)'
check "a unit as workbook" report xlsx zh unit SN000000007
check "values and limits are numbers under a conditional format" \
    workbook 'cells[1]["F2"][0] == "number" and cells[1]["H2"] == ("number", 8.5) and "conditionalFormatting" in raw[1]'

# ---- every kind in every form and both languages, as other programs read it ----------------------
"$repo/build/tests/integration/report_store" "$work/small.db" 60 || exit 1
mkdir "$work/every"
written() { # kind name [option]...
    local format lang
    for format in html pdf xlsx csv json; do
        for lang in en zh; do
            "$takt" report "$@" --store "$work/small.db" --format $format --lang $lang \
                --out "$work/every/$1-$lang-${2//[^A-Z0-9]/}.$format" || return 1
        done
    done
}
opened() { # pattern of files: how many, each as its program sees it
    /usr/bin/python3 - "$work/every" "$@" <<'PY'
import csv, datetime, glob, html.parser, json, os, subprocess, sys, openpyxl
files = sorted(glob.glob(os.path.join(sys.argv[1], sys.argv[2])))
assert len(files) == int(sys.argv[3]), f"{len(files)} files"
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.language = [], set(), ""
    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        self.language = dict(attributes).get("lang", self.language)
        assert not any(name.startswith("on") for name, _ in attributes), attributes
        if tag not in ("meta", "br", "img", "link", "hr", "input", "col"): self.open.append(tag)
    def handle_startendtag(self, tag, attributes): self.seen.add(tag)
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
for path in files:
    kind, language = os.path.basename(path).split("-")[:2]
    chinese = language == "zh"
    said = ""
    if path.endswith(".json"):
        assert json.load(open(path))["document"] == kind, path
        continue
    if path.endswith(".csv"):
        rows = list(csv.reader(open(path, newline="")))
        assert len(rows) > 1 and {len(r) for r in rows} == {len(rows[0])}, path
        for field in (f for r in rows for f in r):
            assert not field or field[0] not in "=+-@\t\r" or float(field) < 0, (path, field)
        continue
    if path.endswith(".html"):
        page = Page()
        page.feed(open(path).read())
        assert not page.open and "svg" in page.seen and page.language.startswith(language), path
        assert not page.seen & {"script", "iframe", "object", "link"}, path
        continue
    if path.endswith(".pdf"):
        said = subprocess.run(["pdftotext", path, "-"], capture_output=True, text=True, check=True).stdout
    else:
        book = openpyxl.load_workbook(path)
        cells = [c for sheet in book for row in sheet.iter_rows() for c in row if c.value is not None]
        said = "".join(str(c.value) for c in cells if isinstance(c.value, str))
        assert not any(c.data_type == "f" for c in cells), path
        assert any(isinstance(c.value, float) for c in cells), path
        times = [c.value for c in cells if c.is_date]
        assert times and all(abs((t - datetime.datetime.utcnow()).days) < 3 for t in times), (path, times[:3])
        assert any(sheet.conditional_formatting for sheet in book), path
        assert any(sheet._charts for sheet in book), path
    assert any("\u4e00" <= c <= "\u9fff" for c in said.replace("摄像头", "")) == chinese, path
print(len(files), "opened")
PY
}
check "a unit in every form" written unit SN000000007
check "an order" written order WO-0001
check "a hostile one" written order WO-HOSTILE
check "a station" written station final-2
check "a shift" written shift final-2 --from "$(date -u -d '-3 hours' +%FT%H:%M)"
check "a campaign beside another" written campaign 2 --against L-OLD
check "pages are whole, without anything that runs" opened '*.html' 12
check "tables are tables, without a formula" opened '*.csv' 12
check "workbooks have numbers, times, rules and charts, in their language" opened '*.xlsx' 12
check "paper has its language" opened '*.pdf' 12
check "documents are JSON" opened '*.json' 12

shift_report() {
    local from
    from=$(date -u -d '-3 hours' +%FT%H:%M)
    "$takt" report shift final-2 --from "$from" --to "$(date -u -d '+1 hour' +%FT%H:%M)" \
        --store "$store" --format json | jq -e '.document == "shift" and .unit_count == 504'
}
check "a shift is a station's runs of its hours" shift_report

browser() { # page: its DOM after its scripts ran
    timeout 90 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
        --user-data-dir="$work/browser" --virtual-time-budget="${budget:-1500}" \
        --dump-dom "$1" 2>"$work/browser.log"
}
page_is_whole() { # file word: the browser finds the word and nothing was taken
    browser "file://$1" >"$work/dom" && grep -qF -- "$2" "$work/dom" &&
        ! grep -q '<title>taken' "$work/dom"
}
check "a hostile order as page" report html zh order WO-HOSTILE
check "in a browser its names are text" page_is_whole "$work/report.html" '&lt;script&gt;document.title'
check "an order as page" report html en order WO-0001
check "in a browser it has its charts" page_is_whole "$work/report.html" '<circle'

is() { [ "$1" = "$2" ] || { echo "'$1', expected '$2'"; return 1; }; }
# What a person sees of it, by its brightness from 0 to 255: not pixel by pixel.
chromium_page() { # page [option]...
    timeout 240 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
        --window-size=1200,1600 --user-data-dir="$work/browser" "${@:2}" "file://$1" 2>>"$work/browser.log"
}
dark=--blink-settings=preferredColorScheme=0
brightness() { # picture
    ffmpeg -loglevel error -i "$1" -vf scale=1:1:flags=area -f rawvideo -pix_fmt gray - | od -An -tu1 | tr -d ' '
}
between() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ] || { echo "brightness $1, expected $2 to $3"; return 1; }; }
seen() { # from to [option]...
    rm -f "$work/page.png"
    chromium_page "$work/small.html" --screenshot="$work/page.png" "${@:3}"
    between "$(brightness "$work/page.png")" "$1" "$2"
}
"$takt" report order WO-0001 --store "$work/small.db" --out "$work/small.html" || exit 1
check "on light paper it is light" seen 200 255
check "where people want it dark it is dark" seen 5 70 "$dark"
printed() { # also from a dark screen
    chromium_page "$work/small.html" "$dark" --no-pdf-header-footer --print-to-pdf="$work/printed.pdf"
    pdftoppm -r 30 -gray -f 1 -l 1 -singlefile "$work/printed.pdf" "$work/printed" &&
        between "$(brightness "$work/printed.pgm")" 200 255
}
check "on paper it is dark on white" printed
printed_whole() { # every word of the page, in its order, the last unit shown as well
    pdftotext "$work/printed.pdf" - >"$work/printed.txt" || return 1
    local word
    for word in "First-pass yield" "Control charts" "Ppk" SN000000007; do
        grep -qF "$word" "$work/printed.txt" || { echo "no '$word' on paper"; return 1; }
    done
    is "$(sort -u <(grep -oE 'SN[0-9]{9}' "$work/printed.txt") | wc -l)" "$(grep -oE 'SN[0-9]{9}' "$work/small.html" | sort -u | wc -l)"
}
no_heading_alone() { # as the last words of a page
    local lonely
    [ -s "$work/printed.txt" ] || return 1
    lonely=$(awk 'BEGIN { RS = "\f" } { n = split($0, l, "\n"); while (n && l[n] == "") n--; print l[n] }' "$work/printed.txt" |
        grep -xE "Failures by measurement|Units by time.*|Yield by step|Control charts|Measurements against their limits|Units")
    [ -z "$lonely" ] || { echo "a page ends with the heading '$lonely'"; return 1; }
}
check "nothing is left out on paper" printed_whole
check "no heading stands alone at the end of a page" no_heading_alone

# ---- the dashboard ------------------------------------------------------------------------------
"$takt" serve --store "$store" --listen 127.0.0.1:0 2>"$work/serve.log" &
serve_pid=$!
until_true 20 grep -q http:// "$work/serve.log" || cat "$work/serve.log"
url=$(sed -n 's/^takt serve: \(http.*\)\/$/\1/p' "$work/serve.log")

status_of() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
on_loopback_alone() { # by the kernel's table: 0A is listening, 0100007F is 127.0.0.1
    local port
    port=$(printf '%04X' "${url##*:}")
    is "$(cat /proc/net/tcp /proc/net/tcp6 | awk -v p=":$port\$" '$4 == "0A" && $2 ~ p { print $2 }')" \
        "0100007F:$port"
}
policy() { curl -sI "$url$1" | tr -d '\r' | sed -n 's/^Content-Security-Policy: //p'; }
no_inline() { local p; p=$(policy "$1"); grep -q "default-src 'none'" <<<"$p" && ! grep -q "script-src 'unsafe" <<<"$p"; }
figures() { curl -s "$url/dashboard.json" | jq -e "$1"; }
# Today may have begun after the first runs.
today() { sqlite3 -readonly "$store" "SELECT count(DISTINCT unit) FROM run WHERE verdict IN (1,2,3,4)
    AND started_ms >= $(date -d "$(date +%F)" +%s)000"; }
check "the dashboard counts what the store has" figures ".unit_count == $(today)"
check "it listens on loopback alone" on_loopback_alone
check "its policy forbids what it does not serve" no_inline /
check "so does a report's" no_inline /order/WO-0001
check "another site's name is refused" is "$(status_of -H 'Host: evil.example' "$url/")" 403
check "so is 127.evil.example" is "$(status_of -H 'Host: 127.evil.example' "$url/")" 403
check "nothing can be posted" is "$(status_of -X POST -d x=1 "$url/")" 405
check "no page, no answer" is "$(status_of "$url/../../etc/passwd")" 404
check "no unit, no answer" is "$(status_of "$url/unit/nobody%00x")" 404
check "a unit's record" is "$(status_of "$url/unit/SN000000007")" 200
check "a path of 20 kB" is "$(status_of "$url/unit/$(printf '%020000d' 0)")" 404
hostile_bytes() { # rubbish and half a request: the next one is still answered
    local port=${url##*:}
    head -c 4000 /dev/urandom | timeout 2 socat -t 1 - "TCP:127.0.0.1:$port" >/dev/null
    printf 'GET / HTTP/1.1\r\nHost: local' | timeout 2 socat -t 0.2 - "TCP:127.0.0.1:$port" >/dev/null
    is "$(status_of "$url/")" 200
}
check "rubbish does not stop it" hostile_bytes
many_at_once() {
    local i
    for i in $(seq 40); do curl -s -o /dev/null "$url/live" & done
    wait $(jobs -p | grep -vx "$serve_pid")
    is "$(status_of "$url/")" 200
}
check "forty screens at once" many_at_once
in_a_browser() {
    browser "$url/?lang=zh" >"$work/dom" && grep -q 今日 "$work/dom" && grep -q '<svg' "$work/dom" &&
        grep -qF '&lt;script&gt;document.title' "$work/dom" && ! grep -q '<title>taken' "$work/dom" &&
        ! grep -i 'content security policy' "$work/browser.log"
}
check "a browser shows it, hostile names as text" in_a_browser
renews_itself() { # the script fetches a body of its own: seven seconds of its time
    budget=7000 browser "$url/" >"$work/dom" && grep -q 'id="stale" hidden' "$work/dom" &&
        grep -q 'class="tiles"' "$work/dom"
}
check "it renews itself in a browser" renews_itself
holds_no_lock() { sqlite3 "$store" "UPDATE station SET name=name; SELECT 1" | grep -qx 1; }
check "a writer is not held up by it" holds_no_lock
check "it ends when asked" bash -c "kill $serve_pid; for _ in \$(seq 50); do kill -0 $serve_pid 2>/dev/null || exit 0; sleep 0.1; done; exit 1"
serve_pid=
is_refused() { "$takt" serve --store "$store" --listen "$1" 2>"$work/refused"; [ $? = 2 ] && grep -q -- "--listen $1" "$work/refused"; }
check "a name is no address to listen at" is_refused example:80

suite_end
