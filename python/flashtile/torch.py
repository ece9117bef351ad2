"""PyTorch: scaled_dot_product_attention with PyTorch's signature and PyTorch's meaning of it.

    from flashtile.torch import scaled_dot_product_attention
    out = scaled_dot_product_attention(query, key, value, is_causal=True)

Needs PyTorch 2.5 or newer. A call that flashtile has no way for is PyTorch's own; why_pytorch() says which those are.
"""
from typing import Optional

import torch
from torch.autograd import forward_ad
from torch.nn import functional

from flashtile import _queues
from flashtile._arrays import stream_of
from flashtile._attention import call_of, plan, set_options, set_results
from flashtile._calls import Pool
from flashtile._library import lib

__all__ = ["scaled_dot_product_attention", "why_pytorch"]

PLAIN = (torch.Tensor, torch.nn.Parameter)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
pool = Pool()


def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """torch.nn.functional.scaled_dot_product_attention, by flashtile: softmax(scale * query keyᵀ + attn_mask) value.

    Shapes    As PyTorch's: query (..., Hq, L, E), key (..., H, S, E), value (..., H, S, Ev), of 2 to 4 dimensions ->
              (..., Hq, L, Ev), whose dimensions lie in memory in query's order. Hq is H, or with enable_gqa a multiple of it.
    Masks     As PyTorch's: is_causal lets query i see keys 0 ... i, also where lengths differ. A boolean attn_mask is true
              where a query attends; another is added to the scores.
    Numerics  As attention(): sums are float32, and a query that attends to nothing gives exactly 0.
    Otherwise PyTorch's own function is called: for inputs that require gradients, for dropout, and for whatever else
              why_pytorch() names. Errors are PyTorch's, too, but one: ValueError where key and value differ in length.
    Threads   torch.get_num_threads(). Under torch.compile the call is one operator, flashtile::attention.
    """
    if torch.is_autocast_enabled(query.device.type):
        query, key, value, attn_mask = autocast(query, key, value, attn_mask)
    if torch.compiler.is_compiling():
        if why_not(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa) is None:
            return operator(query, key, value, attn_mask, is_causal, scale)
    else:
        out = attention(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
        if out is not None:
            return out
    return functional.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


def why_pytorch(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """Why scaled_dot_product_attention() calls PyTorch's own function for these arguments; None where flashtile computes."""
    if torch.is_autocast_enabled(query.device.type):
        query, key, value, attn_mask = autocast(query, key, value, attn_mask)
    reason = why_not(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    if reason is not None:
        return reason
    try:
        addresses_of((query, key, value))
        plan(*map(in_four, (query, key, value)), **options_of(query, attn_mask, is_causal, scale))
    except (ValueError, NotImplementedError) as error:
        return str(error)
    return None


def why_not(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa):
    """The part of why_pytorch() that shows without asking the library."""
    for x in (query, key, value) if attn_mask is None else (query, key, value, attn_mask):
        if type(x) not in PLAIN or x.is_nested or x.layout is not torch.strided:
            return "an argument is not a plain dense tensor"
        if x.requires_grad and torch.is_grad_enabled():
            return "an argument requires gradients, which flashtile does not compute; call it under torch.no_grad()"
        if x.device != query.device or x.device.type not in ("cpu", "cuda"):
            return "the arguments are not on one CPU or CUDA device"
    if query.dtype not in DTYPES or not query.dtype == key.dtype == value.dtype:
        return f"the types are {query.dtype}, {key.dtype} and {value.dtype}; flashtile takes float32, float16 or bfloat16, all the same"
    if dropout_p:
        return f"dropout_p is {dropout_p}; flashtile drops nothing"
    if not 2 <= query.dim() <= 4 or not query.dim() == key.dim() == value.dim():
        return "the arguments do not have 2 to 4 dimensions each, all the same"
    if key.shape[-2] != value.shape[-2]:  # PyTorch's kernel for CPUs reads past the end of value
        raise ValueError(f"key has length {key.shape[-2]} and value {value.shape[-2]}; they must match")
    if query.dim() > 2 and not enable_gqa and query.shape[-3] != key.shape[-3]:
        return "the numbers of heads differ without enable_gqa"
    if attn_mask is not None:
        if is_causal:
            return "attn_mask and is_causal are both given"
        if attn_mask.dtype is not torch.bool and attn_mask.dtype not in DTYPES or attn_mask.dim() > query.dim():
            return f"attn_mask is {attn_mask.dtype} of {attn_mask.dim()} dimensions"
    return None


def attention(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa):
    """The call, straight to the C interface; None where it is left to PyTorch."""
    tensors = (query, key, value) if attn_mask is None else (query, key, value, attn_mask)
    try:
        what = (*[(type(x), x.shape, x.stride(), x.dtype, x.device, x.requires_grad) for x in tensors], torch.is_grad_enabled(),
                dropout_p, is_causal, scale, enable_gqa, torch.get_num_threads() if query.is_cpu else stream_of(query), _queues.forks)
    except RuntimeError:  # a sparse or nested tensor has no strides
        return None
    # Arguments that differ from an earlier call's in nothing but their addresses can be computed, too.
    if what not in pool.calls and why_not(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa) is not None:
        return None
    out = empty_for(query, value)
    arrays = (*tensors, out)
    try:
        if not pool.run(what, arrays, addresses_of):
            addresses_of(arrays)
            call = call_of(lib.flashtile_attention, *map(in_four, tensors[:3]))
            set_options(call, query, **options_of(query, attn_mask, is_causal, scale))
            set_results(call, query, out=in_four(out))
            call.run()
            pool.keep(what, call)
    except (ValueError, NotImplementedError):  # PyTorch broadcasts what flashtile does not, and has its own words for errors
        return None
    return out


def options_of(query, attn_mask, is_causal, scale):
    """Keywords of flashtile.attention()."""
    mask = None if attn_mask is None else attn_mask.detach()
    added = mask is not None and mask.dtype is not torch.bool
    return {"scale": scale, "causal": "top_left" if is_causal else None, "mask": None if added else mask,
            "bias": mask if added else None, "threads": torch.get_num_threads() if query.device.type == "cpu" else None}


def in_four(x):
    """The same memory with 4 dimensions."""
    return x.detach()[(None,) * (4 - x.dim())]


def empty_for(query, value):
    """Memory for a result, whose dimensions follow each other as the query's do."""
    if query.shape[-1] == value.shape[-1]:
        return torch.empty_like(query)
    *batch, length, _ = query.shape
    if len(batch) == 2 and query.stride(1) < query.stride(2):
        return query.new_empty((batch[0], length, batch[1], value.shape[-1])).transpose(1, 2)
    return query.new_empty((*batch, length, value.shape[-1]))


def addresses_of(tensors):
    """Where the elements are. Errors: NotImplementedError where these bytes are not all that there is to a tensor."""
    dual = getattr(forward_ad, "_current_level", 0) >= 0
    for x in tensors:
        if x.is_neg() or dual and forward_ad.unpack_dual(x).tangent is not None:
            raise NotImplementedError("an argument is negated lazily or carries a tangent")
    try:
        return [x.data_ptr() for x in tensors]
    except RuntimeError as error:  # of what a transform of torch.func has wrapped
        raise NotImplementedError(str(error)) from None


def autocast(query, *others):
    """What torch.autocast makes of arguments."""
    dtype = torch.get_autocast_dtype(query.device.type)
    return [x.to(dtype) if x is not None and x.dtype in DTYPES else x for x in (query, *others)]


@torch.library.custom_op("flashtile::attention", mutates_args=())
def operator(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: Optional[torch.Tensor], is_causal: bool,
             scale: Optional[float]) -> torch.Tensor:
    """What a compiled graph calls. Its layout is promised to the graph, whoever computes."""
    grouped = query.dim() > 2 and query.shape[-3] != key.shape[-3]
    out = attention(query, key, value, attn_mask, 0.0, is_causal, scale, grouped)
    if out is None:
        out = empty_for(query, value).copy_(
            functional.scaled_dot_product_attention(query, key, value, attn_mask, 0.0, is_causal, scale=scale, enable_gqa=grouped))
    return out


@operator.register_fake
def _(query, key, value, attn_mask, is_causal, scale):
    return empty_for(query, value)
