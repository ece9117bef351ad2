"""check(): every way of a call beside float64. Needs NumPy."""
from flashtile._attention import attention
from flashtile._info import ways

ROUNDOFF = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
SMALLEST = {"float32": 2.0**-140, "float16": 2.0**-24, "bfloat16": 2.0**-133}  # steps that results below may be rounded by
# Options of attention() that check() does not take.
UNKNOWN = ("out", "way", "return_lse", "return_scores")


class Report(list):
    """What each way's largest error is, in units of what rounding may cause there. Prints itself."""

    @property
    def ok(self):
        return all(row["error"] <= 1 for row in self if "error" in row)

    def __str__(self):
        return "\n".join(f"{row['way']}: " + (f"largest error {row['error']:.3f} of its bound" + ("" if row["error"] <= 1 else ", WRONG")
                                              if "error" in row else f"cannot: {row['reason']}") for row in self)


def check(q=None, k=None, v=None, **options):
    """Computes attention by every way and compares each element with a computation in float64.

    Takes NumPy arrays and the options of attention(); without arrays, some of its own. The bound of an element adds up what rounding
    may do: of scores and sums in float32, of weights and results in their type. Rows of no packed sequence are not compared.
    Errors: NotImplementedError for further results.

    Returns a Report: a row for each way, with its error as a share of the bound or the reason why it cannot; `ok` when none
    passes its bound. May be called from several threads.
    """
    import numpy as np

    if q is None:
        random = np.random.default_rng(0)
        q = random.standard_normal((2, 4, 65, 64), np.float32)
        k, v = random.standard_normal((2, 2, 2, 130, 64), np.float32)
    if k is None or v is None:
        raise ValueError("k and v must be given with q")
    for name in UNKNOWN:
        if options.get(name) is not None and options[name] is not False:
            raise NotImplementedError(f"check: {name} is given, which it has no reference for")
    q, k, v = (np.asarray(x) for x in (q, k, v))
    exact, bound = reference_of(np, q, k, v, **options)
    report = Report()
    for way in ways("attention"):
        try:
            found = attention(q, k, v, way=way["way"], **options)
        except NotImplementedError as error:
            report.append({"way": way["way"], "reason": error.refused[way["way"]] if error.refused else str(error)})
            continue
        error = np.where(np.isinf(bound), 0, np.abs(found.astype(np.float64) - exact))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(error == 0, 0, error / bound)
        report.append({"way": way["way"], "error": float(np.max(share, initial=0))})
    return report


def reference_of(np, q, k, v, q_row_starts=None, kv_row_starts=None, block_table=None, k_scales=None, v_scales=None, k_dtype=None,
                 v_dtype=None, **options):
    """What reference() has of padded keys and values that are numbers, for those that are codes, packed or in pages."""
    heads = 1 if block_table is None else 2  # the dimension of heads in k and v
    if k_scales is not None or k_dtype or v_scales is not None or v_dtype:
        k, v = elements(np, k, k_dtype, k_scales, heads), elements(np, v, v_dtype, v_scales, heads)
    if block_table is not None:
        k, v = (of_pages(np, x, np.asarray(block_table)) for x in (k, v))
    if q_row_starts is None:
        return reference(np, q, k, v, **options)
    exact = np.zeros(q.shape[:2] + (v.shape[-1],))
    bound = np.full(exact.shape, np.inf)  # of a row of no sequence nothing is known
    for b in range(len(q_row_starts) - 1):
        own = {name: None if value is None else np.broadcast_to(value, (len(q_row_starts) - 1,))[b:b + 1]
               for name, value in options.items() if name == "kv_lengths"}
        own |= {name: value[b:b + 1] for name, value in options.items()
                if name in ("causal", "query_offset") and np.ndim(value) == 1 or name == "alibi_slopes" and np.ndim(value) == 2}
        queries = slice(q_row_starts[b], q_row_starts[b + 1])
        keys = [x[b:b + 1] if kv_row_starts is None else x[kv_row_starts[b]:kv_row_starts[b + 1]].swapaxes(0, 1)[None] for x in (k, v)]
        parts = reference(np, q[queries].swapaxes(0, 1)[None], *keys, **(options | own))
        exact[queries], bound[queries] = (part[0].swapaxes(0, 1) for part in parts)
    return exact, bound


def elements(np, codes, dtype, scales, heads):
    """Keys or values as numbers: codes of `dtype` times their scales, which are one, one a head, or several a row."""
    numbers = decoded(np, codes, dtype)
    if scales is None:
        return numbers
    scales = np.asarray(scales).astype(np.float64)
    if scales.ndim == 1:
        scales = scales.reshape([-1 if i == heads else 1 for i in range(numbers.ndim)])
    if scales.ndim == numbers.ndim:
        scales = scales.repeat(numbers.shape[-1] // scales.shape[-1], axis=-1)
    return numbers * scales


def decoded(np, codes, dtype):
    """The numbers that bytes hold; see attention()'s k_dtype."""
    if dtype in (None, "i8"):
        return (codes.view(np.int8) if dtype else codes).astype(np.float64)
    codes = codes.view(np.uint8)
    if dtype == "int4":
        nibbles = np.stack([codes & 15, codes >> 4], axis=-1).reshape(codes.shape[:-1] + (-1,)).astype(np.float64)
        return np.where(nibbles < 8, nibbles, nibbles - 16)
    if dtype in ("f8_e4m3", "f8_e5m2"):
        fraction, bias = (3, 7) if dtype == "f8_e4m3" else (2, 15)
        exponent, low = (codes & 127) >> fraction, (codes & ((1 << fraction) - 1)) / 2.0**fraction
        size = np.where(exponent > 0, (1 + low) * 2.0**(exponent.astype(np.float64) - bias), low * 2.0**(1 - bias))
        past = codes & 127 == 127 if dtype == "f8_e4m3" else exponent == 31
        size = np.where(past, np.where((low == 0) & (dtype == "f8_e5m2"), np.inf, np.nan), size)
        return np.where(codes < 128, size, -size)
    blocks = np.ascontiguousarray(codes).reshape(codes.shape[:-1] + (-1, 34 if dtype == "q8_0" else 18))
    of_block, rest = blocks[..., :2].copy().view(np.float16).astype(np.float64), blocks[..., 2:]
    values = rest.view(np.int8) if dtype == "q8_0" else np.concatenate([rest & 15, rest >> 4], axis=-1).astype(np.int8) - 8
    return (values * of_block).reshape(codes.shape[:-1] + (-1,))


def of_pages(np, pool, table):
    """(pages, page size, Hkv, D) as (B, Hkv, Lkv, D); numbers of pages that are none are of rows that are not there."""
    rows = pool[np.clip(table, 0, len(pool) - 1)]
    return rows.reshape((len(table), -1) + pool.shape[2:]).swapaxes(1, 2)


def reference(np, q, k, v, scale=None, softcap=None, causal=None, query_offset=None, q_lengths=None, kv_lengths=None,
              q_segments=None, kv_segments=None, block_map=None, q_block=None, kv_block=None, alibi_slopes=None, sinks=None, window=None,
              mask=None, bias=None, threads=None, out_dtype=None):
    """The exact result, and the bound of each of its elements: results in float32 are only closer than those of q's type."""
    roundoff, smallest = ROUNDOFF[str(q.dtype)], SMALLEST[str(q.dtype)]
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    group = q.shape[1] // max(k.shape[1], 1)
    k, v = (np.repeat(x, group, axis=1) for x in (k, v))
    (queries, depth), keys = q.shape[2:], k.shape[2]
    scale = 1 / np.sqrt(depth) if scale is None else scale
    scores = scale * q @ k.swapaxes(2, 3)
    spread = abs(scale) * np.abs(q) @ np.abs(k).swapaxes(2, 3) * (depth + 4) * 2.0**-24  # of a score's error
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
    if bias is not None:
        scores = scores + np.asarray(bias, np.float64)
    position, there = positions(np, q.shape[0], queries, keys, causal, query_offset, q_lengths, kv_lengths)
    if alibi_slopes is not None:
        of_heads = np.asarray(alibi_slopes, np.float64).reshape(-1, q.shape[1], 1, 1)
        scores = scores - of_heads * np.abs(position - np.arange(keys))
    seen = there & visible(np, position, keys, causal, window)
    if mask is not None:
        seen = seen & (np.asarray(mask) != 0)
    if q_segments is not None:
        seen = seen & (np.asarray(q_segments)[:, None, :, None] == np.asarray(kv_segments)[:, None, None, :])
    if block_map is not None:
        blocks = np.asarray(block_map).repeat(q_block, axis=2).repeat(kv_block, axis=3)
        seen = seen & (blocks[:, :, :queries, :keys] != 0)
    scores = np.where(seen, scores, -np.inf)
    sink = -np.inf if sinks is None else np.asarray(sinks, np.float64)[:, None, None]
    top = np.maximum(np.max(scores, axis=3, keepdims=True, initial=-np.inf), sink)
    with np.errstate(invalid="ignore"):
        weights = np.where(np.isfinite(scores), np.exp(scores - top), 0.0)
        spread += np.where(np.isfinite(scores), np.abs(scores), 0.0) * 2.0**-22
        share = np.where(np.isfinite(sink), np.exp(sink - top), 0.0)
    total = weights.sum(axis=3, keepdims=True) + share
    weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    exact = weights @ v
    worst = np.max(np.where(weights > 0, spread, 0.0), axis=3, keepdims=True, initial=0.0)
    relative = roundoff + 2 * worst + (min(keys, 2**16) + 16) * 2.0**-24
    return exact, roundoff * np.abs(exact) + 2 * relative * (weights @ np.abs(v)) + smallest


def positions(np, batch, queries, keys, causal, query_offset, q_lengths, kv_lengths):
    """(B, 1, Lq, 1) where queries lie among the keys, and (B, 1, Lq, Lkv) whether a query and a key are both there."""
    def of_entries(numbers, otherwise):
        return np.broadcast_to(otherwise if numbers is None else np.asarray(numbers), (batch,))[:, None, None, None]

    q_there, kv_there = of_entries(q_lengths, queries), of_entries(kv_lengths, keys)
    given = query_offset if query_offset is not None else None if isinstance(causal, bool) else causal
    corners = {"top_left": 0, "bottom_right": kv_there - q_there}
    offset = corners[given] if isinstance(given, str) else of_entries(given, 0)
    query, key = np.arange(queries)[:, None], np.arange(keys)[None, :]
    return query + offset, (query < q_there) & (key < kv_there)


def visible(np, position, keys, causal, window):
    """(B, 1, Lq, Lkv) which keys each query sees by its position."""
    key = np.arange(keys)
    left, right = window if window is not None else (-1, -1)
    if causal is not None and causal is not False:
        right = 0
    return ((left < 0) | (key >= position - left)) & ((right < 0) | (key <= position + right))
