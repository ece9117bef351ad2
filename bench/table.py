#!/usr/bin/env python3
"""Prints JSON lines of `flashtile bench --json` and bench/peers as a table: each way's time and rate, and its rate as a
multiple of each of PyTorch's for the same problem."""
import json
import sys

PROBLEM = ["op", "dtype", "batch", "query_heads", "kv_heads", "query_length", "kv_length", "head_dim", "causal", "m", "n", "k"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.startswith("{")]
    problems = {}
    for line in lines:
        if "machine" in line:
            print(f"{line['machine']}, commit {line['commit']}")
        elif "error" in line:
            print(line["error"]["message"])
        else:
            problems.setdefault(tuple(line.get(key) for key in PROBLEM), []).append(line)
    for problem, ways in problems.items():
        print(", ".join(f"{key} {value}" for key, value in zip(PROBLEM, problem) if value is not None))
        peak = next((way for way in ways if way.get("peak_tflops")), None)
        if peak:
            print(f"  same run: {peak['peak_arithmetic']} {peak['peak_tflops']:.1f} TFLOP/s, copy {peak['peak_read_gbps']:.0f} GB/s")
        peers = {way["way"]: way["tflops"] for way in ways if way["way"].startswith("torch.")}
        for way in ways:
            if "tflops" not in way:
                print(f"  {way['way']:24} {way.get('verdict', '')} {way.get('reason', '')}")
                continue
            ratios = "  ".join(f"{way['tflops'] / rate:5.3f} x {peer}" for peer, rate in peers.items())
            print(f"  {way['way']:24} {way['median_ms']:9.3f} ms {way['tflops']:7.1f} TFLOP/s  {ratios}")


if __name__ == "__main__":
    main()
