"""One batch on every core, row by row: the products of a dozen tokens are too small to share, their rows are not.

Each thread computes its own rows with its own autograd graph; gradients are added in a fixed order, so a run is still
the same every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

from training.onednn import OneDnn

FEWEST_ROWS = 8
"""Per thread; fewer are not worth one."""

RowFunction = Callable[[Tensor, Tensor], Tensor]


class RowThreads:
    """Threads that share the rows of a batch, one per core torch may use."""

    def __init__(self) -> None:
        self.count = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self.count)

    def run(self, function: RowFunction, rows: Tensor, mask: Tensor, parameters: Sequence[nn.Parameter] = ()) -> Tensor:
        """`function(rows, mask)`, with gradients for `rows` and for `parameters`, those it depends on.

        rows (B, T, d) or (B, T), mask (B, T) -> (B, …). The function must not draw random numbers: threads would take
        turns at the generator in any order.
        """
        result: Tensor = _Rows.apply(self, function, rows, mask, *parameters)
        return result

    def each(self, task: Callable[..., Any], *arguments: Iterable[Any]) -> list[Any]:
        """The task on one thread per set of arguments, each within one core."""
        torch.set_num_threads(1)
        try:
            return list(self._pool.map(_alone, [(task, given) for given in zip(*arguments, strict=True)]))
        finally:
            torch.set_num_threads(self.count)

    def parts(self, batch: Tensor) -> tuple[Tensor, ...]:
        """The batch cut along its rows."""
        return batch.chunk(max(1, min(self.count, len(batch) // FEWEST_ROWS)))


def _alone(work: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
    task, arguments = work
    torch.set_num_threads(1)  # the setting is each thread's own, as is the mode
    with OneDnn():
        return task(*arguments)


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, threads: RowThreads, function: RowFunction, rows: Tensor, mask: Tensor, *parameters: nn.Parameter
    ) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        leaves = [part.detach().requires_grad_(rows.requires_grad) for part in threads.parts(rows)]

        def part(leaf: Tensor, its_mask: Tensor) -> Tensor:
            with torch.set_grad_enabled(wanted):
                return function(leaf, its_mask)

        outputs = threads.each(part, leaves, threads.parts(mask))
        ctx.threads, ctx.leaves, ctx.outputs, ctx.parameters = threads, leaves, outputs, parameters
        return torch.cat([output.detach() for output in outputs])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        threads: RowThreads = ctx.threads

        def part(leaf: Tensor, output: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
            sources = [leaf, *ctx.parameters] if leaf.requires_grad else [*ctx.parameters]
            return torch.autograd.grad(output, sources, gradient)

        found = threads.each(part, ctx.leaves, ctx.outputs, threads.parts(gradients[0]))
        of_rows = torch.cat([own.pop(0) for own in map(list, found)]) if ctx.leaves[0].requires_grad else None
        skip = 0 if of_rows is None else 1
        summed = [sum(own[1:], own[0]) for own in zip(*(own[skip:] for own in found), strict=True)]
        return None, None, of_rows, None, *summed
