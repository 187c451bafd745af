"""A narrower shadow: the neurons of its gated MLPs that matter least are taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from .decoders import blocks_name, blocks_of, empty_decoder, with_fields
from .network import ShadowNetwork

GATE, UP, DOWN = "gate_proj", "up_proj", "down_proj"


@contextmanager
def listening(network: ShadowNetwork) -> Iterator[list[Tensor]]:
    """How strongly the neurons of each MLP answer to everything the network reads inside the `with` block.

    Yields:
        per block (F,): sum of the squared activations over all tokens, padding included.

    Raises:
        ValueError: the MLPs have no gate, up and down projection.
    """
    mlps = [_mlp(block) for block in blocks_of(network.backbone)]
    energy = [mlp.down_proj.weight.new_zeros(mlp.down_proj.in_features, dtype=torch.float32) for mlp in mlps]

    def adder(total: Tensor) -> Callable[..., None]:
        def add(_: nn.Module, inputs: tuple[Tensor]) -> None:
            total.add_(inputs[0].detach().float().square().flatten(0, -2).sum(0))

        return add

    hooks = [mlp.down_proj.register_forward_pre_hook(adder(e)) for mlp, e in zip(mlps, energy, strict=True)]
    try:
        yield energy
    finally:
        for hook in hooks:
            hook.remove()


def narrow(network: ShadowNetwork, width: int, energy: Sequence[Tensor]) -> ShadowNetwork:
    """A copy of `network` with only the `width` neurons of each MLP that write the most into the hidden states.

    A neuron writes its activation times its column of the down projection.

    Args:
        width: neurons to keep, at most the backbone's intermediate_size F; with all of them the copy says what
            `network` says.
        energy: per block (F,), from `listening`.

    Raises:
        ValueError: `width` is out of range, or the MLPs have no gate, up and down projection.
    """
    config = network.backbone.config
    if not 1 <= width <= config.intermediate_size:
        raise ValueError(f"width must be in [1, {config.intermediate_size}], got {width}")
    weights = network.backbone.state_dict()
    for number, (block, squares) in enumerate(zip(blocks_of(network.backbone), energy, strict=True)):
        prefix = f"{blocks_name(network.backbone)}.{number}.mlp."
        written = squares.sqrt() * _mlp(block).down_proj.weight.float().norm(dim=0)  # (F,)
        kept = written.topk(width).indices.sort().values
        for name in (f"{side}.{part}" for side in (GATE, UP) for part in ("weight", "bias")):
            if prefix + name in weights:
                weights[prefix + name] = weights[prefix + name][kept]
        weights[f"{prefix}{DOWN}.weight"] = weights[f"{prefix}{DOWN}.weight"][:, kept]
    backbone = empty_decoder(with_fields(config, {"intermediate_size": width}))
    backbone.load_state_dict(weights)
    table = deepcopy(network.embedding) if network.own_embedding else network.embedding
    narrowed = ShadowNetwork(backbone, table, network.width, network.own_embedding)
    narrowed.projection.load_state_dict(network.projection.state_dict())
    narrowed.alignment = network.alignment
    return narrowed.like(_mlp(blocks_of(network.backbone)[0]).down_proj.weight)


def _mlp(block: nn.Module) -> Any:
    mlp = getattr(block, "mlp", None)
    if not all(isinstance(getattr(mlp, name, None), nn.Linear) for name in (GATE, UP, DOWN)):
        raise ValueError(f"expected an MLP with {GATE}, {UP} and {DOWN}, got {type(mlp).__name__}")
    return mlp
