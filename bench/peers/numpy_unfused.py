"""Unfused attention on NumPy's own OpenBLAS: matrix product, softmax, matrix product, head by head. float32 only."""
import numpy
from threadpoolctl import threadpool_limits

from peer import serve


def prepare(p):
    if p["dtype"] != "f32":
        raise ValueError("NumPy multiplies float32 with a BLAS, nothing shorter")
    threadpool_limits(p["threads"])
    generator = numpy.random.default_rng(1)
    q = generator.standard_normal((p["B"] * p["Hq"], p["Lq"], p["D"]), dtype=numpy.float32)
    k = generator.standard_normal((p["B"] * p["Hkv"], p["Lkv"], p["D"]), dtype=numpy.float32)
    v = generator.standard_normal((p["B"] * p["Hkv"], p["Lkv"], p["Dv"]), dtype=numpy.float32)
    out = numpy.empty((p["B"] * p["Hq"], p["Lq"], p["Dv"]), dtype=numpy.float32)
    group = p["Hq"] // p["Hkv"]
    scale = numpy.float32(p["D"] ** -0.5)
    hidden = numpy.triu(numpy.full((p["Lq"], p["Lkv"]), -numpy.inf, numpy.float32), 1) if p["causal"] else None

    def call():
        for h in range(q.shape[0]):
            s = (q[h] * scale) @ k[h // group].T
            if hidden is not None:
                s += hidden
            s -= s.max(axis=1, keepdims=True)
            numpy.exp(s, out=s)
            s /= s.sum(axis=1, keepdims=True)
            numpy.matmul(s, v[h // group], out=out[h])

    return call


serve("peer.numpy", prepare)
