#!/usr/bin/env python3
"""Compares convolution2d with PyTorch's convolutions, which are oneDNN's on a CPU and cuDNN's on a GPU: the least time of many calls each.

    bench/convolution.py PROGRAM [--device cpu|cuda] [--threads N] [--seconds S]

PROGRAM is flashtile_bench_convolution_<instruction set> or flashtile_bench_convolution_cuda. PyTorch adds the bias within its
convolution, and the activation after it.
"""
import argparse
import json
import subprocess
import time

import torch

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def torch_ms(p, device, seconds):
    dtype = DTYPES[p["dtype"]]
    channels_last = {"memory_format": torch.channels_last}
    images = torch.randn(p["images"], p["channels"], p["size"], p["size"]).to(device, dtype).to(**channels_last)
    layer = torch.nn.Conv2d(p["channels"], p["channels"], 3, padding=1).to(device, dtype).to(**channels_last)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    best, spent = float("inf"), 0.0
    with torch.inference_mode():
        for _ in range(3):
            torch.relu_(layer(images))
        while spent < seconds:
            wait()
            start = time.perf_counter()
            for _ in range(10):
                torch.relu_(layer(images))
            wait()
            took = time.perf_counter() - start
            spent, best = spent + took, min(best, took / 10)
    return 1e3 * best


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.benchmark = True
    ours = subprocess.run([arguments.program, str(arguments.seconds), str(arguments.threads)], capture_output=True, text=True, check=True)
    for line in ours.stdout.splitlines():
        p = json.loads(line)
        if arguments.device == "cpu" and p["dtype"] == "f16":
            continue  # PyTorch multiplies float16 one by one on most CPUs
        p["torch_ms"] = round(torch_ms(p, arguments.device, arguments.seconds), 4)
        p["torch_time_over_ours"] = round(p["torch_ms"] / p["ms"], 3)
        print(json.dumps(p), flush=True)


if __name__ == "__main__":
    main()
