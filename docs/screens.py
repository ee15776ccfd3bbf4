#!/usr/bin/env python3
"""A terminal's content, as `tmux capture-pane -e -p` gives it, as an HTML page of COLUMNS cells a
line: docs/screens.py COLUMNS <capture >page.html"""
import html
import re
import sys
import unicodedata

columns = int(sys.argv[1])
colours = ["#1b1d20", "#c8322d", "#2f9e44", "#e0a818", "#4a79d8", "#a04fc0", "#33a3b8", "#d8d8d8"]
print("""<meta charset=utf-8><style>
body{margin:12px;background:#1b1d20;color:#d8d8d8}
div{white-space:pre;height:20px;position:relative}
span{position:absolute;top:0;height:20px;font:16px/20px "DejaVu Sans Mono","Noto Sans Mono CJK SC",monospace;overflow:hidden}
</style>""")
for line in sys.stdin.read().split("\n"):
    look = {}
    cells = []
    at = 0
    for part in re.split(r"(\x1b\[[0-9;]*m|\x0e|\x0f)", line):
        sequence = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if not sequence:
            for character in part:
                if ord(character) < 32:
                    continue
                wide = 2 if unicodedata.east_asian_width(character) in "WF" else 1
                cells.append((at, wide, character, dict(look)))
                at += wide
            continue
        for code in [int(c or 0) for c in sequence.group(1).split(";")]:
            if code == 0:
                look = {}
            elif code == 1:
                look["bold"] = True
            elif code == 4:
                look["under"] = True
            elif code == 7:
                look["reverse"] = True
            elif 30 <= code <= 37:
                look["fore"] = colours[code - 30]
            elif 40 <= code <= 47:
                look["back"] = colours[code - 40]
            elif code == 39:
                look.pop("fore", None)
            elif code == 49:
                look.pop("back", None)
    out = []
    for x, wide, character, how in cells:
        fore, back = how.get("fore"), how.get("back")
        if how.get("reverse"):
            fore, back = back or "#1b1d20", fore or "#d8d8d8"
        style = f"left:{x * 9.6:.1f}px;width:{wide * 9.6 + 0.5:.1f}px"
        style += f";color:{fore}" if fore else ""
        style += f";background:{back}" if back else ""
        style += ";font-weight:bold" if how.get("bold") and character not in "█░" else ""
        style += ";text-decoration:underline" if how.get("under") else ""
        if character != " " or back:
            out.append(f'<span style="{style}">{html.escape(character)}</span>')
    print(f"<div style='width:{columns * 9.6:.0f}px'>{''.join(out)}</div>")
