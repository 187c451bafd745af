"""Pooling and the two classification heads."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from .config import ShadowConfig


def pool(hidden: Tensor, attention_mask: Tensor | None, pooling: str) -> Tensor:
    """One vector per row, of h_L (4) or of s0 (1): the mean over the real tokens, or the last real token.

    Args:
        hidden: (B, T, d).
        attention_mask: (B, T), 1 at real tokens, padding on either side; None: all are real.
        pooling: "mean" or "last".

    Returns:
        (B, d). A row without real tokens gives zeros for "mean".
    """
    if attention_mask is None:
        return hidden.mean(dim=1) if pooling == "mean" else hidden[:, -1]
    if pooling == "mean":
        weight = attention_mask.to(hidden.dtype).unsqueeze(-1)  # (B, T, 1)
        return (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)
    position = torch.arange(attention_mask.shape[1], device=hidden.device)
    last = (attention_mask.ne(0) * position).argmax(dim=-1)  # (B,)
    return hidden.gather(1, last.view(-1, 1, 1).expand(-1, 1, hidden.shape[-1])).squeeze(1)


class ClassifierHeads(nn.Module):
    """head and shadow_head of equations (8) and (9), for classes.

    `base` reads the pooled h_L of the attached model, `shadow` the pooled s0, (B, d) -> (B, num_labels) each; `shadow`
    starts as a copy of `base`.

    Args:
        width: d.
        config: num_labels (>= 1 here) and head_bias.

    Raises:
        ValueError: num_labels is 0.
    """

    def __init__(self, width: int, config: ShadowConfig) -> None:
        super().__init__()
        if config.num_labels < 1:
            raise ValueError(f"classification heads need num_labels >= 1, got {config.num_labels}")
        self.base = nn.Linear(width, config.num_labels, bias=config.head_bias)
        self.shadow = deepcopy(self.base)
