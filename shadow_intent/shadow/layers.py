"""What sits at a base block: injection before it, update after it. Equations of arXiv 2604.19254."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ShadowConfig


class Injection(nn.Module):
    """Equations (2)-(4): moves a block's input by a low-rank function of its distance to the shadow state.

    W_up starts at zero, so an untrained injection returns its input bit for bit.
    """

    def __init__(self, width: int, config: ShadowConfig) -> None:
        super().__init__()
        self.down = nn.Linear(width, config.rank, bias=False)
        self.up = nn.Linear(config.rank, width, bias=False)
        self.dropout = config.dropout
        self.alpha = config.alpha
        self.drop_first = config.dialect == "peft"
        if config.dialect == "paper":
            nn.init.normal_(self.down.weight, std=0.02)
        nn.init.zeros_(self.up.weight)

    def forward(self, hidden: Tensor, state: Tensor) -> Tensor:
        """hidden (B, T, d), state (B, T, d) -> h of (4), (B, T, d), in the type of `hidden`."""
        delta = (hidden - state).to(self.down.weight.dtype)  # (2)  (B, T, d)
        if self.training and self.drop_first:
            delta = F.dropout(delta, self.dropout)
        delta = self.down(delta)  # (3)  (B, T, r)
        if self.training and not self.drop_first:
            delta = F.dropout(delta, self.dropout)
        delta = self.up(delta)  # (3)  (B, T, d)
        return torch.add(hidden, delta, alpha=self.alpha).to(hidden.dtype)  # (4)


class Update(nn.Module):
    """Equations (5)-(7): lets the shadow state follow the block's output through a gate.

    The first matrices of T and G are one, `inner`: its upper half of rows is T's.
    """

    def __init__(self, width: int, config: ShadowConfig) -> None:
        super().__init__()
        bias = config.dialect == "peft"
        self.inner = nn.Linear(width, 2 * config.gate_width, bias=bias)
        self.transform = nn.Linear(config.gate_width, width, bias=bias)
        self.gate = nn.Linear(config.gate_width, width, bias=bias)
        self.activation = F.silu if config.dialect == "paper" else F.gelu
        self.dropout = config.dropout if config.dialect == "paper" else 0.0

    def forward(self, hidden: Tensor, state: Tensor, norm: nn.Module | None) -> Tensor:
        """hidden (B, T, d) out of the block, state (B, T, d), the dialect's norm -> s of (7), (B, T, d)."""
        hidden = hidden.to(self.inner.weight.dtype)
        if norm is not None:
            hidden = norm(hidden)
        t, g = self.activation(self.inner(hidden)).chunk(2, dim=-1)  # (B, T, w) each
        if self.training and self.dropout:
            t = F.dropout(t, self.dropout)
        candidate = self.transform(t)  # (5)  (B, T, d)
        gate = torch.sigmoid(self.gate(g))  # (6)  (B, T, d)
        return torch.lerp(state.to(candidate.dtype), candidate, gate)  # (7)


class Adapters(nn.Module):
    """The trainable parts of all base blocks: one `Injection` (2)-(4) each, one `Update` (5)-(7) each but for the last.

    Args:
        width: d, of the base.
        num_blocks: L, of the base.
        config: which blocks take part and how.

    Raises:
        ValueError: fewer blocks than the dialect needs.
    """

    def __init__(self, width: int, num_blocks: int, config: ShadowConfig) -> None:
        super().__init__()
        count = num_blocks - config.first_block
        if count < 1:
            raise ValueError(f"the {config.dialect} dialect needs > {config.first_block} base blocks, got {num_blocks}")
        self.first_block = config.first_block
        self.injections = nn.ModuleList(Injection(width, config) for _ in range(count))
        # Nothing reads the state after the last block, so its update would never get a gradient.
        self.updates = nn.ModuleList(Update(width, config) for _ in range(count - 1 if config.update else 0))
        self.norm = nn.LayerNorm(width) if len(self.updates) and config.dialect == "paper" else None
        self.packed: Any = None
        """These weights as `pack` arranged them last."""

    @property
    def dtype(self) -> torch.dtype:
        """Type of these weights, in which (2)-(7) are computed."""
        return cast(Injection, self.injections[0]).down.weight.dtype

    @property
    def blocks(self) -> int:
        """L, of the base they were made for."""
        return len(self.injections) + self.first_block

    def inject(self, block: int, hidden: Tensor, state: Tensor) -> Tensor:
        """What goes into base block `block` in place of `hidden`, equations (2)-(4).

        Args:
            hidden: (B, T, d), the block's own input.
            state: (B, T, d), s of the block before.

        Returns:
            (B, T, d), in the type of `hidden`; `hidden` itself before the first block that takes part.
        """
        index = block - self.first_block
        injected: Tensor = self.injections[index](hidden, state) if index >= 0 else hidden
        return injected

    def update(self, block: int, hidden: Tensor, state: Tensor) -> Tensor:
        """The state behind base block `block`, which gave `hidden`, equations (5)-(7).

        Args:
            hidden: (B, T, d), the block's output.
            state: (B, T, d), s of the block before.

        Returns:
            (B, T, d), in the type of these weights; `state` itself where no update takes part.
        """
        index = block - self.first_block
        if not 0 <= index < len(self.updates):
            return state
        updated: Tensor = self.updates[index](hidden, state, self.norm)
        return updated


class RowAdapters:
    """Adapters of several shadows over one batch: each row has those of its own shadow.

    Every shadow's injections and updates are computed for all rows and the right ones kept: they are tiny, and so the
    shadows may differ in everything.
    """

    def __init__(self, adapters: Sequence[Adapters], rows: Tensor) -> None:
        """`rows`: (B,) long, which of the adapters each row has."""
        self._adapters = adapters
        self._rows = rows

    def repeated(self, length: int) -> RowAdapters:
        """The same for rows (B * T, d) instead of (B, T, d)."""
        return RowAdapters(self._adapters, self._rows.repeat_interleave(length))

    def inject(self, block: int, hidden: Tensor, state: Tensor) -> Tensor:
        """As that of `Adapters`."""
        return pick([adapters.inject(block, hidden, state) for adapters in self._adapters], self._rows)

    def update(self, block: int, hidden: Tensor, state: Tensor) -> Tensor:
        """As that of `Adapters`."""
        return pick([adapters.update(block, hidden, state) for adapters in self._adapters], self._rows)


def pick(choices: Sequence[Tensor], rows: Tensor) -> Tensor:
    """(B, ...) per choice and (B,) long -> (B, ...), row b being that of choices[rows[b]]."""
    picked = choices[0]
    for number, choice in enumerate(choices[1:], start=1):
        here = rows.to(choice.device).eq(number).view(-1, *[1] * (choice.ndim - 1))
        picked = torch.where(here, choice, picked)
    return picked


class Carry(threading.local):
    """Holds what steers the base while one forward pass runs through its blocks; each thread has its own."""

    state: Tensor | None = None
    """s of the last block passed, (B, T, d); None when no shadow is in play."""
    adapters: Adapters | RowAdapters | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Carry:
        return Carry()


class ShadowedBlock(nn.Module):
    """Stands in for one base decoder block. Only the block is a submodule; the adapters come with the pass."""

    def __init__(self, block: nn.Module, index: int, carry: Carry) -> None:
        super().__init__()
        self.block = block
        self._index = index
        self._carry = carry

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Same arguments and result as the block's own forward; hidden_states (B, T, d)."""
        state, adapters = self._carry.state, self._carry.adapters
        if state is None or adapters is None:
            return self.block(hidden_states, *args, **kwargs)
        home = state.device  # of the adapters too; a sharded base has its blocks elsewhere
        injected = adapters.inject(self._index, hidden_states.to(home), state)  # (2)-(4)  (B, T, d)
        output = self.block(injected.to(hidden_states.device), *args, **kwargs)
        hidden = output[0] if isinstance(output, tuple) else output  # (B, T, d)
        self._carry.state = adapters.update(self._index, hidden.to(home), state)  # (5)-(7)  (B, T, d)
        return output

    def __getattr__(self, name: str) -> Any:
        # Some decoders read attributes such as `attention_type` off their blocks.
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("block"), name)
