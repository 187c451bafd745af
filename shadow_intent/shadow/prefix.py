"""Prefix attention: which tokens belong to the prefix, and masks that open it in both directions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

DENSE = ("sdpa", "eager")
"""Values of `attn_implementation` that take a (B, 1, T, T) mask."""


def prefix_mask(attention_mask: Tensor, prefix_length: Tensor) -> Tensor:
    """Marks the first real tokens of each row, whichever side the padding is on.

    Args:
        attention_mask: (B, T), 1 at real tokens.
        prefix_length: (B,), how many real tokens belong to the prefix.

    Returns:
        (B, T) bool.
    """
    real = attention_mask.bool()
    return real & (real.long().cumsum(-1) <= prefix_length.unsqueeze(-1))


def attention_bias(attention_mask: Tensor, prefix: Tensor, dtype: torch.dtype, window: int | None = None) -> Tensor:
    """Additive mask: keys of the prefix are open to all, the other real keys to what follows them.

    Args:
        attention_mask: (B, T), 1 at real tokens.
        prefix: (B, T) bool, a subset of the real tokens.
        window: how far a layer with a sliding window sees, tokens, in either direction; None: everywhere.

    Returns:
        (B, 1, T, T), 0 where the query (third axis) may see the key (last axis), else the least number of `dtype`.
    """
    position = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    distance = position.unsqueeze(1) - position.unsqueeze(0)  # (T, T), query by key
    seen = (attention_mask.bool().unsqueeze(1) & (distance >= 0)) | prefix.bool().unsqueeze(1)  # (B, T, T)
    if window is not None:
        seen = seen & (distance.abs() < window)
    bias = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return bias.masked_fill(~seen, torch.finfo(dtype).min).unsqueeze(1)


def prefix_biases(
    config: Any, attention_mask: Tensor, prefix: Tensor, dtype: torch.dtype
) -> Tensor | dict[str, Tensor]:
    """`attention_bias` as a decoder takes it: by kind of layer where its layers differ.

    Args:
        config: of the decoder.
        attention_mask: (B, T), 1 at real tokens.
        prefix: (B, T) bool, a subset of the real tokens.

    Returns:
        (B, 1, T, T), or one for each kind of layer.

    Raises:
        ValueError: the decoder has alibi biases, or an attention that takes no dense mask.
    """
    if config._attn_implementation not in DENSE:
        raise ValueError(
            f"prefix attention needs a dense mask, which {config._attn_implementation!r} does not take; load the base "
            f"with attn_implementation {' or '.join(DENSE)}"
        )
    if getattr(config, "alibi", False):
        raise ValueError("prefix attention needs a decoder with rotary or learned positions; this one has alibi biases")
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return attention_bias(attention_mask, prefix, dtype, window)
    windows = {kind: window if kind == "sliding_attention" else None for kind in set(kinds)}
    biases = {kind: attention_bias(attention_mask, prefix, dtype, reach) for kind, reach in windows.items()}
    return biases["full_attention"] if biases.keys() == {"full_attention"} else biases


def prefix_positions(backbone: PreTrainedModel, attention_mask: Tensor) -> Tensor | None:
    """What a decoder that counts positions along its mask would count, for one that gets a four-dimensional mask.

    Args:
        attention_mask: (B, T), 1 at real tokens.

    Returns:
        (B, T), -1 at padding; None for a decoder that counts otherwise.
    """
    if backbone.config.model_type != "opt":
        return None
    return attention_mask.long().cumsum(-1) * attention_mask - 1
