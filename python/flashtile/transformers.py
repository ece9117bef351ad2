"""Hugging Face transformers: models that compute their attention with flashtile.

    name = flashtile.transformers.register()
    model = AutoModel.from_pretrained(folder, attn_implementation=name)

Needs transformers 4.57 or newer.
"""
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from flashtile.torch import scaled_dot_product_attention

__all__ = ["attention_forward", "register"]

# What some models ask of their attention and this one does not do.
UNKNOWN = {"softcap": "caps scores", "s_aux": "has attention sinks", "position_bias": "adds a position bias"}


def register(name="FlashTile"):
    """Adds an attention implementation of this name, which models take as attn_implementation. Returns the name.

    transformers loads a FlashAttention package for every name that contains "flash", and hands such an implementation no
    masks. The capital letter keeps this one apart.
    """
    if "flash" in name:
        raise ValueError(f'name is {name!r}; transformers takes each name with "flash" for a FlashAttention package')
    AttentionInterface.register(name, attention_forward)
    AttentionMaskInterface.register(name, sdpa_mask)
    return name


def attention_forward(module, query, key, value, attention_mask, dropout=0.0, scaling=None, is_causal=None, **options):
    """The attention of one layer, as transformers calls it.

    Shapes    query (B, Hq, Lq, D), key (B, Hkv, Lkv, D), value (B, Hkv, Lkv, Dv) -> (B, Lq, Hq, Dv), and None for the weights.
    Errors    ValueError for what the model needs and this implementation does not do; "eager" does.
    """
    for option, does in UNKNOWN.items():
        if options.get(option) is not None:
            raise ValueError(f'{type(module).__name__} {does} ({option}), which flashtile.transformers does not do; use '
                             'attn_implementation="eager"')
    if is_causal is None:
        is_causal = getattr(module, "is_causal", True)
    # One query is the newest token, which sees every key; more of them are the first ones, unless a mask says otherwise.
    is_causal = bool(is_causal and attention_mask is None and query.shape[2] > 1)
    out = scaled_dot_product_attention(query, key, value, attention_mask, dropout, is_causal, scaling,
                                       enable_gqa=query.shape[1] != key.shape[1])
    return out.transpose(1, 2).contiguous(), None
