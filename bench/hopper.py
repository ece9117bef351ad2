#!/usr/bin/env python3
"""Measures flash.sm90 beside FlashAttention-4 and cuDNN on a Hopper GPU, and prints the marks that it is to reach.

    bench/hopper.py run OUT.jsonl [PROGRAM [PYTHON]]   PROGRAM: build/cuda/bench/flashtile_bench_bursts, flashtile_bench_decode beside it
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
    "q8_0 KV decode, B=16 S=8k", "--window 511,0 at S=16k; packed and paged", "gemm 8192^3 bf16, share of cuBLAS", "accuracy, RMS against cuDNN")
# Few queries on long keys, 32 heads on 8: (batch, keys), and the share of the copy rate that one query of flash.sm90 is to reach.
# The portable text is to reach 0.55 in the first two, 16 queries in 1.3 times the time of one.
DECODE = {(1, 32768): 0.85, (16, 8192): 0.92, (64, 4096): 0.92}
DECODE_QUERIES = (1, 4, 16)
DECODE_WAYS = (OURS, "tensor_ops", "flash_attn_4", "flash_attn_4.split", "torch.cudnn")
PORTABLE_SHARE, PORTABLE_RATIO, MOST_RATIO = 0.55, 1.3, 1.15
SKINNY = "1,8,1,512,65536,128,128"


def shape(dim, length, value_dim=None):
    heads = 2048 // dim if 2048 % dim == 0 else 16
    return f"{16384 // length},{heads},{heads},{length},{length},{dim},{value_dim or dim}"


def decode_shape(batch, keys, queries):
    return f"{batch},32,8,{queries},{keys},128,128"


def run(out, program="build/cuda/bench/flashtile_bench_bursts", python=sys.executable):
    decode = pathlib.Path(program).parent / "flashtile_bench_decode"
    peer = pathlib.Path(__file__).parent / "peers" / "flash_attn_4.py"
    with open(out, "w", encoding="utf-8") as file:
        def call(*command):
            subprocess.run(command, stdout=file, check=False)
        shapes = [decode_shape(*cell, queries) for cell in DECODE for queries in DECODE_QUERIES] + [SKINNY]
        for way in (OURS, "tensor_ops"):
            call(decode, way, "bf16", *shapes)
        call(python, peer, "bf16", "decode", *shapes)
        lengths = LENGTHS["short"] + LENGTHS["mark"]
        for dim in DIMS:
            shapes = [shape(dim, length) for length in lengths]
            for mask in ("full", "causal"):
                call(program, OURS, "bf16", mask, *shapes)
                call(python, peer, "bf16", mask, *shapes)
        for dim in (96, 192):
            call(program, OURS, "bf16", "full", shape(dim, 8192))
        call(program, OURS, "f16", "full", shape(128, 8192))


class Results:
    def __init__(self, path):
        self.lines, self.decodes = {}, {}
        with open(path, encoding="utf-8") as file:
            for line in (json.loads(text) for text in file if text.startswith("{")):
                if line.get("decode"):
                    self.decodes[line["way"], line["shape"]] = line
                else:
                    self.lines[line["way"], line["dtype"], line["causal"], line["shape"]] = line

    def decode(self, way, shape, what="us"):
        return self.decodes.get((way, shape), {}).get(what)

    def rate(self, way, dim, length, causal, kind, dtype="bf16"):
        return self.lines.get((way, dtype, causal, shape(dim, length)), {}).get(kind)

    def best(self, *cell):
        rates = [rate for rate in (self.rate(peer, *cell) for peer in PEERS) if rate]
        return max(rates) if rates else None


def verdict(value, mark):
    if value is None or mark is None:
        return "–"
    return f"{value:.2f} {'ok' if value >= mark else f'MISSES {mark:.2f}'}"


def at_most(value, mark):
    return "–" if value is None else f"{value:.2f} {'ok' if value <= mark else f'MISSES {mark:.2f}'}"


def ratio(a, b):
    return a / b if a and b else None


def number(value):
    return f"{value:5.0f}" if value else "    –"


def decode_table(results):
    """Few queries on long keys: microseconds of a call, and what the marks ask of ours."""
    ours, portable = OURS, "tensor_ops"
    print(f"{'us of a call':22}  " + "  ".join(f"{way:>18}" for way in DECODE_WAYS))

    def row(name, shape):
        times = {way: results.decode(way, shape) for way in DECODE_WAYS}
        print(f"{name:22}  " + "  ".join(f"{times[way]:18.1f}" if times[way] else f"{'–':>18}" for way in DECODE_WAYS), end="   ")
        return times
    for (batch, keys), mark in DECODE.items():
        for queries in DECODE_QUERIES:
            shape = decode_shape(batch, keys, queries)
            times = row(f"B={batch} S={keys} Lq={queries}", shape)
            best = min((times[way] for way in DECODE_WAYS[2:] if times[way]), default=None)
            of_one = {way: ratio(times[way], results.decode(way, decode_shape(batch, keys, 1))) for way in (ours, portable)}
            share = results.decode(portable, shape, "share")
            words = [f"{portable} share {verdict(share, PORTABLE_SHARE if batch < 64 else None)}"]
            if queries == 1:
                words += [f"{ours} share {verdict(results.decode(ours, shape, 'share'), mark)}", f"best / ours {verdict(ratio(best, times[ours]), 1.0)}"]
            else:
                words += [f"{ours} of one {at_most(of_one[ours], MOST_RATIO)}"]
            if queries == 16:
                words += [f"{portable} of one {at_most(of_one[portable], PORTABLE_RATIO)}"]
            if queries > 1 and batch == 1:
                words += [f"cuDNN / ours {verdict(ratio(times['torch.cudnn'], times[ours]), 3.0)}"]
            print("; ".join(words))
    times = row("512 on 64k, 8 on 1", SKINNY)
    print(f"cuDNN / ours {verdict(ratio(times['torch.cudnn'], times[ours]), 2.0)}")


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
    decode_table(results)
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
