"""attention(), and the plan of such a call."""
import sys
from ctypes import addressof, c_float

from flashtile import _queues
from flashtile._arrays import empty_like, tensor_of
from flashtile._calls import Call, Pool
from flashtile._library import (BF16, BOTTOM_RIGHT, F8_E4M3, F8_E5M2, F16, F32, I8, INT4, OFFSET, OFFSETS, Q4_0, Q8_0, SCORE_STAGES, TOP_LEFT, U8, AttentionOptions,
                                AttentionOutputs, Window, lib, text, whole)
from flashtile._plan import plan_of

CORNERS = {"top_left": TOP_LEFT, "bottom_right": BOTTOM_RIGHT}
DTYPES = {"float32": F32, "float16": F16, "bfloat16": BF16}
# Types that arrays of bytes may hold: the number, and the elements and bytes of a block.
STORED = {"i8": (I8, 1, 1), "int4": (INT4, 2, 1), "f8_e4m3": (F8_E4M3, 1, 1), "f8_e5m2": (F8_E5M2, 1, 1), "q8_0": (Q8_0, 32, 34),
          "q4_0": (Q4_0, 32, 18)}
pool = Pool()


def attention(q, k, v, *, scale=None, softcap=None, causal=None, query_offset=None, q_lengths=None, kv_lengths=None,
              q_row_starts=None, kv_row_starts=None, block_table=None, q_segments=None, kv_segments=None, block_map=None,
              q_block=None, kv_block=None, alibi_slopes=None, sinks=None, k_scales=None, v_scales=None, k_dtype=None, v_dtype=None,
              window=None, mask=None, bias=None, way=None,
              threads=None, out=None, out_dtype=None, return_lse=False, return_scores=None):
    """Scaled dot-product attention: softmax(scale * q kᵀ + bias) v, exactly.

    Shapes    q (B, Hq, Lq, D), k (B, Hkv, Lkv, D), v (B, Hkv, Lkv, Dv) -> (B, Hq, Lq, Dv). Hq is a multiple of Hkv: query
              head h reads KV head h // (Hq // Hkv). Any length may be 0. D is 1 ... 576 and Dv 1 ... 512
              on CPUs, both 1 ... 256 on GPUs. With q_row_starts, kv_row_starts or block_table q, k and v have other shapes: see there.
    Types     float32, float16 or bfloat16; the result may be float32 whatever q is; k and v may each be another of these, int8 or an
              8-bit float, or bytes that hold what k_dtype and v_dtype say. Any strides but in the last dimension, where it is 1.
              Nothing is copied. NumPy, PyTorch, JAX and CuPy arrays, and others with __dlpack__, the array interface or the
              buffer protocol; the result is of q's kind.
    Numerics  Scores, softmax and sums are float32. A query with no key to attend to gives exactly 0, and lse -inf. A masked
              position never reaches the result, even if it holds NaN.
    Errors    ValueError names the argument, some by its name in C++: lengths.kv is kv_lengths, row_starts.q q_row_starts, mask.boolean
              mask, mask.blocks block_map; NotImplementedError lists each way and its reason; MemoryError; TypeError for what is
              no array, lists included.
    Threads   May be called from several threads; the GIL is released.

    scale          multiplies raw scores; 1/sqrt(D) unless given
    softcap        scores become softcap * tanh(score / softcap), before mask and bias
    causal         "top_left": query i sees keys 0 ... i; "bottom_right": the last query sees every key; a number: query i
                   sees keys 0 ... i + number; an int32 or int64 array (B): such a number of each batch entry; True, where
                   q and k are equally long, is "top_left"
    query_offset   where queries lie among the keys, for windows and slopes: as causal takes it, but for True. Without it they lie where
                   causal says, or else from key 0 on: new queries behind a cache need "bottom_right" in one of both
    q_lengths      int32 or int64 (B): how many rows of q are there in each batch entry. The others are not read; the result
                   is 0 there, and lse -inf
    kv_lengths     the same of k and v; "bottom_right" is that of the rows that are there
    q_row_starts   int32 or int64 (B + 1), ascending: packed sequences. q is (Tq, Hq, D) then, the result (Tq, Hq, Dv), lse (Tq,
                   Hq), and sequence b is rows q_row_starts[b] ... q_row_starts[b + 1] - 1 of them; rows of none are not
                   written. Without mask, bias, segments and block_map
    kv_row_starts  the same of k (Tk, Hkv, D) and v (Tk, Hkv, Dv); without it they are padded
    block_table    int32 (B, most): k and v are pools of pages (pages, page size, Hkv, D) and (pages, page size, Hkv, Dv), and row
                   j of batch entry b is row j % page size of page block_table[b, j // page size]. kv_lengths says how many
                   rows are there; numbers of pages behind them are not read
    q_segments     int32 (B, Lq), with kv_segments: a query attends only to keys whose id is its own. The last stride is 1
    kv_segments    int32 (B, Lkv). Lkv is most * page size with block_table, here and in mask, bias and block_map
    block_map      boolean or uint8 (1 or B, 1 or Hq, ceil(Lq / q_block), ceil(Lkv / kv_block)): blocks of q_block queries and
                   kv_block keys whose entry is 0 are hidden, and cost nothing
    q_block        with block_map: the queries of a block
    kv_block       with block_map: the keys of a block
    alibi_slopes   float32 (Hq) or (B, Hq): a score loses slope * |position of the query - key|, after softcap
    sinks          float32 (Hq): a further logit of each row, without a value; it takes its share of the weights, and lse
                   includes it. Leave it out where parts of the keys are merged later: merge_attention() takes it
    k_scales       float32 or float16, where k is int8, int4 or an 8-bit float, which it is multiplied with: () or (Hkv), or k's own
                   dimensions, each 1 or as long; the last one is how many scales a row has, each that of as many adjacent
                   elements. int8 and int4 need them
    v_scales       the same of v
    k_dtype        what an array of bytes, uint8 or int8, holds: "i8"; "int4", two elements a byte, -8 ... 7, the first in the low half;
                   "f8_e4m3", "f8_e5m2"; or ggml's "q8_0" or "q4_0", whose blocks of 32 elements take 34 and 18 bytes. The last
                   dimension of k counts bytes then: D / 2 of int4, D / 32 * 34 of q8_0
    v_dtype        the same of v
    window         (left, right): a query sees so many keys before and after its position, see query_offset, and the one there; -1 is no
                   limit
    mask           boolean or uint8, broadcast to (B, Hq, Lq, Lkv): a query attends to a key where it is true
    bias           float32, float16 or bfloat16, broadcast likewise: added to scores; -inf excludes exactly
    way            the name of a way (flashtile.info() lists them) instead of the best
    threads        at most so many at once; otherwise FLASHTILE_THREADS, or every hardware thread
    out            an array for the result, which is then returned
    out_dtype      of the result where there is no out: float32, or q's type, as it is unless given
    return_lse     also returns log(sum(exp(scores))), float32 (B, Hq, Lq)
    return_scores  also returns scores, float32 (B, Hq, Lq, Lkv), last: "raw", scale * q kᵀ of every pair; "capped", after the softcap;
                   "biased", with slopes and bias, -inf where a pair is hidden; or "probabilities". Way "unfused" alone has them, not of
                   packed sequences, pages, or k and v of another type than q
    """
    key = None
    tensors = (mask, bias, q_lengths, kv_lengths, q_row_starts, kv_row_starts, block_table, q_segments, kv_segments, block_map,
               q_block, kv_block, alibi_slopes, sinks, k_scales, v_scales, k_dtype, v_dtype)
    if all(tensor is None for tensor in tensors) and not return_lse and return_scores is None and out_dtype is None and pool.serves(q, k, v) \
            and not is_array(causal) and not is_array(query_offset):
        if out is None and q.ndim == v.ndim == 4:
            out = sys.modules["numpy"].empty((*q.shape[:3], v.shape[3]), q.dtype)
        if pool.serves(out):
            key = (q.shape, q.strides, q.dtype, k.shape, k.strides, k.dtype, v.shape, v.strides, v.dtype, out.shape,
                   out.strides, out.dtype, scale, softcap, causal, type(causal), query_offset, type(query_offset),
                   None if window is None else sides_of(window), way, threads, _queues.forks)
            if pool.run(key, (q, k, v, out)):
                return out
    call = call_of(lib.flashtile_attention, q, k, v, k_dtype, v_dtype)
    results = set_results(call, q, q_row_starts=q_row_starts, kv_row_starts=kv_row_starts, out=out, out_dtype=out_dtype,
                          return_lse=return_lse, return_scores=return_scores, block_table=block_table)
    set_options(call, q, scale=scale, softcap=softcap, causal=causal, query_offset=query_offset, q_lengths=q_lengths, kv_lengths=kv_lengths,
                q_row_starts=q_row_starts, kv_row_starts=kv_row_starts, block_table=block_table, q_segments=q_segments,
                kv_segments=kv_segments, block_map=block_map, q_block=q_block, kv_block=kv_block, alibi_slopes=alibi_slopes,
                sinks=sinks, k_scales=k_scales, v_scales=v_scales, window=window, mask=mask, bias=bias, way=way, threads=threads)
    call.run()
    if key is not None:
        pool.keep(key, call)
    given = [made if finish is None else finish(made) for made, finish in results]
    return tuple(given) if len(given) > 1 else given[0]


def plan(q, k, v, *, scale=None, softcap=None, causal=None, query_offset=None, q_lengths=None, kv_lengths=None, q_row_starts=None,
         kv_row_starts=None, block_table=None, q_segments=None, kv_segments=None, block_map=None, q_block=None, kv_block=None,
         alibi_slopes=None, sinks=None, k_scales=None, v_scales=None, k_dtype=None, v_dtype=None,
              window=None, mask=None, bias=None, way=None, threads=None, out=None, out_dtype=None,
         return_lse=False, return_scores=None):
    """What attention() would do for these arguments: a Plan. Computes nothing; same errors."""
    call = call_of(lib.flashtile_plan_attention, q, k, v, k_dtype, v_dtype)
    if out is not None or out_dtype is not None or return_lse or return_scores is not None:
        set_results(call, q, q_row_starts=q_row_starts, kv_row_starts=kv_row_starts, out=out, out_dtype=out_dtype,
                    return_lse=return_lse, return_scores=return_scores, block_table=block_table)
    else:
        call.arguments = (None, *call.arguments[1:])
    set_options(call, q, scale=scale, softcap=softcap, causal=causal, query_offset=query_offset, q_lengths=q_lengths, kv_lengths=kv_lengths,
                q_row_starts=q_row_starts, kv_row_starts=kv_row_starts, block_table=block_table, q_segments=q_segments,
                kv_segments=kv_segments, block_map=block_map, q_block=q_block, kv_block=kv_block, alibi_slopes=alibi_slopes,
                sinks=sinks, k_scales=k_scales, v_scales=v_scales, window=window, mask=mask, bias=bias, way=way, threads=threads)
    return plan_of(call)


def call_of(function, q, k, v, k_dtype=None, v_dtype=None):
    call = Call(function)
    addresses = [call.take(x, name)[1] for x, name in ((q, "q"), (k, "k"), (v, "v"))]
    for i, name, stored in ((1, "k", k_dtype), (2, "v", v_dtype)):
        if stored is not None:
            take_bytes_as(call.tensors[i], stored, name)
    call.outputs, call.options = AttentionOutputs(), AttentionOptions()
    call.arguments = (addressof(call.outputs), *addresses, addressof(call.options))
    return call


def set_results(call, q, *, q_row_starts=None, kv_row_starts=None, out=None, out_dtype=None, return_lse=False, return_scores=None,
                block_table=None):
    """What the call writes; for each result the array, and how the caller's is made of it."""
    q_tensor, v_tensor = call.tensors[0], call.tensors[2]
    if kv_row_starts is not None and q_row_starts is None:
        raise ValueError("attention: kv_row_starts is given, and q_row_starts is not; packed keys need packed queries")
    if kv_row_starts is not None and block_table is not None:
        raise ValueError("attention: kv_row_starts and block_table are given; k and v are packed, or lie in pages")
    for name, tensor, starts, starts_name in (("q", q_tensor, q_row_starts, "q_row_starts"), ("v", v_tensor, kv_row_starts, "kv_row_starts")):
        rank, given = (4, "without") if starts is None else (3, "with")
        if tensor.rank != rank:
            raise ValueError(f"attention: {name} has shape {tuple(tensor.shape[:tensor.rank])}; expected {rank} dimensions {given} "
                             f"{starts_name}")
    rows = tuple(q_tensor.shape[:q_tensor.rank - 1])
    shape = (*rows, v_tensor.shape[v_tensor.rank - 1])
    if out is not None and out_dtype is not None:
        raise ValueError("attention: out and out_dtype are given; out has a type of its own")
    results = [(out, None) if out is not None else empty_like(q, shape, dtype_of(out_dtype, q_tensor.dtype))]
    call.outputs.out = call.take(results[0][0], "out", writable=True)[1]
    if return_lse:
        results.append(empty_like(q, rows, F32))
        call.outputs.lse = call.take(results[1][0], "lse", writable=True)[1]
    if return_scores is not None:
        if return_scores not in SCORE_STAGES:
            raise ValueError(f"attention: return_scores is {return_scores!r}; expected one of {', '.join(map(repr, SCORE_STAGES))}")
        if q_row_starts is not None:
            raise ValueError("attention: return_scores and q_row_starts are given; this version has no scores of packed sequences")
        results.append(empty_like(q, (*rows, kv_length_of(call, block_table)), F32))
        call.outputs.scores = call.take(results[-1][0], "scores", writable=True)[1]
        call.outputs.score_stage = SCORE_STAGES.index(return_scores)
    return results


def kv_length_of(call, block_table):
    """Lkv of padded keys, or of pages."""
    k = call.tensors[1]
    if block_table is None:
        return k.shape[2]
    table = tensor_of(block_table, "block_table")[0]
    return table.shape[1] * k.shape[1] if table.rank == 2 else 0


def take_bytes_as(tensor, stored, name):
    """Makes a tensor of bytes one of the type that they hold."""
    if stored not in STORED:
        raise ValueError(f"{name}_dtype is {stored!r}; expected one of {', '.join(map(repr, STORED))}")
    if tensor.dtype not in (U8, I8):
        raise ValueError(f"{name}_dtype is given, and {name} is no array of uint8 or int8")
    tensor.dtype, elements, size = STORED[stored]
    last = tensor.rank - 1
    if last < 0 or tensor.shape[last] % size:
        raise ValueError(f"{name} has shape {tuple(tensor.shape[:tensor.rank])}; expected rows of whole blocks of {size} bytes, as {stored} has")
    for i in range(last):
        if tensor.shape[i] > 1 and tensor.strides[i] % size:
            raise ValueError(f"{name} has stride {tensor.strides[i]} bytes in dimension {i}; expected a multiple of {size}, as {stored} has")
        tensor.strides[i] = tensor.strides[i] // size * elements
    tensor.shape[last] = tensor.shape[last] // size * elements


def dtype_of(given, of_q):
    """A type by its name or as NumPy, PyTorch and JAX have it; q's where none is given."""
    if given is None:
        return of_q
    dtype = DTYPES.get(str(getattr(given, "__name__", given)).rpartition(".")[2])
    if dtype not in (F32, of_q):
        raise ValueError(f"attention: out_dtype is {given!r}; expected float32 or q's type")
    return dtype


def set_options(call, q, *, scale=None, softcap=None, causal=None, query_offset=None, q_lengths=None, kv_lengths=None, q_row_starts=None,
                kv_row_starts=None, block_table=None, q_segments=None, kv_segments=None, block_map=None, q_block=None,
                kv_block=None, alibi_slopes=None, sinks=None, k_scales=None, v_scales=None, window=None, mask=None, bias=None, way=None, threads=None):
    options = call.options
    if scale is not None:
        options.scale = call.point_to(c_float(number(scale, "scale")))
    options.softcap = number(softcap or 0.0, "softcap")
    if causal is True and q_row_starts is not kv_row_starts:
        raise ValueError('causal is True, and q and k have row starts of their own; say which corner, "top_left" or "bottom_right"')
    if causal is True and block_table is not None:
        raise ValueError('causal is True, and k is paged; say which corner, "top_left" or "bottom_right"')
    options.causal, options.causal_offset, options.causal_offsets = offset_of(
        call, corner_of(causal, call.tensors[0].shape[2], call.tensors[1].shape[2]), "causal")
    options.query_offset, options.query_offset_number, options.query_offsets = offset_of(call, query_offset, "query_offset")
    for name, numbers in (("q_lengths", q_lengths), ("kv_lengths", kv_lengths), ("q_row_starts", q_row_starts),
                          ("kv_row_starts", kv_row_starts), ("block_table", block_table), ("q_segments", q_segments),
                          ("kv_segments", kv_segments), ("block_map", block_map), ("alibi_slopes", alibi_slopes),
                          ("sinks", sinks), ("k_scales", k_scales), ("v_scales", v_scales)):
        if numbers is not None:
            setattr(options, name, call.take(numbers, name)[1])
    for name, rows in (("q_block", q_block), ("kv_block", kv_block)):
        if rows is not None:
            setattr(options, name, whole(rows, name))
    if window is not None:
        options.window = call.point_to(Window(*sides_of(window)))
    if mask is not None:
        options.mask = call.take(mask, "mask")[1]
    if bias is not None:
        options.bias = call.take(bias, "bias")[1]
    if way:
        options.way = text(way, "way")
    options.queue = _queues.queue_of(call.tensors[0], q, threads)


def number(value, name):
    """A float, for a field of C."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {value!r}; expected a number") from None


def sides_of(window):
    """What a window shows, before and after a position."""
    try:
        left, right = window
    except (TypeError, ValueError):
        raise ValueError(f"window is {window!r}; expected (left, right), two whole numbers, -1 for no limit") from None
    return whole(left, "window"), whole(right, "window")


def corner_of(causal, q_length, k_length):
    """True is right where both corners are the same one; False is none."""
    if not isinstance(causal, bool):
        return causal
    if not causal:
        return None
    if q_length != k_length:
        raise ValueError(f"causal is True, and q has length {q_length}, k has {k_length}; say which corner, \"top_left\" or "
                         '"bottom_right", or an offset')
    return "top_left"


def is_array(offset):
    """Is it an array of numbers, one a batch entry? A single number may be an array of no dimensions."""
    return getattr(offset, "ndim", 0) > 0


def offset_of(call, given, name):
    """A corner, a number or an array as the C interface has it: what it is, the number, the array's address."""
    if given is None:
        return 0, 0, None
    if is_array(given):
        return OFFSETS, 0, call.take(given, name)[1]
    if isinstance(given, str) and given in CORNERS:
        return CORNERS[given], 0, None
    if isinstance(given, (str, bool)) or not hasattr(given, "__index__"):
        raise ValueError(f'{name} is {given!r}; expected "top_left", "bottom_right", a whole number or an array of them')
    return OFFSET, whole(given, name), None
