"""The matrix product of NumPy's own OpenBLAS. float32 only."""
import numpy
from threadpoolctl import threadpool_limits

from peer import serve


def prepare(p):
    if p["dtype"] != "f32":
        raise ValueError("NumPy multiplies float32 with a BLAS, nothing shorter")
    threadpool_limits(p["threads"])
    generator = numpy.random.default_rng(1)
    a, b = (generator.standard_normal(size, dtype=numpy.float32) for size in ((p["M"], p["K"]), (p["K"], p["N"])))
    out = numpy.empty((p["M"], p["N"]), dtype=numpy.float32)
    return lambda: numpy.matmul(a, b, out=out)


serve("peer.numpy", prepare)
