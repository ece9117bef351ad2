"""PyTorch's scaled_dot_product_attention on the CPU."""
import torch
from torch.nn.functional import scaled_dot_product_attention

from peer import serve

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def prepare(p):
    torch.set_num_threads(p["threads"])
    dtype = DTYPES[p["dtype"]]
    q = torch.randn(p["B"], p["Hq"], p["Lq"], p["D"]).to(dtype)
    k = torch.randn(p["B"], p["Hkv"], p["Lkv"], p["D"]).to(dtype)
    v = torch.randn(p["B"], p["Hkv"], p["Lkv"], p["Dv"]).to(dtype)
    grouped = p["Hq"] != p["Hkv"]

    def call():
        with torch.inference_mode():
            scaled_dot_product_attention(q, k, v, is_causal=p["causal"], enable_gqa=grouped)

    return call


serve("peer.torch", prepare)
