#!/usr/bin/env python3
"""Times FlashAttention-4 and PyTorch's cuDNN attention on a GPU, as a burst and at the power limit.

    bench/peers/flash_attn_4.py bf16 full|causal B,Hq,Hkv,Lq,Lkv,D,Dv...
    bench/peers/flash_attn_4.py bf16 decode B,Hq,Hkv,Lq,Lkv,D,Dv...

Prints the JSON lines of bench/bursts.cc, or of bench/decode.cc, which time the same way, one for each way and shape; a way that
refuses says why. FlashAttention-4 is the PyPI package flash-attn-4 with nvidia-cutlass-dsl and quack-kernels; its kernels are compiled
at the first call of each shape.
"""
import json
import statistics
import sys
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

try:
    from flash_attn.cute import flash_attn_func
except ImportError as problem:
    flash_attn_func, MISSING = None, str(problem)

DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16}


def sample(call, count):
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(count):
        call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1e-3 / count


def seconds_of(call):
    """Of one call: (burst, sustained)."""
    call()
    torch.cuda.synchronize()
    one = min(sample(call, 3), sample(call, 3))

    def count_for(seconds):
        return max(2, int(seconds / one))

    burst, sustained = [], []
    for _ in range(5):
        torch.cuda.synchronize()
        time.sleep(0.1)
        call()
        burst.append(sample(call, count_for(8e-3)))
    for _ in range(2):
        sample(call, count_for(0.12))
        sustained += [sample(call, count_for(12e-3)) for _ in range(5)]
    return statistics.median(burst), statistics.median(sustained)


def seconds_of_graph(call, sets, calls=20, rounds=15):
    """Of one of 20 calls that follow each other as a graph, or one by one where they cannot be recorded: call(k, v) with the sets
    of keys and values in turn."""
    def all_calls():
        for i in range(calls):
            call(*sets[i % len(sets)])
    all_calls()
    torch.cuda.synchronize()
    run = all_calls
    try:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            all_calls()
        run = graph.replay
        run()
    except Exception:
        torch.cuda.synchronize()
        run = all_calls
    return statistics.median(sample(run, 1) / calls for _ in range(rounds))


def flash_attn_4(q, k, v, causal):
    if flash_attn_func is None:
        raise RuntimeError(MISSING)
    return lambda: flash_attn_func(q, k, v, causal=causal)


def flash_attn_4_split(q, k, v, causal):
    if flash_attn_func is None:
        raise RuntimeError(MISSING)
    return lambda: flash_attn_func(q, k, v, causal=causal, num_splits=0)  # as many as its heuristic says


def torch_cudnn(q, k, v, causal):
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))

    def call():
        return scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=q.shape[1] != k.shape[1])
    return call


COLD_BYTES = 200_000_000


def decode(dtype, texts):
    for text in texts:
        batch, query_heads, kv_heads, query_length, kv_length, head_dim, value_dim = map(int, text.split(","))
        torch.manual_seed(0)

        def rows(length, heads, dim):
            return torch.randn(batch, length, heads, dim, device="cuda", dtype=DTYPES[dtype])
        q = rows(query_length, query_heads, head_dim)
        sets, size = [], 0
        while len(sets) < 2 or size < 2 * COLD_BYTES:
            # As our calls have them: each head's rows adjacent.
            sets.append(tuple(rows(heads, length, dim).transpose(1, 2) for length, heads, dim in (
                (kv_length, kv_heads, head_dim), (kv_length, kv_heads, value_dim))))
            size += sum(x.numel() * x.element_size() for x in sets[-1])
        for way, prepare in (("flash_attn_4", flash_attn_4), ("flash_attn_4.split", flash_attn_4_split), ("torch.cudnn", torch_cudnn)):
            line = {"way": way, "dtype": dtype, "decode": True, "shape": text}
            try:
                with torch.no_grad(), sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
                    seconds = seconds_of_graph(lambda k, v, prepare=prepare: prepare(q, k, v, False)(), sets)
                line |= {"us": round(seconds * 1e6, 2), "gb_per_s": round(size / len(sets) / seconds * 1e-9)}
            except Exception as problem:
                line["reason"] = f"{type(problem).__name__}: {problem}".splitlines()[0][:200]
            print(json.dumps(line), flush=True)


def main():
    dtype, causal = sys.argv[1], sys.argv[2] == "causal"
    if sys.argv[2] == "decode":
        decode(dtype, sys.argv[3:])
        return
    for text in sys.argv[3:]:
        batch, query_heads, kv_heads, query_length, kv_length, head_dim, value_dim = map(int, text.split(","))
        flops = 2 * batch * query_heads * query_length * kv_length * (head_dim + value_dim) * (0.5 if causal else 1)
        torch.manual_seed(0)
        q, k, v = (torch.randn(batch, length, heads, dim, device="cuda", dtype=DTYPES[dtype])
                   for length, heads, dim in ((query_length, query_heads, head_dim), (kv_length, kv_heads, head_dim),
                                              (kv_length, kv_heads, value_dim)))
        for way, prepare in (("flash_attn_4", flash_attn_4), ("torch.cudnn", torch_cudnn)):
            line = {"way": way, "dtype": dtype, "causal": causal, "shape": text}
            try:
                with torch.no_grad(), sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
                    burst, sustained = seconds_of(prepare(q, k, v, causal))
                line |= {"burst": round(flops / burst * 1e-12, 1), "sustained": round(flops / sustained * 1e-12, 1),
                         "burst_us": round(burst * 1e6, 1)}
            except Exception as problem:  # a peer that cannot is a result, not a failure of the run
                line["reason"] = f"{type(problem).__name__}: {problem}".splitlines()[0][:200]
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
