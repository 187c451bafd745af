"""Injections and updates as inference wants them; equations of arXiv 2604.19254."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Adapters, Injection, Update


def pack(adapters: Adapters, anew: bool) -> PackedAdapters:
    """`adapters` packed. `anew`: pack the weights again, as they may have changed since."""
    if anew or adapters.packed is None:
        adapters.packed = PackedAdapters(adapters)
    return cast(PackedAdapters, adapters.packed)


class PackedAdapters:
    """What `Adapters` compute in evaluation mode, in nine operations and one stretch of memory per block.

    alpha goes into W_up, the norm's weight and bias into the first matrix of T and G, and their second matrices stand
    in one. States and hidden states are rows, (N, d), of one type.
    """

    def __init__(self, adapters: Adapters) -> None:
        injections = [cast(Injection, injection) for injection in adapters.injections]
        updates = [cast(Update, update) for update in adapters.updates]
        none = [None] * adapters.first_block
        self._width = injections[0].up.out_features
        self._activation = updates[0].activation if updates else F.silu
        self._eps = adapters.norm.eps if adapters.norm is not None else None
        self._injections: list[Any] = [*none]
        self._updates: list[Any] = [*none]
        for i, injection in enumerate(injections):
            weights = [injection.down.weight.t(), injection.alpha * injection.up.weight.t()]
            weights += _pack_update(updates[i], adapters.norm) if i < len(updates) else []
            views = _side_by_side(weights)
            self._injections.append(views[:2])
            self._updates.append(views[2:] or None)

    def inject(self, block: int, hidden: Tensor, state: Tensor) -> Tensor:
        """As that of `Adapters`, for rows."""
        weights = self._injections[block]
        if weights is None:
            return hidden
        down, up = weights
        return torch.addmm(hidden, torch.mm(hidden - state, down), up)  # (2)-(4)  (N, d)

    def update(self, block: int, hidden: Tensor, state: Tensor) -> Tensor:
        """As that of `Adapters`, for rows."""
        weights = self._updates[block]
        if weights is None:
            return state
        first, first_bias, second, second_bias = weights
        if self._eps is not None:
            hidden = F.layer_norm(hidden, (self._width,), eps=self._eps)
        inner = self._activation(torch.addmm(first_bias, hidden, first))  # (N, 2 w)
        both = torch.addmm(second_bias, inner, second)  # (N, 2 d)
        candidate, gate = both[:, : self._width], both[:, self._width :]  # (5)(6)
        return torch.lerp(state, candidate, torch.sigmoid(gate))  # (7)


def _pack_update(update: Update, norm: nn.LayerNorm | None) -> list[Tensor]:
    """First matrix (d, 2 w) and bias of T and G side by side, second ones as one block-diagonal matrix (2 w, 2 d)."""
    first: Tensor = update.inner.weight
    bias = _bias(update.inner)
    if norm is not None:
        first, bias = first * norm.weight, bias + first @ norm.bias
    second = torch.block_diag(update.transform.weight.t(), update.gate.weight.t())
    return [first.t(), bias, second, torch.cat([_bias(update.transform), _bias(update.gate)])]


def _side_by_side(weights: Sequence[Tensor]) -> list[Tensor]:
    """Copies of `weights` that lie one behind the other in memory."""
    flat = torch.cat([weight.detach().reshape(-1) for weight in weights])
    parts = flat.split([weight.numel() for weight in weights])
    return [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]


def _bias(linear: nn.Linear) -> Tensor:
    weight: Tensor = linear.weight
    return weight.new_zeros(len(weight)) if linear.bias is None else linear.bias
