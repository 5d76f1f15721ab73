#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws every panel of the dashboards from the answers of a Prometheus, for who has no Grafana at hand.
Usage: render.py URL_OF_PROMETHEUS OUT.html [MINUTES]. One file, no scripts, no requests."""
import html
import json
import math
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

WIDTH, HEIGHT, LEFT, BOTTOM = 560, 190, 62, 18
MOST_SERIES, POINTS = 12, 120
COLOURS = ["#3b7dd8", "#d9822b", "#2e9e5b", "#b8408f", "#8a6fd1", "#c23b3b", "#1f9aa5", "#8a8d2b", "#5b6b7f", "#e0679a", "#4fa3d9", "#a0672f"]
STYLE = """:root{color-scheme:light dark;--ink:#1d2129;--quiet:#5d6675;--line:#d6dae0;--card:#f5f6f8;--page:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e4e7ec;--quiet:#99a2b0;--line:#363c46;--card:#1b1f26;--page:#14171c}}
body{font:14px/1.4 system-ui,sans-serif;margin:1.5rem;color:var(--ink);background:var(--page)}
section{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,36rem),1fr));gap:.8rem}
h2{border-bottom:1px solid var(--line);margin-top:2.2rem}h3{margin:1.2rem 0 .3rem}h4{margin:0}
figure{margin:0;padding:.7rem;background:var(--card);border-radius:4px;overflow-x:auto}figcaption,small{color:var(--quiet)}
svg{width:100%;height:auto}text{font:11px system-ui,sans-serif;fill:var(--quiet)}.grid{stroke:var(--line)}
table{border-collapse:collapse;font-size:12px}td,th{text-align:left;padding:.1rem .8rem .1rem 0}td:last-child{text-align:right}
.stat{font-size:1.7rem;margin:.2rem 0}.none{color:var(--quiet)}"""


def ask(base, kind, **words):
    try:
        with urllib.request.urlopen(f"{base}/api/v1/{kind}?{urllib.parse.urlencode(words)}", timeout=30) as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        raise SystemExit(f"render.py: {words['query']}: {json.load(error).get('error')}")
    except OSError as error:
        raise SystemExit(f"render.py: {base}: {error}")


def number(value, unit):
    """As a person reads it: 1.5 GiB, 12 %, 3.2 ms."""
    if math.isnan(value):
        return "-"
    if unit in ("bytes", "Bps"):
        for name in ("B", "KiB", "MiB", "GiB"):
            if abs(value) < 1024 or name == "GiB":
                return f"{value:.4g} {name}" + ("/s" if unit == "Bps" else "")
            value /= 1024
    if unit == "percentunit":
        return f"{100 * value:,.0f} %" if abs(value) >= 10 else f"{100 * value:.3g} %"
    if unit == "s":
        return f"{1000 * value:.3g} ms" if 0 < abs(value) < 1 else f"{value:.3g} s"
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}") + {"cps": "/s", "pps": "/s"}.get(unit, "")


def name_of(series, legend):
    return re.sub(r"\{\{(\w+)\}\}", lambda found: series["metric"].get(found[1], ""), legend).strip() or "value"


def expression_of(target, step):
    text = target["expr"].replace("$__rate_interval", f"{max(10, 4 * step)}s")
    return re.sub(r"\$(job|instance|group)", ".+", text)


def lines(panel, base, start, end):
    step = max(1, math.ceil((end - start) / POINTS))
    found = []
    for target in panel["targets"]:
        for series in ask(base, "query_range", query=expression_of(target, step), start=start, end=end, step=step):
            points = [(float(at), float(value)) for at, value in series["values"] if value not in ("NaN", "+Inf", "-Inf")]
            if points:
                found.append((name_of(series, target["legendFormat"]), points))
    return sorted(found, key=lambda one: -max(value for _, value in one[1])), step


def chart(panel, base, start, end):
    found, step = lines(panel, base, start, end)
    if not found:
        return '<p class=none>no data</p>'
    unit = panel["fieldConfig"]["defaults"]["unit"]
    stacked = panel["fieldConfig"]["defaults"].get("custom", {}).get("stacking", {}).get("mode") == "normal"
    shown, below, drawn = found[:MOST_SERIES], {}, []
    for name, points in shown:
        if stacked:
            points = [(at, value + below.get(at, 0)) for at, value in points]
            below.update(points)
        drawn.append((name, points))
    top = max(value for _, points in drawn for _, value in points) or 1
    x = lambda at: LEFT + (at - start) / (end - start) * (WIDTH - LEFT - 6)
    y = lambda value: HEIGHT - BOTTOM - max(value, 0) / top * (HEIGHT - BOTTOM - 8)
    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role=img aria-label="{html.escape(panel["title"])}">']
    for part in (0, 0.5, 1):
        out.append(f'<line class=grid x1={LEFT} x2={WIDTH - 6} y1={y(top * part):.1f} y2={y(top * part):.1f} />'
                   f'<text x={LEFT - 5} y={y(top * part) + 4:.1f} text-anchor=end>{number(top * part, unit)}</text>')
    for at in (start, (start + end) / 2, end):
        anchor = "start" if at == start else "end" if at == end else "middle"
        out.append(f'<text x={x(at):.1f} y={HEIGHT - 3} text-anchor={anchor}>{time.strftime("%H:%M:%S", time.localtime(at))}</text>')
    for at, (_, points) in reversed(list(enumerate(drawn))):
        colour = COLOURS[at % len(COLOURS)]
        pieces, last = [], None
        for when, value in points:  # a hole is a hole
            pieces.append(f"{'L' if last is not None and when - last <= 1.5 * step else 'M'}{x(when):.1f} {y(value):.1f}")
            last = when
        path = " ".join(pieces)
        if len(points) == 1:
            out.append(f'<circle cx={x(points[0][0]):.1f} cy={y(points[0][1]):.1f} r=2 fill="{colour}" />')
        if stacked:
            out.append(f'<path d="{path} L{x(points[-1][0]):.1f} {y(0):.1f} L{x(points[0][0]):.1f} {y(0):.1f} Z" fill="{colour}" opacity=".35" />')
        out.append(f'<path d="{path}" fill=none stroke="{colour}" stroke-width=1.5 />')
    out.append("</svg><table><tr><th><th>last<th>most</tr>")
    for at, (name, points) in enumerate(shown):
        out.append(f'<tr><td><b style="color:{COLOURS[at % len(COLOURS)]}">—</b> {html.escape(name)}<td>{number(points[-1][1], unit)}'
                   f"<td>{number(max(value for _, value in points), unit)}</tr>")
    out.append("</table>" + (f"<small>{len(found) - len(shown)} more</small>" if len(found) > len(shown) else ""))
    return "".join(out)


def now(panel, base, end):
    return [(series, target["legendFormat"], float(series["value"][1])) for target in panel["targets"]
            for series in ask(base, "query", query=expression_of(target, 5), time=end)]


def stat(panel, base, end):
    unit = panel["fieldConfig"]["defaults"]["unit"]
    return "".join(f"<p class=stat>{number(value, unit)} <small>{html.escape(name_of(series, legend))}</small></p>"
                   for series, legend, value in now(panel, base, end)) or '<p class=none>no data</p>'


def table(panel, base, end):
    rows = sorted(now(panel, base, end), key=lambda one: -one[2])
    if not rows:
        return '<p class=none>no data</p>'
    columns = sorted({label for series, _, _ in rows for label in series["metric"]} - {"__name__", "job"})
    head = "".join(f"<th>{html.escape(one)}" for one in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(series['metric'].get(one, ''))}" for one in columns) + f"<td>{value:g}</tr>" for series, _, value in rows)
    return f"<table><tr>{head}<th>value</tr>{body}</table>"


def main():
    if not 3 <= len(sys.argv) <= 4 or not (len(sys.argv) == 3 or re.fullmatch(r"[1-9]\d{0,4}", sys.argv[3])):
        raise SystemExit("usage: render.py URL_OF_PROMETHEUS OUT.html [MINUTES]")
    base, out = sys.argv[1].rstrip("/"), pathlib.Path(sys.argv[2])
    end = int(time.time())
    start = end - 60 * int(sys.argv[3] if len(sys.argv) == 4 else 15)
    page = [f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'>"
            f"<title>tcpadvisor: dashboards</title><style>{STYLE}</style><h1>Dashboards, {time.strftime('%F %T', time.localtime(end))}</h1>"]
    for path in sorted((pathlib.Path(__file__).parent / "grafana").glob("*.json")):
        board = json.loads(path.read_text(encoding="utf-8"))
        page.append(f"<h2>{html.escape(board['title'])}</h2><p>{html.escape(board['description'])}</p><section>")
        for panel in board["panels"]:
            if panel["type"] == "row":
                page.append(f"</section><h3>{html.escape(panel['title'])}</h3><section>")
                continue
            inside = chart(panel, base, start, end) if panel["type"] == "timeseries" else (stat if panel["type"] == "stat" else table)(panel, base, end)
            page.append(f"<figure><h4>{html.escape(panel['title'])}</h4><figcaption>{html.escape(panel['description'])}</figcaption>{inside}</figure>")
        page.append("</section>")
    out.write_text("\n".join(page) + "\n</html>\n", encoding="utf-8")
    print(f"{out}: drawn from {base}")


main()
