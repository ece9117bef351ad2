"""JAX: attention inside of jax.jit and jax.vmap, as a custom call of XLA.

    from flashtile.jax import attention
    out = jax.jit(lambda q, k, v: attention(q, k, v, causal=True))(q, k, v)

On CPUs. There are no gradients: JAX says so.
"""
import math

import jax
import numpy as np

from flashtile._attention import corner_of, is_array, offset_of, sides_of
from flashtile._library import lib

__all__ = ["attention"]

jax.ffi.register_ffi_target("flashtile_attention", jax.ffi.pycapsule(lib.flashtile_xla_attention), platform="cpu")


def attention(q, k, v, *, scale=None, softcap=None, causal=None, query_offset=None, window=None, mask=None, bias=None,
              return_lse=False):
    """flashtile.attention() as a part of a compiled computation; its options that are listed here mean the same.

    q, k and v have 4 dimensions and one type, float32, float16 or bfloat16. Options but mask and bias are numbers that are known when it is compiled. jax.vmap adds to the batch, without a loop.
    Errors: ValueError for what the shapes say is wrong; all else is an error of JAX when it runs, with flashtile's message.
    """
    if not q.ndim == k.ndim == v.ndim == 4:
        raise ValueError(f"q, k and v have {q.ndim}, {k.ndim} and {v.ndim} dimensions; expected 4")
    arguments, added = [q, k, v], {"has_mask": mask, "has_bias": bias}
    for x in added.values():
        if x is not None:
            x = jax.numpy.asarray(x)
            x = x.reshape((1,) * (4 - x.ndim) + x.shape)
            arguments.append(jax.numpy.broadcast_to(x, (q.shape[0], *x.shape[1:])))
    causal, causal_offset = constant_offset(corner_of(causal, q.shape[2], k.shape[2]), "causal")
    query_offset, query_offset_number = constant_offset(query_offset, "query_offset")
    left, right = (-1, -1) if window is None else sides_of(window)
    numbers = {"causal": causal, "causal_offset": causal_offset, "query_offset": query_offset,
               "query_offset_number": query_offset_number, "window_left": left, "window_right": right,
               **{name: x is not None for name, x in added.items()}}
    results = [jax.ShapeDtypeStruct((*q.shape[:3], v.shape[3]), q.dtype)]
    if return_lse:
        results.append(jax.ShapeDtypeStruct(q.shape[:3], np.float32))
    call = jax.ffi.ffi_call("flashtile_attention", results, vmap_method="broadcast_all")
    found = call(*arguments, scale=np.float32(1 / math.sqrt(q.shape[3]) if scale is None else scale), softcap=np.float32(softcap or 0),
                 **{name: np.int64(x) for name, x in numbers.items()})
    return tuple(found) if return_lse else found[0]


def constant_offset(given, name):
    """A corner or a number, as the custom call has it."""
    if is_array(given):
        raise ValueError(f"{name} is an array; inside of JAX it is a corner, or a whole number that is known when it is compiled")
    return offset_of(None, given, name)[:2]
