#!/usr/bin/env python3
"""Attention from Python, with no other package: q, k and v of a safetensors file, where they lie; its plan; every way's time.

usage: attention.py FILE.safetensors. Exits 1 when two ways differ by more than rounding may cause.
"""
import json
import sys
import time

import flashtile


def tensors_of(path):
    """Each float32 tensor of the file as a view of its bytes."""
    with open(path, "rb") as file:
        content = file.read()
    header = 8 + int.from_bytes(content[:8], "little")
    tensors = {}
    for name, entry in json.loads(content[8:header]).items():
        if entry.get("dtype") == "F32":
            begin, end = entry["data_offsets"]
            tensors[name] = memoryview(content)[header + begin : header + end].cast("f", entry["shape"])
    return tensors


def main(path):
    tensors = tensors_of(path)
    q, k, v = tensors["q"], tensors["k"], tensors["v"]
    print(flashtile.plan(q, k, v))
    best = flashtile.attention(q, k, v)
    most = 0.0
    for way in flashtile.info()["ways"]["attention"]:
        try:
            start = time.perf_counter()
            out = flashtile.attention(q, k, v, way=way["way"])
            took = time.perf_counter() - start
        except NotImplementedError:
            continue
        difference = max(abs(a - b) for a, b in zip(best.cast("B").cast("f"), out.cast("B").cast("f")))
        most = max(most, difference)
        print(f"{way['way']}: {1000 * took:.2f} ms, differs from the best way by {difference:.1e}")
    return 0 if most < 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
