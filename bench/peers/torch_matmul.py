"""PyTorch's matrix product on the CPU; of int8 the one with int32 sums."""
import torch

from peer import serve

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def prepare(p):
    torch.set_num_threads(p["threads"])
    if p["dtype"] == "f16":
        raise ValueError("PyTorch multiplies float16 one by one on a CPU without instructions for it: minutes a call")
    if p["dtype"] == "i8":
        a, b = (torch.randint(-127, 128, size, dtype=torch.int8) for size in ((p["M"], p["K"]), (p["K"], p["N"])))
        return lambda: torch._int_mm(a, b)
    a, b = (torch.randn(size).to(DTYPES[p["dtype"]]) for size in ((p["M"], p["K"]), (p["K"], p["N"])))
    out = torch.empty(p["M"], p["N"], dtype=a.dtype)
    return lambda: torch.mm(a, b, out=out)


serve("peer.torch", prepare)
