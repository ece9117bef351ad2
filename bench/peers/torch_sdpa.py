#!/usr/bin/env python3
"""Times PyTorch's attention backends and matrix product on a GPU, in the JSON lines of `flashtile bench --json`.

    bench/peers/torch_sdpa.py --shape B,Hq,Hkv,Lq,Lkv,D[,Dv] [--causal top_left] [--dtype bf16] [--seconds 1]
    bench/peers/torch_sdpa.py --op gemm --shape M,N,K [--dtype bf16]

Ways: torch.cudnn and torch.flash_attention_2 (scaled_dot_product_attention with that backend alone), torch.matmul
(result in the type of its inputs, as torch gives it) and torch.mm_f32 (float32 result). Each is compared with float64 on
some rows before it is timed. A sample is one call, or as many as take a millisecond, between two CUDA events; the ways
of a shape take turns.
"""
import argparse
import json
import math
import sys
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
BACKENDS = {"torch.cudnn": SDPBackend.CUDNN_ATTENTION, "torch.flash_attention_2": SDPBackend.FLASH_ATTENTION}


def sample(function, calls):
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(calls):
        function()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / calls


def measure(functions, seconds):
    """Milliseconds of each sample, for each function."""
    calls = []
    for function in functions:
        sample(function, 1)
        calls.append(max(1, min(10000, math.ceil(1 / max(sample(function, 1), 1e-6)))))
    samples = [[] for _ in functions]
    start = time.monotonic()
    while len(samples[0]) < 3 or time.monotonic() - start < seconds * len(functions):
        for own, function, count in zip(samples, functions, calls):
            own.append(sample(function, count))
    return samples


def quantile(values, q):
    values = sorted(values)
    at = q * (len(values) - 1)
    below = int(at)
    above = min(below + 1, len(values) - 1)
    return values[below] + (at - below) * (values[above] - values[below])


def report(problem, way, flops, samples, error):
    median = quantile(samples, 0.5)
    print(json.dumps({"schema_version": 1, "op": problem["op"], "way": way, **problem, "cache": "warm", "median_ms": median,
                      "min_ms": min(samples), "spread": (quantile(samples, 0.8) - quantile(samples, 0.2)) / median,
                      "samples": len(samples), "tflops": flops / median * 1e-9, "max_error": error,
                      "library": f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}",
                      "device_name": torch.cuda.get_device_name()}), flush=True)


def attention(shape, options):
    batch, query_heads, kv_heads, query_length, kv_length, head_dim = shape[:6]
    value_dim = shape[6] if len(shape) > 6 else head_dim
    causal = options.causal is not None
    if causal and (options.causal != "top_left" and query_length != kv_length):
        sys.exit("torch_sdpa.py: torch's is_causal is top_left")
    dtype = DTYPES[options.dtype]
    torch.manual_seed(0)
    q = torch.randn(batch, query_heads, query_length, head_dim, device="cuda", dtype=dtype)
    k = torch.randn(batch, kv_heads, kv_length, head_dim, device="cuda", dtype=dtype)
    v = torch.randn(batch, kv_heads, kv_length, value_dim, device="cuda", dtype=dtype)
    pairs = sum(min(i + 1, kv_length) for i in range(query_length)) if causal else query_length * kv_length
    flops = 2 * pairs * batch * query_heads * (head_dim + value_dim)
    problem = {"op": "attention", "device": "cuda:0", "dtype": options.dtype, "batch": batch, "query_heads": query_heads,
               "kv_heads": kv_heads, "query_length": query_length, "kv_length": kv_length, "head_dim": head_dim,
               "value_dim": value_dim, "layout": "bhsd", "causal": options.causal, "window": None, "query_offset": None, "softcap": None, "mask": None,
               "bias": None}

    def rows_of_oracle(rows):
        scores = q[-1, -1, rows].double() @ k[-1, -1].double().T / math.sqrt(head_dim)
        if causal:
            hidden = torch.arange(kv_length, device="cuda")[None] > rows[:, None]
            scores.masked_fill_(hidden, -math.inf)
        return scores.softmax(-1) @ v[-1, -1].double()

    rows = torch.linspace(0, query_length - 1, min(query_length, 64), device="cuda").long()
    oracle = rows_of_oracle(rows)
    names, functions, errors = [], [], []
    for name, backend in BACKENDS.items():
        def call(backend=backend):
            with sdpa_kernel(backend):
                return scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=query_heads != kv_heads)
        try:
            error = (call()[-1, -1, rows].double() - oracle).abs().max().item()
        except RuntimeError as refusal:
            print(f"torch_sdpa.py: {name}: {refusal}", file=sys.stderr)
            continue
        if not error < 0.05:
            sys.exit(f"torch_sdpa.py: {name} is off by {error}")
        names.append(name)
        functions.append(call)
        errors.append(error)
    for name, samples, error in zip(names, measure(functions, options.seconds), errors):
        report(problem, name, flops, samples, error)


def gemm(shape, options):
    m, n, k = shape
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = False
    a = torch.randn(m, k, device="cuda", dtype=DTYPES[options.dtype])
    b = torch.randn(k, n, device="cuda", dtype=DTYPES[options.dtype])
    problem = {"op": "gemm", "device": "cuda:0", "dtype": options.dtype, "m": m, "n": n, "k": k}
    ways = {"torch.matmul": lambda: torch.matmul(a, b)}
    if a.dtype != torch.float32:
        ways["torch.mm_f32"] = lambda: torch.mm(a, b, out_dtype=torch.float32)
    oracle = a[-64:].double() @ b.double()
    errors = [(call()[-64:].double() - oracle).abs().max().item() for call in ways.values()]
    for name, samples, error in zip(ways, measure(list(ways.values()), options.seconds), errors):
        report(problem, name, 2 * m * n * k, samples, error)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--op", default="attention", choices=["attention", "gemm"])
    parser.add_argument("--shape", action="append", required=True)
    parser.add_argument("--dtype", default="bf16", choices=DTYPES)
    parser.add_argument("--causal", choices=["top_left", "bottom_right"])
    parser.add_argument("--seconds", type=float, default=1)
    options = parser.parse_args()
    for shape in options.shape:
        (attention if options.op == "attention" else gemm)([int(size) for size in shape.split(",")], options)
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
