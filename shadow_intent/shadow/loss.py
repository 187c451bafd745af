"""Joint loss, equations (8) and (9), and distillation from the attached to the detached path."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .config import ShadowConfig

IGNORE = -100
"""Label of positions and rows that do not count."""


def label_loss(logits: Tensor, labels: Tensor, count: Tensor | int | None = None) -> Tensor:
    """Mean cross entropy in nats over the labels that count; 0 (with a graph) when none does.

    Args:
        logits: (..., C).
        labels: (...), class numbers or `IGNORE`.
        count: what to divide by in place of their number, as over several batches of one step.
    """
    total = F.cross_entropy(logits.flatten(0, -2).float(), labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / (labels.ne(IGNORE).sum().clamp(min=1) if count is None else count)


def next_token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of each token given those before it, in nats: the task's loss in (9), or (8) on s0.

    Args:
        logits: (B, T, V).
        labels: (B, T), token ids or `IGNORE`, not shifted.
    """
    return label_loss(logits[:, :-1], labels[:, 1:])


def joint_loss(task: Tensor, auxiliary: Tensor, lambda_: float) -> Tensor:
    """Equation (9) from the loss on head(h_L) and that on shadow_head(s0), equation (8); all three in nats."""
    return task + lambda_ * auxiliary  # (9)


def distillation_loss(student: Tensor, teacher: Tensor, count: Tensor | int | None = None) -> Tensor:
    """Mean KL(teacher || student) in nats; the teacher gets no gradient.

    Args:
        student, teacher: (N, C) logits.
        count: what to divide by in place of N.
    """
    target = F.log_softmax(teacher.detach().float(), dim=-1)
    total = F.kl_div(F.log_softmax(student.float(), dim=-1), target, reduction="sum", log_target=True)
    return total / (max(1, len(student)) if count is None else count)


def language_loss(
    logits: Tensor,
    state: Tensor,
    labels: Tensor,
    head: nn.Linear,
    config: ShadowConfig,
    count: Tensor | int | None = None,
) -> Tensor:
    """Equations (8) and (9) for next tokens, in nats; the base's head also reads s0, only where a label counts.

    Args:
        logits: (B, T, V), of the attached model.
        state: s0, (B, T, d).
        labels: (B, T), token ids or `IGNORE`, not shifted.
        head: the base's, frozen.
        count: labels of the whole step, when this is only one of its batches.
    """
    targets = labels[:, 1:]
    counted = targets.ne(IGNORE)  # (B, T - 1)
    if counted.all() and not config.distill:  # the usual case: a copy of all logits, there and back, is saved
        told, meant = logits, F.pad(targets, (0, 1), value=IGNORE)  # (B, T, V), (B, T)
    else:
        told, meant = logits[:, :-1][counted], targets[counted]  # (N, V), (N,)
    loss = label_loss(told, meant, count)
    if config.lambda_ or config.distill:
        shadow_logits = head(state[:, :-1][counted.to(state.device)].to(head.weight.dtype)).to(told.device)  # (N, V)
        loss = _with_auxiliary(loss, shadow_logits, told, targets[counted], config.lambda_, config.distill, count)
    return loss


def class_loss(
    logits: Tensor,
    shadow_logits: Tensor,
    labels: Tensor,
    config: ShadowConfig,
    count: Tensor | int | None = None,
) -> Tensor:
    """Equations (8) and (9) for both classification heads, in nats.

    Args:
        logits, shadow_logits: (B, C), of the attached model and of the shadow.
        labels: (B,), class numbers or `IGNORE`.
        count: labels of the whole step, when this is only one of its batches.
    """
    counted = labels.ne(IGNORE)
    logits, shadow_logits, labels = logits[counted], shadow_logits[counted], labels[counted]
    loss = label_loss(logits, labels, count)
    return _with_auxiliary(loss, shadow_logits, logits, labels, config.lambda_of_classes, config.distill, count)


def _with_auxiliary(
    loss: Tensor,
    shadow_logits: Tensor,
    logits: Tensor,
    labels: Tensor,
    lambda_: float,
    distill: float,
    count: Tensor | int | None,
) -> Tensor:
    if lambda_:
        loss = joint_loss(loss, label_loss(shadow_logits, labels, count), lambda_)  # (8)(9)
    if distill:
        loss = loss + distill * distillation_loss(shadow_logits, logits, count)
    return loss
