"""merge_attention()."""
from ctypes import addressof, c_void_p

from flashtile import _queues
from flashtile._arrays import empty_like
from flashtile._calls import Call
from flashtile._library import F32, MergeAttentionOptions, lib


def merge_attention(outs, lses, *, sinks=None, threads=None, out=None, return_lse=False):
    """Merges attention over parts of the keys: the result is that of one call over the keys of all parts.

    Shapes    outs: arrays (B, Hq, L, Dv), lses: arrays (B, Hq, L), as many -> (B, Hq, L, Dv). A part may have any number of
              keys; what attention() gives with return_lse is a part. Results of packed sequences are views: out.swapaxes(0, 1)[None]
              and lse.T[None].
    Types     float32, float16 or bfloat16 each; lses are float32. The result has the type of the first part, or out's.
    Numerics  out = sum(exp(lse_i - lse) * out_i), in float32, with lse = log(sum(exp(lse_i)) + exp(sink)). A part whose lse is
              -inf is not read. A row without keys gives exactly 0, and lse -inf or its head's sink.
    Errors    As attention().
    Threads   May be called from several threads; the GIL is released.

    sinks          float32 (Hq): a logit of each head that only the denominator counts. The parts are computed without it
    threads, out   as in attention()
    return_lse     also returns lse
    """
    outs, lses = list(outs), list(lses)
    if len(outs) != len(lses):
        raise ValueError(f"merge_attention: outs has {len(outs)} parts, lses has {len(lses)}; they must match")
    if not outs:
        raise ValueError("merge_attention: outs is empty; give at least one part")
    call = Call(lib.flashtile_merge_attention)
    pointers = [call.point_to((c_void_p * len(parts))(*[call.take(x, f"{name}[{i}]")[1] for i, x in enumerate(parts)]))
                for name, parts in (("outs", outs), ("lses", lses))]
    first = call.tensors[0]
    if first.rank != 4:
        raise ValueError(f"merge_attention: outs[0] has shape {tuple(first.shape[:first.rank])}; expected 4 dimensions")
    made, finish = (out, None) if out is not None else empty_like(outs[0], tuple(first.shape[:4]), first.dtype)
    results, lse_address = [(made, finish)], None
    if return_lse:
        results.append(empty_like(outs[0], tuple(first.shape[:3]), F32))
        lse_address = call.take(results[1][0], "lse", writable=True)[1]
    options = call.options = MergeAttentionOptions()
    if sinks is not None:
        options.sinks = call.take(sinks, "sinks")[1]
    options.queue = _queues.queue_of(first, outs[0], threads)
    call.arguments = (call.take(made, "out", writable=True)[1], lse_address, len(outs), *pointers, addressof(options))
    call.run()
    given = [array if end is None else end(array) for array, end in results]
    return tuple(given) if return_lse else given[0]
