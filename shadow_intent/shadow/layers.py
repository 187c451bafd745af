"""What sits at a base block: injection before it, update after it. Equations of arXiv 2604.19254."""

from __future__ import annotations

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
        """hidden (B, T, d) out of the block, state (B, T, d), the dialect's norm -> next state (B, T, d)."""
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
    """The trainable parts of all base blocks: one `Injection` each, one `Update` each but for the last.

    Args:
        width: d, of the base.
        num_blocks: L, of the base.
        config: which blocks take part and how.
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

    def at(self, block: int) -> tuple[Injection | None, Update | None]:
        """What belongs before and after base block `block`; None where there is nothing to do."""
        index = block - self.first_block
        injection = cast(Injection, self.injections[index]) if index >= 0 else None
        update = cast(Update, self.updates[index]) if 0 <= index < len(self.updates) else None
        return injection, update


class Carry:
    """Holds the shadow state while one forward pass runs through the base's blocks."""

    def __init__(self) -> None:
        self.state: Tensor | None = None
        """s of the last block passed, (B, T, d); None when no shadow is in play."""


class ShadowedBlock(nn.Module):
    """Stands in for one base decoder block. Only the block is a submodule; the adapters belong to `Adapters`."""

    def __init__(self, block: nn.Module, index: int, adapters: Adapters, carry: Carry) -> None:
        super().__init__()
        self.block = block
        injection, update = adapters.at(index)
        # Past nn.Module's own bookkeeping, so that no weight is registered twice.
        self.__dict__.update(_injection=injection, _update=update, _norm=adapters.norm, _carry=carry)

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Same arguments and result as the block's own forward; hidden_states (B, T, d)."""
        state = self._carry.state
        if state is None:
            return self.block(hidden_states, *args, **kwargs)
        if self._injection is not None:
            hidden_states = self._injection(hidden_states, state)  # (2)-(4)  (B, T, d)
        output = self.block(hidden_states, *args, **kwargs)
        if self._update is not None:
            hidden = output[0] if isinstance(output, tuple) else output  # (B, T, d)
            self._carry.state = self._update(hidden, state, self._norm)  # (5)-(7)  (B, T, d)
        return output

    def __getattr__(self, name: str) -> Any:
        # Some decoders read attributes such as `attention_type` off their blocks.
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("block"), name)
