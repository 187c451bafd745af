"""Linear layers over copies of their weights in oneDNN's own layout, for inference in float32 on a CPU.

PyTorch's inductor lays weights out so, too. Few rows cost little more than one then, and reading the weights is quicker
than by the BLAS behind torch.nn.Linear; results differ from its by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

ROWS = 16
"""Rows that the layout is chosen for; it serves any number of them."""


class Layer(NamedTuple):
    """A linear layer, or several over the same rows."""

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor | None, ...]
    packed: tuple[Tensor, Tensor | None] | None
    """All weights in oneDNN's layout, one below the other, and all biases; None: `weights` themselves are read."""

    def each(self, rows: Tensor) -> Sequence[Tensor]:
        """rows (..., d_in) -> (..., d_out) of each layer."""
        if self.packed is None:
            return [F.linear(rows, weight, bias) for weight, bias in zip(self.weights, self.biases, strict=True)]
        return product(rows, *self.packed).split([len(weight) for weight in self.weights], dim=-1)

    def __call__(self, rows: Tensor) -> Tensor:
        """rows (..., d_in) -> (..., d_out), of the only one."""
        if self.packed is None:
            return F.linear(rows, self.weights[0], self.biases[0])
        return product(rows, *self.packed)


class Prepack:
    """Copies of weights, made when they are first asked for and again when a weight has changed since.

    What is written through `.data` in place is not noticed: start anew then. A copy of this object is empty.
    """

    def __init__(self) -> None:
        self._copies = WeakTensorKeyDictionary()

    def of(self, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> tuple[Tensor, Tensor | None] | None:
        """Copies of weights, (d_out, d_in) each, and of biases, (d_out,).

        None for other types or devices than float32 on a CPU, without oneDNN, or where only some have a bias.
        """
        given = [*weights, *(bias for bias in biases if bias is not None)]
        if len(given) not in (len(weights), 2 * len(weights)) or not all(map(_fits, given)) or not available():
            return None
        state = [(one._version, one.data_ptr()) for one in given]
        found: tuple[Any, tuple[Tensor, Tensor | None]] | None = self._copies.get(weights[0])
        if found is None or found[0] != state:
            with torch.no_grad():
                packed = torch.ops.mkldnn._reorder_linear_weight(torch.cat(list(weights)), ROWS)
                bias = torch.cat(given[len(weights) :]) if len(given) > len(weights) else None
            found = state, (packed, bias)
            self._copies[weights[0]] = found
        return found[1]

    def __reduce__(self) -> Any:
        return Prepack, ()


def layer(linears: Sequence[Any], prepack: Prepack | None) -> Layer:
    """`torch.nn.Linear`s over the same rows as a `Layer`, over copies of their weights when there is a `prepack`."""
    weights, biases = tuple(one.weight for one in linears), tuple(one.bias for one in linears)
    return Layer(weights, biases, None if prepack is None else prepack.of(weights, biases))


def _fits(weight: Tensor) -> bool:
    return weight.dtype == torch.float32 and weight.device.type == "cpu" and not weight.is_inference()


def product(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A linear layer by oneDNN: rows (..., d_in) -> (..., d_out).

    Args:
        weight: (d_out, d_in), as it is or packed.
        bias: (d_out,).
    """
    result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return result


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether this build of PyTorch computes such products, and rightly."""
    with torch.no_grad():
        linear, rows = nn.Linear(48, 32), torch.ones(3, 48)
        try:
            computed = product(rows, torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS), linear.bias)
        except (AttributeError, RuntimeError, NotImplementedError):
            return False
        return torch.allclose(computed, linear(rows), atol=1e-5)
