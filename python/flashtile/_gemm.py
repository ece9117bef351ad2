"""gemm(), and the plan of such a call."""
import sys
from ctypes import addressof, c_float

from flashtile import _queues
from flashtile._arrays import empty_like
from flashtile._calls import Call, Pool
from flashtile._library import BF16, F16, F32, I32, GemmOptions, lib, text
from flashtile._plan import plan_of

pool = Pool()


def gemm(a, b, *, out=None, alpha=1.0, beta=0.0, way=None, threads=None):
    """The matrix product out = alpha * a b + beta * out.

    Shapes    a (M, K), b (K, N) -> (M, N), each with unit stride in one dimension, as a transposed array has, too.
    Types     float32, float16, bfloat16; int8 and uint8, whose products are int32. Without out the result has a's type.
    Numerics  Sums are float32 or int32, rounded once at the end. Integer products wrap, with alpha 1 and beta 0 or 1.
    Errors    As attention(). With beta, out must be given; with beta 0 its old content is never read.
    Threads   May be called from several threads; the GIL is released.
    """
    key = None
    if pool.serves(a, b):
        if out is None and not beta and a.ndim == b.ndim == 2 and a.dtype.kind == "f":
            out = sys.modules["numpy"].empty((a.shape[0], b.shape[1]), a.dtype)
        if pool.serves(out):
            key = (a.shape, a.strides, a.dtype, b.shape, b.strides, b.dtype, out.shape, out.strides, out.dtype, alpha, beta, way,
                   threads, _queues.forks)
            if pool.run(key, (a, b, out)):
                return out
    call, made, finish = call_of(lib.flashtile_gemm, a, b, out, alpha, beta, way, threads)
    call.run()
    if key is not None:
        pool.keep(key, call)
    return made if finish is None else finish(made)


def plan_gemm(a, b, *, out=None, alpha=1.0, beta=0.0, way=None, threads=None):
    """What gemm() would do for these arguments: a Plan. Computes nothing; same errors. May be called from several threads."""
    return plan_of(call_of(lib.flashtile_plan_gemm, a, b, out, alpha, beta, way, threads)[0])


def call_of(function, a, b, out, alpha, beta, way, threads):
    """The call, its result, and how the caller's is made of that."""
    if beta and out is None:
        raise ValueError(f"beta is {beta}, and out is not given; it adds to out's old content")
    call = Call(function)
    a_tensor, a_address = call.take(a, "a")
    b_tensor, b_address = call.take(b, "b")
    finish = None
    if out is None:
        shape = (a_tensor.shape[0], b_tensor.shape[1]) if a_tensor.rank == b_tensor.rank == 2 else (0, 0)
        out, finish = empty_like(a, shape, a_tensor.dtype if a_tensor.dtype in (F32, F16, BF16) else I32)
    options = call.options = GemmOptions()
    options.alpha = call.point_to(c_float(alpha))
    options.beta = beta
    if way:
        options.way = text(way, "way")
    options.queue = _queues.queue_of(a_tensor, a, threads)
    call.arguments = (call.take(out, "out", writable=True)[1], a_address, b_address, addressof(options))
    return call, out, finish
