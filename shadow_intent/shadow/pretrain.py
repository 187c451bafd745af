"""Shadow pretraining: f and P distilled from their base on plain text, so that a detached shadow can write.

Two stages, as in the paper: hidden states and next-token distributions, then distributions alone. The text comes in
blocks of equal length (`texts`). f reads from left to right here, whatever attention it is used with later.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from .decoders import blocks_of, decoder_of, head_of
from .network import ShadowNetwork

STATE = "pretrain.pt"
NO_SIZES = ("_name_or_path", "architectures", "dtype", "transformers_version")
"""Fields of a config of f that may differ when a run goes on."""
Blocks = Callable[[int], Iterator[Tensor]]
"""Endless blocks (T,) of token ids from the given number on; the same ones every time."""


@dataclass(frozen=True)
class Stage:
    """A number of steps with one objective: hidden * ||s0 - h_L||^2 / ||h_L||^2 + kl * KL(base || shadow)."""

    steps: int
    """Optimiser steps, each on `PretrainConfig.batch_size` blocks."""
    learning_rate: float
    """Peak; it rises over the first twentieth of the stage and falls to zero along a cosine."""
    hidden: float = 0.0
    """Weight of the relative squared distance of s0 to the base's last hidden state."""
    kl: float = 1.0
    """Weight of KL(base || shadow) of the next token, nats."""


@dataclass(frozen=True)
class PretrainConfig:
    """How a shadow is pretrained.

    Raises:
        ValueError: no stage, or a value out of its range.
    """

    stages: tuple[Stage, ...]
    batch_size: int = 8
    """Blocks a step."""
    weight_decay: float = 0.01
    """Of matrices; norms and biases have none."""
    bf16: bool = False
    """Compute in bfloat16; the weights keep their type."""
    save_every: int = 200
    """Steps between two saved states."""
    seed: int = 0
    """Of dropout: step n draws with seed + n, so that a resumed run goes on as it would have."""

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("stages: expected at least one, got none")
        for number, stage in enumerate(self.stages):
            if stage.steps < 1:
                raise ValueError(f"stages[{number}].steps must be >= 1, got {stage.steps}")
            if stage.hidden < 0 or stage.kl < 0 or stage.hidden + stage.kl == 0:
                raise ValueError(
                    f"stages[{number}]: hidden and kl must be >= 0, and one of them above, got hidden={stage.hidden}, "
                    f"kl={stage.kl}"
                )
        for name in ("batch_size", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")

    @property
    def steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def at(self, step: int) -> tuple[Stage, float]:
        """The stage of a step, counted from 0, and its learning rate. Raises ValueError for a step after the last."""
        begun = 0
        for stage in self.stages:
            done = step - begun
            if done < stage.steps:
                warmup = max(1, stage.steps // 20)
                fall = 0.5 * (1 + math.cos(math.pi * done / stage.steps))
                return stage, stage.learning_rate * min(1.0, (done + 1) / warmup) * fall
            begun += stage.steps
        raise ValueError(f"step must be < {self.steps}, the steps of all stages, got {step}")


@dataclass(frozen=True)
class Progress:
    """After a step."""

    step: int
    """Steps done."""
    loss: float
    """The weighted objective of the stage; its two parts follow."""
    hidden: float
    """Relative squared distance of s0 to the base's last hidden state; nan where it does not count."""
    kl: float
    """Nats a token; nan where it does not count."""
    agreement: float
    """Share of tokens at which shadow and base expect the same next token; nan where kl does not count."""


class Pretraining:
    """One run, which trains f and P of (1) by the objective of each `Stage`; iterate over `run()`.

    Args:
        network: trained in place.
        base: the teacher, frozen.
        blocks: see `texts.TextBlocks` and `texts.SampledBlocks`. What they have in `identity` is kept with the run.
        folder: keeps the state of the run; a run in the same folder goes on from it.

    Raises:
        ValueError: the folder holds a run with other settings, with a network of other sizes, with other texts or over
            another base, or what it holds is damaged.
    """

    def __init__(
        self, network: ShadowNetwork, base: PreTrainedModel, blocks: Blocks, config: PretrainConfig, folder: Path
    ) -> None:
        self.network, self.base, self.blocks, self.config, self.folder = network, base.eval(), blocks, config, folder
        base.requires_grad_(False)
        self._identity = _identity(base)
        self.step = 0
        groups = [
            {"params": [w for w in network.parameters() if w.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [w for w in network.parameters() if w.ndim == 1], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=0.0)
        if (folder / STATE).is_file():
            self._resume()

    def run(self, limit: int | None = None) -> Iterator[Progress]:
        """Runs to the end, or for at most `limit` further steps; saves the state now and then and when it stops.

        Yields:
            What each step gave.

        Raises:
            ValueError: the texts cannot be read or fill no block, see `texts`.
            FloatingPointError: the loss is not finite; the state saved is that of the step before.
        """
        last = self.config.steps if limit is None else min(self.config.steps, self.step + limit)
        stream = self.blocks(self.step * self.config.batch_size)
        self.network.train()
        try:
            while self.step < last:
                yield self._one(torch.stack([next(stream) for _ in range(self.config.batch_size)]))
                if self.step % self.config.save_every == 0:
                    self.save()
        finally:
            self.network.eval()
            self.save()

    def _one(self, ids: Tensor) -> Progress:
        """A step on blocks (B, T)."""
        stage, rate = self.config.at(self.step)
        torch.manual_seed(self.config.seed + self.step)  # dropout
        device = self.network.embedding.weight.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.bf16):
            loss, parts = distillation(self.network, self.base, ids.to(device), stage.hidden, stage.kl)
        loss.backward()
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"loss is {loss.item()} at step {self.step}; lower the learning rate")
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return Progress(self.step, loss.item(), *parts)

    def save(self) -> None:
        """Writes the state beside the old one, then in its place. Raises OSError when that fails."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "config": asdict(self.config),
            "setting": self._setting(),
            "base": self._identity,
            "step": self.step,
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        torch.save(state, self.folder / f"{STATE}.part")
        (self.folder / f"{STATE}.part").replace(self.folder / STATE)

    def _setting(self) -> dict[str, Any]:
        """What must be the same beside the config when a run goes on."""
        inner = json.loads(self.network.backbone.config.to_json_string(use_diff=False))
        sizes = {f"network.{name}": value for name, value in inner.items() if name not in NO_SIZES}
        sizes |= {"network.width": self.network.width, "network.own_embedding": self.network.own_embedding}
        return sizes | {f"texts.{name}": value for name, value in getattr(self.blocks, "identity", {}).items()}

    def _resume(self) -> None:
        file = self.folder / STATE
        with _reading(file):
            state = torch.load(file, map_location="cpu", weights_only=True)
            theirs = state["config"] | state.get("setting", {}) | state.get("base", {})
        ours = asdict(self.config) | (self._setting() if "setting" in state else {})
        ours |= self._identity if "base" in state else {}
        other = [
            f"{name}={theirs.get(name)}, not {ours.get(name)}"
            for name in ours | theirs
            if theirs.get(name) != ours.get(name)
        ]
        if other:
            raise ValueError(
                f"{file} belongs to a run with other settings ({'; '.join(other)}); give these or another folder"
            )
        with _reading(file):
            self.network.load_state_dict(state["network"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]


def _identity(base: PreTrainedModel) -> dict[str, Any]:
    """Tells a base from others: its sizes, and a hash of the first values of each weight, whatever type they have."""
    digest = hashlib.sha256()
    for weight in base.parameters():
        if not weight.is_meta:  # offloaded
            digest.update(weight.flatten()[:64].to("cpu", torch.bfloat16).view(torch.uint8).numpy().tobytes())
    return {
        "base.kind": base.config.model_type,
        "base.blocks": len(blocks_of(base)),
        "base.head": tuple(head_of(base).weight.shape),
        "base.weights": digest.hexdigest()[:12],
    }


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Within it, whatever a damaged state leads to becomes a ValueError."""
    try:
        yield
    except Exception as error:
        told = str(error).splitlines()[0] if str(error) else ""
        raise ValueError(
            f"{file} is damaged ({type(error).__name__}: {told}); delete it to begin again, or give another folder"
        ) from error


def distillation(
    network: ShadowNetwork, base: PreTrainedModel, ids: Tensor, hidden: float, kl: float, rows: int = 1024
) -> tuple[Tensor, tuple[float, float, float]]:
    """The weighted objective, and its parts for `Progress`: hidden, kl, agreement.

    Args:
        ids: (B, T) token ids, all real.
        hidden, kl: weights as in `Stage`.
        rows: tokens whose logits are held at a time; a block's would not fit with a large vocabulary.

    Returns:
        The objective, a scalar with its graph, and (relative squared distance, nats a token, share of tokens); nan
        where one does not count.
    """
    head = head_of(base)
    with torch.no_grad():
        teacher = decoder_of(base)(input_ids=ids, use_cache=False).last_hidden_state  # (B, T, d)
    state = network(ids)  # (1)  (B, T, d)
    told, heard = teacher.flatten(0, 1), state.flatten(0, 1)  # (N, d)
    distance = (heard.float() - told.float()).square().sum() / told.float().square().sum()
    divergence, same = state.new_zeros((), dtype=torch.float32), 0
    for start in range(0, len(told), rows) if kl else ():
        part = slice(start, start + rows)
        sums: Any = checkpoint(_divergence, heard[part], told[part], head, use_reentrant=False)
        divergence, same = divergence + sums[0], same + int(sums[1])
    divergence = divergence / len(told)
    loss = hidden * distance + kl * divergence
    parts = (distance.item() if hidden else math.nan, divergence.item() if kl else math.nan)
    return loss, (*parts, same / len(told) if kl else math.nan)


def _divergence(heard: Tensor, told: Tensor, head: nn.Linear) -> tuple[Tensor, Tensor]:
    """Sum of KL(base || shadow) over the rows, and at how many both expect the same token."""
    with torch.no_grad():
        target = F.log_softmax(head(told.to(head.weight.dtype)).float(), dim=-1)  # (n, V)
    student = F.log_softmax(head(heard.to(head.weight.dtype)).float(), dim=-1)
    same = student.argmax(-1).eq(target.argmax(-1)).sum()
    return F.kl_div(student, target, reduction="sum", log_target=True), same
