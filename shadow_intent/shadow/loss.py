"""Joint loss, equations (8) and (9)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

IGNORE = -100
"""Label of positions and rows that do not count."""


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy over the labels that count; 0 (with a graph) when none does.

    Args:
        logits: (..., C).
        labels: (...), class numbers or `IGNORE`.
    """
    total = F.cross_entropy(logits.flatten(0, -2).float(), labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / labels.ne(IGNORE).sum().clamp(min=1)


def next_token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of each token given those before it.

    Args:
        logits: (B, T, V).
        labels: (B, T), token ids or `IGNORE`, not shifted.
    """
    return label_loss(logits[:, :-1], labels[:, 1:])


def joint_loss(task: Tensor, auxiliary: Tensor, lambda_: float) -> Tensor:
    """Equation (9) from the loss on head(h_L) and that on shadow_head(s0), equation (8)."""
    return task + lambda_ * auxiliary  # (9)
