"""flashtile: exact attention without a framework.

    import flashtile, numpy as np
    q = np.random.rand(1, 8, 100, 64).astype(np.float32)
    k = v = np.random.rand(1, 2, 300, 64).astype(np.float32)
    out = flashtile.attention(q, k, v, causal="bottom_right")

attention, merge_attention, rotary, append_kv and gemm compute; plan, plan_gemm and explain say how; info says what is there, set_log what each call chose; check compares every way with float64.
"""
from flashtile._attention import attention, plan
from flashtile._check import Report, check
from flashtile._gemm import gemm, plan_gemm
from flashtile._info import info
from flashtile._library import lib
from flashtile._log import set_log
from flashtile._merge_attention import merge_attention
from flashtile._plan import Plan
from flashtile._rotary import append_kv, rotary

__all__ = ["Plan", "Report", "append_kv", "attention", "check", "explain", "gemm", "info", "merge_attention", "plan", "plan_gemm", "rotary", "set_log"]
__version__ = lib.flashtile_version().decode()


def explain(q, k, v, **options):
    """Prints what attention() would do for these arguments, and why not otherwise."""
    print(plan(q, k, v, **options))
