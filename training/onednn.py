"""torch.nn.functional.linear in float32 by oneDNN, with gradients.

PyTorch takes MKL for it, which on processors that are not Intel's leaves their widest instructions unused. Results
differ from MKL's by rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from shadow_intent.shadow.prepack import available, product


class OneDnn(TorchFunctionMode):
    """Within `with OneDnn():` this thread computes linear layers on a CPU so. Not with gradient checkpointing: what a
    backward pass computes anew is computed without this mode."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.linear and not kwargs and all(map(_fits, args)) and _helps():
            return _Linear.apply(*args)
        return func(*args, **(kwargs or {}))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        ctx.save_for_backward(rows, weight)
        return product(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (rows, weight) = gradients, ctx.saved_tensors
        wanted, flat = ctx.needs_input_grad, gradient.reshape(-1, gradient.shape[-1])
        of_rows = product(gradient, weight.t()) if wanted[0] else None
        of_weight = product(flat.t(), rows.reshape(-1, rows.shape[-1]).t()) if wanted[1] else None
        return of_rows, of_weight, flat.sum(0) if len(wanted) > 2 and wanted[2] else None


def _helps() -> bool:
    return available() and not torch.is_autocast_enabled("cpu")


def _fits(argument: Tensor | None) -> bool:
    return argument is None or (argument.dtype == torch.float32 and argument.device.type == "cpu")
