#!/usr/bin/env python3
"""Draws the chart of README.md: summary_chart.py RESULTS.jsonl > SUMMARY.svg

Attention without a mask on one thread, 16 heads, 1024 queries and keys, D=64, of each type: bars of GFLOP/s, and the peak that was
measured beside them. The picture follows the reader's light or dark scheme.
"""
import html
import json
import sys

LENGTH, HEAD_DIM = 1024, 64
NAMES = {"flash.cpu": "flashtile", "peer.openvino": "OpenVINO", "vendor.onednn": "oneDNN", "peer.onnxruntime": "onnxruntime",
         "peer.torch": "PyTorch"}
TYPES = {"bf16": "bf16", "f32": "float32", "f16": "float16"}
WIDTH, LEFT, RIGHT, BAR, GAP = 720, 110, 60, 18, 34

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 } .bar { fill: #9aa4b2 } .own { fill: #0969da } .peak { stroke: #cf222e; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .bar { fill: #57606a } .own { fill: #4493f8 } .peak { stroke: #ff7b72 }
  }"""


def cells(path):
    """{dtype: {name: GFLOP/s}} and {dtype: peak GFLOP/s}."""
    rates, peaks = {}, {}
    with open(path, encoding="utf-8") as file:
        for line in map(json.loads, file):
            here = (line.get("section"), line.get("threads"), line.get("causal"), line.get("Lq"), line.get("D"))
            if here != ("prefill", 1, False, LENGTH, HEAD_DIM) or line["way"] not in NAMES or "median_ms" not in line:
                continue
            rates.setdefault(line["dtype"], {})[NAMES[line["way"]]] = line["tflops"] * 1e3
            peaks[line["dtype"]] = line["peak_tflops"] * 1e3
    return rates, peaks


def draw(rates, peaks):
    scale = (WIDTH - LEFT - RIGHT) / max(peaks.values())
    body, y = [], 24
    body.append(f'<text x="8" y="{y}" class="title">Attention on one core of an AMD Zen 5, GFLOP/s: '
                f'16 heads, {LENGTH} queries and keys, D={HEAD_DIM}</text>')
    for dtype, title in TYPES.items():
        y += GAP
        peak = LEFT + peaks[dtype] * scale
        body.append(f'<text x="8" y="{y}" class="title">{title}</text>')
        first = y + 8
        for name, rate in sorted(rates[dtype].items(), key=lambda item: -item[1]):
            y += BAR + 4
            if (name, dtype) == ("OpenVINO", "f16"):  # which computes float16 in bf16 on this processor
                name = "OpenVINO*"
            body.append(f'<text x="{LEFT - 8}" y="{y}" text-anchor="end">{html.escape(name)}</text>'
                        f'<rect x="{LEFT}" y="{y - BAR + 5}" width="{rate * scale:.1f}" height="{BAR}" rx="2" '
                        f'class="{"own" if name == "flashtile" else "bar"}"/>'
                        f'<text x="{LEFT + rate * scale + 6:.1f}" y="{y}">{rate:.0f}</text>')
        body.append(f'<line x1="{peak:.1f}" x2="{peak:.1f}" y1="{first}" y2="{y + 6}" class="peak"/>'
                    f'<text x="{peak:.1f}" y="{first - 4}" text-anchor="end">peak {peaks[dtype]:.0f}</text>')
    y += 24
    body.append(f'<text x="8" y="{y}">* computes in bf16, which is less exact</text>')
    height = y + 14
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">\n'
            f"<style>{STYLE}\n</style>\n" + "\n".join(body) + "\n</svg>")


if __name__ == "__main__":
    print(draw(*cells(sys.argv[1])))
