"""Folders of `shadow-peft`'s `AutoModelForCausalLMWithHiddenProjection`: a small causal LM behind a base's output head.

config.json          model_type causal_lm_with_hidden_projection, class and config of f
model.safetensors    shadow_model.* (f with its token table), shadow_hidden_projection.* (P), lm_head.* (of the base)

Both packages take such a folder for an explicit shadow, and so does `load_projected`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from .checkpoint import CheckpointError, fill, read_json, read_weights, reading
from .config import ShadowConfig
from .decoders import blocks_of, decoder_of, head_of
from .network import ShadowNetwork
from .peers import BackboneNames, new_network, stored, write_json
from .shadow import Shadow

MODEL_TYPE = "causal_lm_with_hidden_projection"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
NETWORK, PROJECTION, HEAD = "shadow_model.", "shadow_hidden_projection.weight", "lm_head.weight"


def inner_config(values: dict[str, Any]) -> PreTrainedConfig:
    """Config of f from the contents of such a folder's config.json. Raises CheckpointError when it is not there."""
    inner = values.get("shadow_model_config")
    if not isinstance(inner, dict) or "model_type" not in inner:
        raise CheckpointError("expected a shadow_model_config with its model_type")
    return AutoConfig.for_model(**inner)


def load_projected(path: str | Path, base: PreTrainedModel, dtype: torch.dtype | None = None) -> ShadowNetwork:
    """f and P of (1) from a `shadow-peft` 0.1.1 folder; the head in it is that of the base, and not read.

    Args:
        base: whose head will read s0 (1), and whose width and device f gets.
        dtype: type of the loaded weights; None takes that of the base's embedding.

    Returns:
        A network with a token table of its own.

    Raises:
        CheckpointError: a file is missing, damaged or of another kind, or P does not lead to the base's width.
    """
    folder = Path(path)
    values = read_json(folder / CONFIG)
    if values.get("model_type") != MODEL_TYPE:
        raise CheckpointError(
            f"{folder / CONFIG}: expected model_type {MODEL_TYPE!r}, got {values.get('model_type')!r}"
        )
    file = folder / WEIGHTS
    weights = read_weights(file, "save_projected")
    if PROJECTION not in weights:
        raise CheckpointError(f"{file}: weight {PROJECTION} is missing, which this kind of folder always has")
    blocks_of(base)  # what is wrong with the base is not the folder's fault
    with reading(folder / CONFIG):
        inner = inner_config(values)
        names, network = BackboneNames(inner, NETWORK, whole=True), new_network(inner, base, own=True)
    ours = names.read(weights, own=True)
    ours["network.projection.weight"] = weights.pop(PROJECTION)
    if isinstance(network.projection, nn.Identity):
        _check_identity(ours.pop("network.projection.weight"), network.width, file)
    return fill(Shadow(ShadowConfig(), network), ours, file, base, dtype).network


def save_projected(
    path: str | Path, network: ShadowNetwork, base: PreTrainedModel, dtype: torch.dtype | None = None
) -> None:
    """Writes a `shadow-peft` 0.1.1 folder: f with its token table, P of (1) (or the identity) and the base's head.

    Args:
        base: lends its output head, (V, d).
        dtype: type of the stored weights; None keeps theirs.

    Raises:
        CheckpointError: the base's head has a bias, which this kind of folder has no place for.
    """
    head = head_of(base)
    if head.bias is not None:
        raise CheckpointError(f"{MODEL_TYPE} has a head without bias, the base's has one")
    inner = network.backbone.config
    names = BackboneNames(inner, NETWORK, whole=True)
    weights = names.write(network) | {names.table: network.embedding.weight, HEAD: head.weight}
    identity = isinstance(network.projection, nn.Identity)
    weights[PROJECTION] = torch.eye(network.width) if identity else network.projection.weight
    with torch.device("meta"):
        kind = type(AutoModel.from_config(inner))
    values = {
        "architectures": ["AutoModelForCausalLMWithHiddenProjection"],
        "model_type": MODEL_TYPE,
        "base_hidden_size": network.width,
        "hidden_size": network.width,
        "vocab_size": head.weight.shape[0],
        "shadow_model_class": f"{kind.__module__}:{kind.__name__}",
        "shadow_model_config_class": f"{type(inner).__module__}:{type(inner).__name__}",
        "shadow_model_config": inner.to_dict(),
        "dtype": str(dtype or decoder_of(base).dtype).removeprefix("torch."),
        "tie_word_embeddings": False,
    }
    folder = Path(path)
    write_json(folder / CONFIG, values)
    save_file(stored(weights, dtype), folder / WEIGHTS, metadata={"format": "pt"})


def _check_identity(projection: Tensor, width: int, file: Path) -> None:
    if projection.shape != (width, width):
        raise CheckpointError(f"{file}: {PROJECTION} must be {(width, width)}, got {tuple(projection.shape)}")
    if not torch.equal(projection.float(), torch.eye(width)):
        raise CheckpointError(f"{file}: a P between equal widths must be the identity")
