"""What an optimiser is given."""

from __future__ import annotations

from typing import Any

from torch import nn

from .attached import ShadowedBase
from .parts import ShadowParts


def parameter_groups(
    model: ShadowedBase | ShadowParts, learning_rate: float, shadow_factor: float = 1.0, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """Groups for a torch optimiser: f and P, and everything that starts at zero or at random.

    Args:
        model: an attached model, whose shadow in use is trained, or a shadow.
        learning_rate: of injections, updates and heads.
        shadow_factor: learning rate of f and P over that; a pretrained f wants less than new adapters, such as 0.1.
        weight_decay: of matrices; norms and biases have none.

    Returns:
        Groups of what is trainable, each with its lr and weight_decay; those of f and P (1) come first.
    """
    shadow = model.shadow if isinstance(model, ShadowedBase) else model
    groups = []
    for name, part in shadow.parts().items():
        rate = learning_rate * (shadow_factor if name == "network" else 1.0)
        for decay, weights in ((weight_decay, _weights(part, matrices=True)), (0.0, _weights(part, matrices=False))):
            if weights:
                groups.append({"params": weights, "lr": rate, "weight_decay": decay})
    return groups


def _weights(part: nn.Module, matrices: bool) -> list[nn.Parameter]:
    return [weight for weight in part.parameters() if weight.requires_grad and (weight.ndim > 1) is matrices]
