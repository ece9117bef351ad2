"""rotary(), and append_kv(), which turns new keys as rotary() does."""
from ctypes import addressof, c_double

from flashtile import _queues
from flashtile._arrays import empty_like
from flashtile._calls import Call
from flashtile._library import HALVES, INTERLEAVED, AppendKvOptions, RotaryOptions, lib, whole


def rotary(x, positions, *, interleaved=False, dim=0, base=10000.0, frequencies=None, inverse=False, threads=None, out=None):
    """Turns rows by their positions, as rotary position embeddings do.

    Pair i of a row at position p becomes (a cos t - b sin t, b cos t + a sin t) with t = p * frequency_i.

    Shapes    x (B, H, L, D) -> the same; positions int32, broadcast to (B, L): any, also negative.
    Types     float32, float16 or bfloat16; the result has x's type.
    Numerics  Sine and cosine are right to 1e-6 at any position; products and sums are float32.
    Errors    As attention().
    Threads   May be called from several threads; the GIL is released.

    interleaved    pairs are elements 2i and 2i + 1, as GPT-J has them; otherwise i and i + R/2, as Llama has them
    dim            R: the first so many elements of a row are turned; 0 is all of them
    base           frequency_i = base ** (-2i / R), in radians a position
    frequencies    R/2 numbers instead of base
    inverse        turns back
    threads        as in attention()
    out            an array for the result, which is then returned; may be x itself
    """
    call = Call(lib.flashtile_rotary)
    tensor, x_address = call.take(x, "x")
    positions_address = call.take(positions, "positions")[1]
    made, finish = (out, None) if out is not None else empty_like(x, tuple(tensor.shape[:tensor.rank]), tensor.dtype)
    options = call.options = embedding(call, interleaved, dim, base, frequencies, inverse)
    options.queue = _queues.queue_of(tensor, x, threads)
    call.arguments = (call.take(made, "out", writable=True)[1], x_address, positions_address, addressof(options))
    call.run()
    return made if finish is None else finish(made)


def append_kv(cache_k, cache_v, k_new, v_new, positions, *, rotary=None, block_table=None, threads=None):
    """Stores new rows at their positions in a cache of keys and values; returns nothing.

    Shapes    cache_k (B, Hkv, C, D), cache_v (B, Hkv, C, Dv), or with block_table (pages, page size, Hkv, D) and
              (pages, page size, Hkv, Dv); k_new (B, Hkv, L, D), v_new (B, Hkv, L, Dv); positions int32, broadcast to (B, L):
              the row of the cache, -1 for a new row that is not stored.
    Types     float32, float16 or bfloat16 each; rows are converted.
    Errors    As attention(). On CPUs also an index out of range, before anything is stored; GPUs do not store such rows.
    Threads   May be called from several threads, which must not store into the same rows; the GIL is released.

    rotary         a dict of interleaved, dim, base, frequencies and inverse, as rotary() takes them, such as {} or {"base": 500000.0}:
                   k_new is turned by positions on the way
    block_table    int32 (B, most): entry [b, n] is the page that holds the rows from n * page size on of batch entry b
    threads        as in attention()
    """
    call = Call(lib.flashtile_append_kv)
    caches = [call.take(x, name, writable=True)[1] for x, name in ((cache_k, "cache_k"), (cache_v, "cache_v"))]
    rows = [call.take(x, name)[1] for x, name in ((k_new, "k_new"), (v_new, "v_new"), (positions, "positions"))]
    options = call.options = AppendKvOptions()
    if rotary is not None:
        options.rotary = call.point_to(embedding(call, **keywords_of(rotary)))
    if block_table is not None:
        options.block_table = call.take(block_table, "block_table")[1]
    options.queue = _queues.queue_of(call.tensors[0], cache_k, threads)
    call.arguments = (*caches, *rows, addressof(options))
    call.run()


def keywords_of(rotary):
    """Those of rotary() that say how rows are turned."""
    known = ("interleaved", "dim", "base", "frequencies", "inverse")
    if not isinstance(rotary, dict) or not all(name in known for name in rotary):
        raise ValueError(f"rotary is {rotary!r}; expected a dict with some of {', '.join(known)}")
    return rotary


def embedding(call, interleaved=False, dim=0, base=10000.0, frequencies=None, inverse=False):
    """The struct of an embedding, whose frequencies live as long as the call."""
    if not base:
        raise ValueError(f"base is {base}; expected a positive number")  # which C takes for its default
    options = RotaryOptions()
    options.pairs = INTERLEAVED if interleaved else HALVES
    options.dim, options.base, options.inverse = whole(dim, "dim"), base, bool(inverse)
    if frequencies is not None:
        numbers = [float(x) for x in frequencies]
        if not numbers:
            raise ValueError("frequencies is empty; expected one number a pair, or None")
        options.frequencies, options.frequency_count = call.point_to((c_double * len(numbers))(*numbers)), len(numbers)
    return options
