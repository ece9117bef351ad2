"""What every peer script shares: problems as JSON lines on stdin, timings as JSON lines on stdout.

A problem is {"op", "dtype", "threads", "seconds"} and its sizes, for attention {"B", "Hq", "Hkv", "Lq", "Lkv", "D", "Dv",
"causal"}, for gemm {"M", "N", "K"}; the answer has the keys of `flashtile bench --json`. Called by tools/bench-cpu, which keeps the scripts running and asks them in turns.
"""
import json
import statistics
import sys
import time


def useful_flops(p):
    """Of attention both products; a top-left causal mask leaves the pairs on and below the diagonal."""
    if p["op"] == "gemm":
        return 2.0 * p["M"] * p["N"] * p["K"]
    pairs = p["Lq"] * p["Lkv"]
    if p["causal"]:
        pairs = sum(min(i + 1, p["Lkv"]) for i in range(p["Lq"]))
    return 2.0 * p["B"] * p["Hq"] * pairs * (p["D"] + p["Dv"])


def bytes_moved(p):
    size = {"f32": 4, "f16": 2, "bf16": 2, "i8": 1}[p["dtype"]]
    if p["op"] == "gemm":
        return size * p["K"] * (p["M"] + p["N"]) + 4 * p["M"] * p["N"]
    queries = p["B"] * p["Hq"] * p["Lq"] * (p["D"] + p["Dv"])
    return size * (queries + p["B"] * p["Hkv"] * p["Lkv"] * (p["D"] + p["Dv"]))


def timed(call, seconds):
    """Seconds of each call, after one that warms up: at least one, at most two hundred."""
    call()
    samples, start = [], time.perf_counter()
    while (not samples or time.perf_counter() - start < seconds) and len(samples) < 200:
        before = time.perf_counter()
        call()
        samples.append(time.perf_counter() - before)
    return samples


def serve(way, prepare):
    """Says "ready" on a line of its own, then answers; prepare(problem) returns a function to time, or raises with the
    reason why this peer cannot."""
    version = str(getattr(sys.modules.get(way.removeprefix("peer.")), "__version__", ""))
    print("ready", flush=True)
    for text in sys.stdin:
        p = json.loads(text)
        answer = {"way": way, "version": version, "device": "cpu", **p}
        answer.pop("seconds")
        try:
            samples = timed(prepare(p), p["seconds"])
            median = statistics.median(samples)
            answer |= {"median_ms": median * 1e3, "min_ms": min(samples) * 1e3, "samples": len(samples),
                       "tflops": useful_flops(p) / median * 1e-12, "gbps": bytes_moved(p) / median * 1e-9}
        except Exception as problem:  # a peer that cannot is a result, not a failure of the run
            answer["reason"] = f"{type(problem).__name__}: {problem}".splitlines()[0][:200]
        print(json.dumps(answer), flush=True)
