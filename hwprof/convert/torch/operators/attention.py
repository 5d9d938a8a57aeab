"""Attention as one operator (operator set 23)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts

_KNOWN = frozenset(
    {"is_causal", "kv_num_heads", "q_num_heads", "scale", "softcap", "softmax_precision"}
    | {"qk_matmul_output_mode"}
)


@converts("Attention")
def attention(call: Call) -> Value:
    q, k, v = call.input(0), call.input(1), call.input(2)
    unknown = {each.name for each in call.proto.attribute} - _KNOWN
    if unknown:
        call.refuse(f"sets '{min(unknown)}', which the conversion does not know")
    if any(call.has(position) for position in (4, 5, 6)) or call.attribute("softcap", 0.0):
        call.refuse("keeps past keys or caps its scores, which the conversion does not know")
    if any(call.proto.output[1:]):
        call.refuse("returns more than the attention, which the conversion does not know")
    mask, causal = call.optional(3), bool(call.attribute("is_causal", 0))
    if mask is not None and causal:
        call.refuse("is causal and masked at once, which torch does not allow")
    heads = call.attribute("q_num_heads", 0), call.attribute("kv_num_heads", 0)
    scale = call.attribute("scale")
    function = split_attention if q.rank == 3 else plain_attention
    return call.call(function, q, k, v, mask, causal, scale, *heads)


def plain_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    scale: float | None,
    heads: int,
    shared_heads: int,
) -> torch.Tensor:
    """Attention of tensors [batch, heads, length, size]."""
    grouped = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(
        q, k, v, mask, is_causal=causal, scale=scale, enable_gqa=grouped
    )


def split_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    scale: float | None,
    heads: int,
    shared_heads: int,
) -> torch.Tensor:
    """Attention of tensors [batch, length, heads x size]."""
    batch, length, _ = q.shape
    q = q.reshape(batch, length, heads, -1).transpose(1, 2)
    k, v = (t.reshape(batch, t.shape[1], shared_heads, -1).transpose(1, 2) for t in (k, v))
    found = plain_attention(q, k, v, mask, causal, scale, heads, shared_heads)
    return found.transpose(1, 2).reshape(batch, length, -1)
