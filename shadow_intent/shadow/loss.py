"""Joint loss, equations (8) and (9), and distillation from the attached to the detached path."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .config import ShadowConfig

IGNORE = -100
"""Label of positions and rows that do not count."""


def label_loss(logits: Tensor, labels: Tensor, count: Tensor | int | None = None) -> Tensor:
    """Mean cross entropy, CE of (8) and (9), in nats over the labels that count; 0 (with a graph) when none does.

    Args:
        logits: (..., C).
        labels: (...), class numbers or `IGNORE`.
        count: scalar, what to divide by in place of their number, as over several batches of one step.

    Returns:
        A scalar, in float32.
    """
    total = F.cross_entropy(logits.flatten(0, -2).float(), labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / (labels.ne(IGNORE).sum().clamp(min=1) if count is None else count)


def next_token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of each token given those before it, in nats: the task's loss in (9), or (8) on s0.

    Args:
        logits: (B, T, V).
        labels: (B, T), token ids or `IGNORE`, not shifted.

    Returns:
        A scalar, in float32.
    """
    return label_loss(logits[:, :-1], labels[:, 1:])


def joint_loss(task: Tensor, auxiliary: Tensor, lambda_: float) -> Tensor:
    """Equation (9), in nats.

    Args:
        task: scalar, the loss on head(h_L).
        auxiliary: scalar, equation (8), the loss on shadow_head(s0).
        lambda_: weight of the latter.

    Returns:
        A scalar.
    """
    return task + lambda_ * auxiliary  # (9)


def distillation_loss(student: Tensor, teacher: Tensor, count: Tensor | int | None = None) -> Tensor:
    """Mean KL(teacher || student) in nats; the teacher gets no gradient. No part of the paper.

    Args:
        student, teacher: (N, C) logits.
        count: scalar, what to divide by in place of N.

    Returns:
        A scalar, in float32.
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
        config: its lambda_ and distill.
        count: scalar, labels of the whole step, when this is only one of its batches.

    Returns:
        A scalar, in float32.
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
        config: its lambda_of_classes and distill.
        count: scalar, labels of the whole step, when this is only one of its batches.

    Returns:
        A scalar, in float32.
    """
    counted = labels.ne(IGNORE)
    logits, shadow_logits, labels = logits[counted], shadow_logits[counted], labels[counted]
    loss = label_loss(logits, labels, count)
    return _with_auxiliary(loss, shadow_logits, logits, labels, config.lambda_of_classes, config.distill, count)


def check_labels(labels: Tensor, input_ids: Tensor, shadows: int, logits_to_keep: Tensor | int = 0) -> None:
    """Raises ValueError when a loss cannot be had.

    Args:
        labels: (B, T) or (B,).
        input_ids: (B, T).
        shadows: how many read them.
        logits_to_keep: scalar, how many last positions get logits, or (n,), which; 0: all.
    """
    if shadows > 1:
        raise ValueError("labels were given with several shadows; train one at a time, each has its own loss")
    if labels.shape not in (input_ids.shape, input_ids.shape[:1]):
        raise ValueError(
            f"labels must be token ids {tuple(input_ids.shape)} or classes {tuple(input_ids.shape[:1])}, "
            f"got {tuple(labels.shape)}"
        )
    refuse_beside(
        "labels", logits_to_keep=logits_to_keep if isinstance(logits_to_keep, Tensor) else logits_to_keep or None
    )


def refuse_beside(what: str, **given: object) -> None:
    """Raises ValueError when arguments were given that do not go with `what`."""
    if names := [name for name, value in given.items() if value is not None]:
        raise ValueError(f"{what} do not go with {', '.join(names)}: they need the whole text; leave that out")


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
