#!/usr/bin/env python3
"""What a call costs over one from C++, in microseconds: attention of one element from C, and from Python with NumPy.

usage: call_overhead.py PROGRAM, the one that `ninja flashtile_bench_call_overhead` builds; needs the package flashtile and NumPy.
Marks: C 0.3, NumPy 6 with out= and 10 without. Exits 1 when one is missed. Run it on a quiet machine.
"""
import subprocess
import sys
import time

import numpy as np

import flashtile

ROUNDS, CALLS = 1000, 100  # short, so that some are not disturbed


def microseconds(call):
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            call()
        best = min(best, (time.perf_counter() - start) / CALLS)
    return best * 1e6


def main(program):
    cpp, c = map(float, subprocess.run([program], capture_output=True, text=True, check=True).stdout.split())
    q, out = np.ones((2, 1, 1, 1, 1), np.float32)
    rows = [("C", c, 0.3), ("NumPy, out=", microseconds(lambda: flashtile.attention(q, q, q, out=out)), 6),
            ("NumPy", microseconds(lambda: flashtile.attention(q, q, q)), 10)]
    print(f"C++: {cpp:.2f} us")
    for name, took, mark in rows:
        print(f"{name}: {took:.2f} us, {took - cpp:.2f} over C++, the mark is {mark}")
    return 0 if all(took - cpp <= mark for _, took, mark in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
