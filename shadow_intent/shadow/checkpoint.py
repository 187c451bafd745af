"""The shadow's own file format: two files in a folder, nothing of the base in them.

shadow.json          format, config, the backbone's transformers config, what base it fits, which parts there are
shadow.safetensors   network.*, adapters.*, heads.*
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel

from .config import ShadowConfig
from .decoders import blocks_of, cast_weights, decoder_of, empty_decoder, new_decoder, table_of
from .heads import ClassifierHeads
from .layers import Adapters
from .network import ShadowNetwork
from .shadow import Shadow

FORMAT = "shadow/1"
JSON_NAME = "shadow.json"
WEIGHTS_NAME = "shadow.safetensors"


class CheckpointError(ValueError):
    """A shadow checkpoint is missing, damaged, or made for another base."""


def save_shadow(path: str | Path, shadow: Shadow, base: PreTrainedModel, dtype: torch.dtype | None = None) -> None:
    """Writes `shadow` into the folder `path`, made if need be.

    Args:
        base: what it was trained for; only its sizes are noted.
        dtype: type of the stored weights, such as torch.float16; None keeps theirs.

    Raises:
        OSError: the folder cannot be made or written.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        f"{name}.{key}": value.detach().to("cpu", dtype).contiguous().clone()
        for name, part in shadow.parts().items()
        for key, value in part.state_dict().items()
    }
    meta = {
        "format": FORMAT,
        "config": shadow.config.to_dict(),
        "base": _sizes(base),
        "parts": sorted(shadow.parts()),
        "own_embedding": shadow.network.own_embedding,
        "backbone": json.loads(shadow.network.backbone.config.to_json_string()),
    }
    save_file(weights, folder / WEIGHTS_NAME)
    (folder / JSON_NAME).write_text(json.dumps(meta, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_shadow(path: str | Path, base: PreTrainedModel, dtype: torch.dtype | None = None) -> Shadow:
    """Reads a folder written by `save_shadow`.

    Args:
        base: lends its input embedding; must have the sizes of the base the shadow was trained for.
        dtype: type of the loaded weights; None takes that of the base's embedding.

    Returns:
        The shadow, on no base yet: `shadow.attach(base)` or, with heads, `shadow.detached()`.

    Raises:
        CheckpointError: a file is missing or of another format, the base does not fit, or a weight is missing, left
            over or of another shape.
    """
    folder, sizes = Path(path), _sizes(base)
    with reading(folder / JSON_NAME):
        meta = _read_meta(folder / JSON_NAME, sizes)
    weights = read_weights(folder / WEIGHTS_NAME, "save_shadow")
    with reading(folder / JSON_NAME):
        shadow = _build(meta, base)
    return fill(shadow, weights, folder / WEIGHTS_NAME, base, dtype)


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Within it, whatever odd values in `file` (or in the files of a folder) lead to becomes a CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(f"{file} is damaged: {type(error).__name__}: {error}") from error


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises CheckpointError."""
    if not file.is_file():
        raise CheckpointError(f"{file} is missing; is {file.parent} the folder of a shadow?")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{file} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{file}: expected an object, got {type(values).__name__}")
    return values


def read_weights(file: Path, writer: str) -> dict[str, Tensor]:
    """The tensors in a safetensors file that `writer` wrote. Raises CheckpointError."""
    if not file.is_file():
        raise CheckpointError(f"{file} is missing; expected a folder written by {writer}")
    try:
        return load_file(file)
    except SafetensorError as error:
        raise CheckpointError(f"{file} is damaged: {error}") from error


def _sizes(base: PreTrainedModel) -> dict[str, Any]:
    decoder = decoder_of(base)
    return {
        "model_type": decoder.config.model_type,
        "hidden_size": decoder.config.hidden_size,
        "blocks": len(blocks_of(base)),
        "vocab_size": table_of(base).num_embeddings,
    }


def _read_meta(file: Path, sizes: dict[str, Any]) -> dict[str, Any]:
    meta = read_json(file)
    if meta.get("format") != FORMAT:
        raise CheckpointError(f"{file}: expected format {FORMAT!r}, got {meta.get('format')!r}")
    if lacking := {"config", "base", "parts", "own_embedding", "backbone"} - meta.keys():
        raise CheckpointError(f"{file} is damaged: it lacks {', '.join(sorted(lacking))}")
    wrong = [f"{key} {value}, not {sizes.get(key)}" for key, value in meta["base"].items() if sizes.get(key) != value]
    if wrong:
        raise CheckpointError(f"{file} was trained for another base: {'; '.join(wrong)}")
    return meta


def _build(meta: dict[str, Any], base: PreTrainedModel) -> Shadow:
    """The parts `meta` tells of, with weights that are still to be read."""
    config = ShadowConfig.from_dict(meta["config"])
    inner = AutoConfig.for_model(**meta["backbone"])
    width = meta["base"]["hidden_size"]
    own = meta["own_embedding"]
    backbone, table = new_decoder(inner) if own else (empty_decoder(inner), table_of(base))
    network = ShadowNetwork(backbone, table, width, own)
    parts = meta["parts"]
    adapters = Adapters(width, meta["base"]["blocks"], config) if "adapters" in parts else None
    return Shadow(config, network, adapters, ClassifierHeads(width, config) if "heads" in parts else None)


def fill(
    shadow: Shadow, weights: dict[str, Tensor], file: Path, base: PreTrainedModel, dtype: torch.dtype | None
) -> Shadow:
    """Loads every weight, or raises before any is touched; then takes the base's device and `dtype` or the base's.

    Args:
        weights: by name in the file, each of any shape; those of `shadow.parts()` are expected.

    Raises:
        CheckpointError: a weight is missing, left over or of another shape.
    """
    states = {name: part.state_dict() for name, part in shadow.parts().items()}
    target = {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}
    if missing := sorted(target.keys() - weights.keys()):
        raise CheckpointError(f"{file}: {len(missing)} weights are missing, such as {missing[0]}")
    if extra := sorted(weights.keys() - target.keys()):
        raise CheckpointError(f"{file}: {len(extra)} weights have no place, such as {extra[0]}")
    for key, value in weights.items():
        if value.shape != target[key].shape:
            raise CheckpointError(f"{file}: {key} must be {tuple(target[key].shape)}, got {tuple(value.shape)}")
    table = table_of(base).weight
    for name, part in shadow.parts().items():
        part.load_state_dict({key: weights[f"{name}.{key}"] for key in states[name]})
        cast_weights(part, dtype or table.dtype)
        part.to(table.device)
    return shadow
