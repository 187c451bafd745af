"""torch.nn.functional.linear of float32 by oneDNN, with gradients.

PyTorch takes MKL for it, which on processors that are not Intel's leaves their widest instructions unused. Where the
processor multiplies bfloat16, large products are of numbers rounded to it, with sums in float32: that takes half the
time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from shadow_intent.shadow.prepack import available, product

LARGE = 50_000
"""Numbers on the left of a product, from which on rounding them is worth its time."""


class OneDnn(TorchFunctionMode):
    """Within `with OneDnn():` this thread computes linear layers on a CPU so. Not with gradient checkpointing: what a
    backward pass computes anew is computed without this mode."""

    def __init__(self, rounded: bool = True) -> None:
        """`rounded`: large products may be of bfloat16."""
        super().__init__()
        self._rounded = rounded and multiplies_bfloat16()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.linear and not kwargs and all(map(_fits, args)) and _helps():
            return _Linear.apply(self._rounded, *args)
        return func(*args, **(kwargs or {}))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rounded: bool, rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        ctx.rounded = rounded
        ctx.save_for_backward(rows, weight)
        return _product(rounded, rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (rows, weight) = gradients, ctx.saved_tensors
        wanted, flat = ctx.needs_input_grad[1:], gradient.reshape(-1, gradient.shape[-1])
        of_rows = _product(ctx.rounded, gradient, weight.t()) if wanted[0] else None
        of_weight = _product(ctx.rounded, flat.t(), rows.reshape(-1, rows.shape[-1]).t()) if wanted[1] else None
        return None, of_rows, of_weight, flat.sum(0) if len(wanted) > 2 and wanted[2] else None


def _product(rounded: bool, rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if not rounded or rows.numel() < LARGE:
        return product(rows, weight, bias)
    return product(rows.bfloat16(), weight.bfloat16(), None if bias is None else bias.bfloat16()).float()


@lru_cache(maxsize=1)
def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for it; others imitate them slowly."""
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # no public name tells
    return bool(asked and asked())


def _helps() -> bool:
    return available() and not torch.is_autocast_enabled("cpu")


def _fits(argument: Tensor | None) -> bool:
    return argument is None or (argument.dtype == torch.float32 and argument.device.type == "cpu")
