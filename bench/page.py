#!/usr/bin/env python3
"""Draws what tools/bench-cpu measured: index.html, a page that needs nothing else, and two summaries that a README can show.

    bench/page.py bench/results/<cpu>

Reads results.jsonl there. Its first line tells of the run: {"machine", "commit", "date", "compiler", "libraries", "command"}, and
the others are one a cell and way, with the keys of `flashtile bench --json`. Called by tools/bench-cpu after each cell.
"""
import html
import json
import math
import pathlib
import sys

OURS = {"attention": "flash.cpu", "gemm": "panels"}
COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf", "#e69f00")

# Of each section: its heading, what it is in a sentence, the name of the x axis, and a line's place on it.
SECTIONS = {
    "prefill": ("Prefill", "As many queries as keys, 16 heads.", "queries, and as many keys", lambda l: l["Lq"]),
    "decode": ("Decode", "One query of 32 heads against a long cache: bound by reading keys and values.", "keys, KV heads",
               lambda l: f"{l['Lkv']}, {l['Hkv']}"),
    "MiniLM": ("MiniLM", "The attention of a small sentence encoder: 12 heads of 32.", "batch x length", lambda l: f"{l['B']} x {l['Lq']}"),
    "gemm": ("Matrix products", "2048 x 2048 x 2048.", "element type", lambda l: l["dtype"]),
    "head sizes": ("Head sizes", "8 heads, 1000 queries and keys.", "head size", lambda l: l["D"]),
    "lengths": ("Lengths", "8 heads of 64, lengths that are no multiple of a tile.", "queries, and as many keys", lambda l: l["Lq"]),
}

STYLE = """:root{color-scheme:light dark;--ink:#1a1a1a;--soft:#666;--grid:#ddd;--page:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--soft:#aaa;--grid:#444;--page:#111}}
body{font:14px system-ui,sans-serif;margin:2em auto;padding:0 1em;max-width:1120px;color:var(--ink);background:var(--page)}
svg{margin:8px 16px 8px 0;max-width:100%;height:auto} svg text{fill:var(--ink)} .title{font-weight:600}
svg .tick{font-size:11px;fill:var(--soft)} .grid{stroke:var(--grid)} .soft{color:var(--soft)} a{color:inherit}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:4px 16px} .legend li{white-space:nowrap}
.legend i{display:inline-block;width:12px;height:12px;margin-right:4px}
table{border-collapse:collapse} td,th{border:1px solid var(--grid);padding:2px 8px;text-align:right} .wide{overflow-x:auto}
td:nth-child(-n+2),th:nth-child(-n+2),td:nth-child(4),th:nth-child(4){text-align:left}"""

# A picture in a README knows nothing of the page around it.
SUMMARY_STYLE = """<style>text{font-family:system-ui,sans-serif;font-size:12px;fill:#1a1a1a}.title{font-size:15px;font-weight:600}
.soft{fill:#666}.grid{stroke:#ddd}@media(prefers-color-scheme:dark){text{fill:#e6e6e6}.soft{fill:#aaa}.grid{stroke:#444}}</style>"""


def title_of(line):
    if "M" in line:
        return f"{line['dtype']} M={line['M']} N={line['N']} K={line['K']}"
    causal = " causal" if line["causal"] else ""
    heads = f"H={line['Hq']}" + (f"/{line['Hkv']}" if line["Hkv"] != line["Hq"] else "")
    length = f"L={line['Lq']}" + (f"x{line['Lkv']}" if line["Lkv"] != line["Lq"] else "")
    return f"{line['dtype']} B={line['B']} {heads} {length} D={line['D']}{causal}"


def anchor(text):
    return "".join(c if c.isalnum() else "-" for c in text.lower())


def round_step(most):
    """The distance of about four ticks up to `most`: 1, 2, 2.5 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(most / 4))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power * 4 >= most * 0.8)


def axis(values, most=None):
    """The step of the ticks, and where the axis ends: at `most`, or above all values."""
    highest = max(values, default=0) or 1
    step = round_step(most or highest)
    return step, max(most or 0, step * math.ceil(highest / step))


def chart(title, unit, x_name, series, colours, most=None):
    """An SVG of lines over categories: {way: {x: y}}."""
    width, height, left, bottom, top = 520, 310, 60, 50, 30
    xs = list(dict.fromkeys(x for points in series.values() for x in points))
    step, most = axis([y for points in series.values() for y in points.values()], most)
    at_x = lambda x: left + (width - left - 20) * (xs.index(x) + 0.5) / len(xs)
    at_y = lambda y: height - bottom - (height - bottom - top) * y / most
    out = [f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{html.escape(title)}">',
           f'<text x="{left}" y="18" class="title">{html.escape(title)}</text>']
    for i in range(round(most / step) + 1):
        y = step * i
        out.append(f'<line x1="{left}" x2="{width - 20}" y1="{at_y(y):.1f}" y2="{at_y(y):.1f}" class="grid"/>'
                   f'<text x="{left - 6}" y="{at_y(y) + 4:.1f}" class="tick" text-anchor="end">{y:.3g}</text>')
    for x in xs:
        out.append(f'<text x="{at_x(x):.1f}" y="{height - bottom + 16}" class="tick" text-anchor="middle">{html.escape(str(x))}</text>')
    out.append(f'<text x="{(left + width - 20) / 2}" y="{height - 12}" class="tick" text-anchor="middle">{html.escape(x_name)}</text>')
    out.append(f'<text x="12" y="{height / 2}" class="tick" transform="rotate(-90 12 {height / 2})" text-anchor="middle">{unit}</text>')
    for way, points in series.items():
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in points.items())
        out.append(f'<polyline points="{path}" fill="none" stroke="{colours[way]}" stroke-width="{3 if way in OURS.values() else 1.5}"/>')
        out += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{colours[way]}"><title>{way} {x}: {y:.4g} {unit}</title></circle>'
                for x, y in points.items()]
    return "\n".join(out + ["</svg>"])


def stops(ways):
    """Why lines end before the others do: a sentence, or nothing."""
    xs = list(dict.fromkeys(x for points in ways.values() for x in points))
    ended = {}
    for way, points in ways.items():
        if xs[-1] not in points:
            ended.setdefault(list(points)[-1], []).append(way)
    return " ".join(f"{', '.join(names)}: the line stops at {x}, since longer cells measure only flash.cpu, oneDNN and PyTorch." for x, names in ended.items())


def section_of(name, lines, colours):
    heading, about, x_name, x_of = SECTIONS[name]
    charts = {}
    for line in lines:
        key = (None if name == "gemm" else line["dtype"], line["threads"], line["causal"], line["D"] if name == "prefill" else None)
        charts.setdefault(key, {}).setdefault(line["way"], {})[x_of(line)] = line
    unit, value = ("GB/s", lambda l: l["gbps"]) if name == "decode" else ("GFLOP/s", lambda l: l["tflops"] * 1e3)
    ways = list(dict.fromkeys(line["way"] for line in lines))
    out = [f'<h2 id="{anchor(name)}"><a href="#{anchor(name)}">{heading}</a></h2><p>{about}</p><ul class="legend">']
    out += [f'<li><i style="background:{colours[way]}"></i>{html.escape(way)}</li>' for way in ways]
    out.append("</ul>")
    for (dtype, threads, causal, d), series in charts.items():
        title = ", ".join(filter(None, (heading, dtype, f"{threads} thread{'s' if threads > 1 else ''}", d and f"head size {d}", causal and "causal")))
        out.append(f'<div id="{anchor(title)}">' + chart(title, unit, x_name, {w: {x: value(l) for x, l in p.items()} for w, p in series.items()}, colours))
        share = {w: {x: 100 * l["peak_share"] for x, l in p.items()} for w, p in series.items() if w in OURS.values()}
        out.append(chart("share of peak", "% of " + ("read bandwidth" if name == "decode" else "peak"), x_name, share, colours, 100))
        ended = stops(series)
        out.append((f'<p class="soft">{html.escape(ended)}</p>' if ended else "") + "</div>")
    return "\n".join(out)


def bars(title, unit, groups, colours):
    """An SVG that stands alone: groups of bars, [(name, {way: value})]."""
    width, height, left, bottom, top = 860, 300, 60, 62, 34
    step, most = axis([y for _, values in groups for y in values.values()])
    at_y = lambda y: height - bottom - (height - bottom - top) * y / most
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">{SUMMARY_STYLE}',
           f'<text x="{left}" y="20" class="title">{html.escape(title)}</text>']
    for i in range(round(most / step) + 1):
        y = at_y(step * i)
        out.append(f'<line x1="{left}" x2="{width - 10}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
                   f'<text x="{left - 6}" y="{y + 4:.1f}" class="soft" text-anchor="end">{step * i:.3g}</text>')
    ways = list(dict.fromkeys(way for _, values in groups for way in values))
    space = (width - left - 10) / len(groups)
    bar = space * 0.8 / len(ways)
    for g, (name, values) in enumerate(groups):
        for way, y in values.items():
            x = left + space * (g + 0.1) + bar * ways.index(way)
            out.append(f'<rect x="{x:.1f}" y="{at_y(y):.1f}" width="{bar * 0.92:.1f}" height="{height - bottom - at_y(y):.1f}" fill="{colours[way]}"><title>{way}: {y:.4g} {unit}</title></rect>'
                       f'<text x="{x + bar / 2:.1f}" y="{at_y(y) - 4:.1f}" class="soft" text-anchor="middle">{y:.3g}</text>')
        out.append(f'<text x="{left + space * (g + 0.5):.1f}" y="{height - bottom + 18}" text-anchor="middle">{html.escape(name)}</text>')
    for i, way in enumerate(ways):
        out.append(f'<rect x="{left + 150 * i}" y="{height - 24}" width="12" height="12" fill="{colours[way]}"/>'
                   f'<text x="{left + 150 * i + 18}" y="{height - 14}">{html.escape(way.removeprefix("peer."))}</text>')
    out.append(f'<text x="14" y="{(height - bottom + top) / 2}" class="soft" transform="rotate(-90 14 {(height - bottom + top) / 2})" text-anchor="middle">{unit}</text>')
    return "\n".join(out + ["</svg>", ""])


def summaries(lines, cpu, colours):
    """{file name: SVG}: prefill and decode of the ways that a mark is measured against."""
    shown = ("flash.cpu", "vendor.onednn", "peer.torch")

    def groups(section, x, value):
        found = {}
        for line in lines:
            if line["section"] == section and line["threads"] == 1 and line["way"] in shown and x(line):
                found.setdefault(x(line), {})[line["way"]] = value(line)
        return list(found.items())

    at_2048 = lambda l: l["Lq"] == 2048 and f"{l['dtype']}, D={l['D']}{', causal' if l['causal'] else ''}"
    long_cache = lambda l: l["Lkv"] == 32768 and f"{l['dtype']}, {l['Hkv']} KV heads"
    return {"prefill.svg": bars(f"Attention of 2048 queries and keys, one thread of {cpu}", "GFLOP/s",
                                [g for g in groups("prefill", at_2048, lambda l: l["tflops"] * 1e3) if "causal" not in g[0]], colours),
            "decode.svg": bars(f"One query against 32768 keys, one thread of {cpu}", "GB/s", groups("decode", long_cache, lambda l: l["gbps"]), colours)}


def provenance(run):
    said = [run["machine"]] + [f"{key} {run[key]}" for key in ("commit", "date", "compiler") if run.get(key)]
    return ", ".join(said) + "".join(f"; {name} {version}" for name, version in run.get("libraries", {}).items())


def page(run, lines, colours):
    timed = [line for line in lines if "median_ms" in line]
    names = [name for name in SECTIONS if any(line["section"] == name for line in timed)]
    left_out = sorted({(line["way"], line["dtype"], line["reason"]) for line in lines if "reason" in line})
    links = " · ".join(f'<a href="#{anchor(n)}">{SECTIONS[n][0]}</a>' for n in names) + ' · <a href="#not-timed">Not timed</a> · <a href="#all-lines">All lines</a>'
    rows = "".join(
        f"<tr><td>{l['section']}</td><td>{title_of(l)}</td><td>{l['threads']}</td><td>{l['way']}</td><td>{l['median_ms']:.3f}</td>"
        f"<td>{l['tflops'] * 1e3:.1f}</td><td>{l['gbps']:.1f}</td><td>{100 * l['peak_share']:.0f}</td></tr>" if "peak_share" in l else
        f"<tr><td>{l['section']}</td><td>{title_of(l)}</td><td>{l['threads']}</td><td>{l['way']}</td><td>{l['median_ms']:.3f}</td>"
        f"<td>{l['tflops'] * 1e3:.1f}</td><td>{l['gbps']:.1f}</td><td></td></tr>" for l in timed)
    excuses = "".join(f"<li>{html.escape(way)}, {dtype}: {html.escape(reason)}</li>" for way, dtype, reason in left_out)
    sections = "\n".join(section_of(n, [l for l in timed if l["section"] == n], colours) for n in names)
    cpu = html.escape(run["machine"])
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>flashtile on {cpu}</title><style>{STYLE}</style>
<h1>flashtile on {cpu}</h1>
<p class="soft">{html.escape(provenance(run))}</p>
<p>Medians of runs taken in turns. Names with a dot or without one are flashtile's ways, those that begin with peer. are other programs. Work is counted as
two operations for each multiply-add; of causal attention only the pairs of a query and a key that the mask keeps are counted. The share of
peak is of what multiply-adds in registers, or a read of memory, made in the same run.</p>
<p>{links}</p>
{sections}
<h2 id="not-timed"><a href="#not-timed">Not timed</a></h2><ul>{excuses}</ul>
<h2 id="all-lines"><a href="#all-lines">All lines</a></h2>
<div class="wide"><table><tr><th>section</th><th>problem</th><th>threads</th><th>way</th><th>ms</th><th>GFLOP/s</th><th>GB/s</th><th>% of peak</th></tr>{rows}</table></div></html>
"""


def draw(folder):
    run, *lines = [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    ways = sorted(dict.fromkeys(line["way"] for line in lines if "median_ms" in line), key=lambda way: way not in OURS.values())
    colours = {way: COLOURS[i % len(COLOURS)] for i, way in enumerate(ways)}
    (folder / "index.html").write_text(page(run, lines, colours), encoding="utf-8")
    short = run["machine"].split(" (")[0].split(",")[0]
    for name, svg in summaries([line for line in lines if "median_ms" in line], short, colours).items():
        (folder / name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    draw(pathlib.Path(sys.argv[1]))
