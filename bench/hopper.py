#!/usr/bin/env python3
"""Measures flash.sm90 beside FlashAttention-4 and cuDNN on a Hopper GPU, and prints the marks that it is to reach.

    bench/hopper.py run OUT.jsonl [PROGRAM [PYTHON]]   PROGRAM: build/cuda/bench/flashtile_bench_bursts
    bench/hopper.py table OUT.jsonl                    the table of an earlier run

Cells are B * S = 16384 tokens, H * d = 2048, in TFLOP/s. "best" is the better of the peers in the same run; a cell that was
not measured, or that a peer refuses, is a dash (–).
"""
import json
import pathlib
import subprocess
import sys

LENGTHS = {"mark": (2048, 8192, 16384), "short": (512, 1024)}
DIMS = (128, 64, 256)
OURS, PEERS = "flash.sm90", ("flash_attn_4", "torch.cudnn")
# What bursts of flash.sm90 are to be, as multiples of the best peer: (burst, sustained), full and causal.
MARKS = {128: ((1.03, 1.00), (1.03, 1.00)), 64: ((1.03, 1.00), (1.03, 1.00)), 256: ((1.00, None), (0.97, None))}
SHORT_MARK = 1.1
UNMEASURED = (
    "decode, one query: B=1 S=32k; B=16 S=8k; B=64 S=4k", "4 and 16 queries, the same three", "512 queries on 64k keys",
    "q8_0 KV decode, B=16 S=8k", "--window 511,0 at S=16k; packed and paged", "gemm 8192^3 bf16, share of cuBLAS", "accuracy, RMS against cuDNN")


def shape(dim, length, value_dim=None):
    heads = 2048 // dim if 2048 % dim == 0 else 16
    return f"{16384 // length},{heads},{heads},{length},{length},{dim},{value_dim or dim}"


def run(out, program="build/cuda/bench/flashtile_bench_bursts", python=sys.executable):
    peer = pathlib.Path(__file__).parent / "peers" / "flash_attn_4.py"
    with open(out, "w", encoding="utf-8") as file:
        def call(*command):
            subprocess.run(command, stdout=file, check=False)
        lengths = LENGTHS["mark"] + LENGTHS["short"]
        for dim in DIMS:
            shapes = [shape(dim, length) for length in lengths]
            for mask in ("full", "causal"):
                file.flush()
                call(program, OURS, "bf16", mask, *shapes)
                call(python, peer, "bf16", mask, *shapes)
        for dim in (96, 192):
            call(program, OURS, "bf16", "full", shape(dim, 8192))
        call(program, OURS, "f16", "full", shape(128, 8192))


class Results:
    def __init__(self, path):
        self.lines = {}
        with open(path, encoding="utf-8") as file:
            for line in (json.loads(text) for text in file if text.startswith("{")):
                self.lines[line["way"], line["dtype"], line["causal"], line["shape"]] = line

    def rate(self, way, dim, length, causal, kind, dtype="bf16"):
        return self.lines.get((way, dtype, causal, shape(dim, length)), {}).get(kind)

    def best(self, *cell):
        rates = [rate for rate in (self.rate(peer, *cell) for peer in PEERS) if rate]
        return max(rates) if rates else None


def verdict(value, mark):
    if value is None or mark is None:
        return "–"
    return f"{value:.2f} {'ok' if value >= mark else f'MISSES {mark:.2f}'}"


def ratio(a, b):
    return a / b if a and b else None


def number(value):
    return f"{value:5.0f}" if value else "    –"


def table(path):
    results = Results(path)
    print(f"{'cell':22}  {'ours':>13}  {'FA4':>13}  {'cuDNN':>13}   ours / best: burst, sustained")
    for dim in DIMS:
        for causal in (False, True):
            for length in LENGTHS["short"] + LENGTHS["mark"]:
                rates = [[results.rate(way, dim, length, causal, kind) for kind in ("burst", "sustained")]
                         for way in (OURS, *PEERS)]
                ratios = [ratio(rates[0][i], results.best(dim, length, causal, kind))
                          for i, kind in enumerate(("burst", "sustained"))]
                marks = (SHORT_MARK, None) if length in LENGTHS["short"] else MARKS[dim][causal]
                cells = "  ".join(f"{number(burst)} / {number(sustained)}" for burst, sustained in rates)
                print(f"d={dim:<3} {'causal' if causal else 'full':6} S={length:<6}   {cells}   "
                      f"{verdict(ratios[0], marks[0])}, {verdict(ratios[1], marks[1])}")
    at = {dim: results.rate(OURS, dim, 8192, False, "burst") for dim in (64, 96, 128, 192, 256)}
    for dim, below, above in ((96, 64, 128), (192, 128, 256)):
        mean = (at[below] + at[above]) / 2 if at[below] and at[above] else None
        print(f"d={dim} full S=8192: {number(at[dim])}, of its neighbours' mean {verdict(ratio(at[dim], mean), 0.85)}")
    f16 = results.rate(OURS, 128, 8192, False, "burst", "f16")
    print(f"f16 d=128 full S=8192: {number(f16)}, of bf16 {verdict(ratio(f16, at[128]), 0.97)}")
    for cell in UNMEASURED:
        print(f"{cell}: –")


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("run", "table"):
        sys.exit(__doc__)
    if sys.argv[1] == "run":
        run(*sys.argv[2:])
    table(sys.argv[2])


if __name__ == "__main__":
    main()
