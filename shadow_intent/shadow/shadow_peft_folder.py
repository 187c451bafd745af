"""Folders of `shadow-peft` 0.1.1, the authors' implementation: read and written, dialect "paper".

shadow_config.json            injection_hidden_size, gate_hidden_size, alpha, dropout, sizes of an implicit f
shadow_adapter.safetensors    shadow_model.* (f), shadow_hidden_projection.* (P), shadow_injection_model.*,
                              shadow_update_model.*
shadow_modules.safetensors    classifier_head.*, shadow_classifier_head.*, when classes were trained

It has T and G for the last block too, which nothing reads: zeros are written there, and what stands there is not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from .checkpoint import CheckpointError, fill, read_json, read_weights, reading
from .config import ShadowConfig
from .decoders import blocks_of, decoder_of, with_fields
from .layers import Adapters, Injection, Update
from .network import ShadowNetwork
from .peers import (
    BackboneNames,
    adapters_of,
    implicit_fields,
    join_gated,
    new_network,
    new_shadow,
    refuse_what_peers_lack,
    split_gated,
    stored,
    write_json,
)
from .shadow import Shadow

CONFIG, ADAPTER, MODULES = "shadow_config.json", "shadow_adapter.safetensors", "shadow_modules.safetensors"
NETWORK, PROJECTION = "shadow_model.", "shadow_hidden_projection.weight"
INJECTION, UPDATE = "shadow_injection_model", "shadow_update_model"
HEADS = {"classifier_head": "heads.base", "shadow_classifier_head": "heads.shadow"}
FIELDS = {
    "intermediate_size": "shadow_intermediate_size",
    "num_attention_heads": "shadow_num_attention_heads",
    "num_key_value_heads": "shadow_num_key_value_heads",
    "head_dim": "shadow_head_dim",
}
"""Sizes of an implicit f in its config, by the names `with_fields` takes."""
EXPLICIT = "explicit_shadow_model"
"""Noted in the config by `save_shadow_peft`; `shadow_peft` passes over it."""
DEFAULTS = {
    "num_shadow_layers": 1,
    "injection_hidden_size": 16,
    "gate_hidden_size": 10,
    "alpha": 0.1,
    "dropout": 0.2,
}
"""What it takes for a field that is not in the file."""


def load_shadow_peft(
    path: str | Path,
    base: PreTrainedModel,
    backbone: PreTrainedConfig | None = None,
    dtype: torch.dtype | None = None,
) -> Shadow:
    """Reads a folder written by the `save_pretrained` of `shadow-peft` 0.1.1.

    Args:
        base: the causal LM it was trained on, or the one with the same decoder when it was trained to classify.
        backbone: config of f, when it was trained with an explicit `shadow_model`; the folder does not tell its sizes.
        dtype: type of the loaded weights; None takes that of the base's embedding.

    Returns:
        A shadow with pooling "last" and heads without bias. The weight of its auxiliary loss is the default one: the
        folder does not tell.

    Raises:
        CheckpointError: as `load_shadow`; also when an output head was trained, which stays frozen here, or f was an
            explicit one and `backbone` is not given.
    """
    folder = Path(path)
    values = DEFAULTS | read_json(folder / CONFIG)
    file = folder / ADAPTER
    weights = read_weights(file, "shadow_peft's save_pretrained")
    heads = read_weights(folder / MODULES, "shadow_peft's save_pretrained") if (folder / MODULES).is_file() else {}
    blocks_of(base)  # what is wrong with the base is not the folder's fault
    with reading(folder):
        shadow, ours = _read(values, weights, heads, base, backbone, file)
    try:
        return fill(shadow, ours, file, base, dtype)
    except CheckpointError as error:
        hint = "" if backbone else " (f may be an explicit shadow_model: give its config as `backbone`)"
        raise CheckpointError(f"{error}{hint}") from error


def _read(
    values: dict[str, Any],
    weights: dict[str, Tensor],
    heads: dict[str, Tensor],
    base: PreTrainedModel,
    backbone: PreTrainedConfig | None,
    file: Path,
) -> tuple[Shadow, dict[str, Tensor]]:
    """A shadow as the config's `values` tell of it, and its weights under its own names."""
    config = _config(values, heads, file.parent / MODULES)
    inner = backbone or _implicit(values, base)
    names = BackboneNames(inner, NETWORK, whole=True)
    own = names.table in weights and (backbone is not None or not names.keeps_table)
    if backbone is None and (own or values.get(EXPLICIT)):
        raise CheckpointError(f"{file} holds an explicit shadow_model: give its config as `backbone`")
    ours = names.read(weights, own)
    ours |= _read_adapters(weights, config, len(blocks_of(base)), file)
    ours |= {f"{HEADS[key.rpartition('.')[0]]}.weight": value for key, value in heads.items()}
    return new_shadow(config, new_network(inner, base, own), base), ours


def save_shadow_peft(
    path: str | Path,
    shadow: Shadow,
    base: PreTrainedModel,
    dtype: torch.dtype | None = None,
    explicit: bool = False,
) -> None:
    """Writes a folder that the `from_pretrained` of `shadow-peft` 0.1.1 loads.

    Args:
        base: what the shadow was trained for.
        dtype: type of the stored weights; None keeps theirs.
        explicit: f will be handed to it there as its `shadow_model`. Needed when f is no implicit shadow of `base` or
            has a token table of its own. `save_projected` writes what
            `AutoModelForCausalLMWithHiddenProjection.from_pretrained` makes the `shadow_model` of.

    Raises:
        CheckpointError: the shadow computes something `shadow_peft` cannot, such as prefix attention, or `explicit` is
            needed.
    """
    config, network = shadow.config, shadow.network
    refuse_what_peers_lack(config, "paper", "shadow_peft")
    if config.gate_width < 2:
        raise CheckpointError(f"shadow_peft takes a gate_width >= 2, got {config.gate_width}; train a shadow with that")
    adapters = adapters_of(shadow, "shadow_peft")
    sizes = {} if explicit else _own_sizes(network, base)
    values = {
        "num_shadow_layers": network.backbone.config.num_hidden_layers,
        "injection_hidden_size": config.rank,
        "gate_hidden_size": config.gate_width,
        "alpha": config.alpha,
        "dropout": config.dropout,
        "modules_to_save": [],
        **{theirs: sizes.get(name) for name, theirs in FIELDS.items()},
        **({EXPLICIT: True} if explicit else {}),
    }
    weights = BackboneNames(network.backbone.config, NETWORK, whole=True).write(network)
    weights |= {f"shadow_hidden_projection.{key}": value for key, value in network.projection.state_dict().items()}
    weights |= _write_adapters(adapters, config.gate_width)
    folder = Path(path)
    write_json(folder / CONFIG, values)
    save_file(stored(weights, dtype), folder / ADAPTER)
    if shadow.heads is not None:
        heads = {"classifier_head.weight": shadow.heads.base.weight}
        heads["shadow_classifier_head.weight"] = shadow.heads.shadow.weight
        save_file(stored(heads, dtype), folder / MODULES)


def _own_sizes(network: ShadowNetwork, base: PreTrainedModel) -> dict[str, int]:
    """Sizes of an f that it makes by itself from the base's config. Raises CheckpointError when it cannot."""
    sizes = implicit_fields(network, base)
    if sizes is None or network.own_embedding:
        why = "is no implicit shadow of this base" if sizes is None else "has a token table of its own"
        raise CheckpointError(
            f"shadow_peft cannot make this f, which {why}: write f with save_projected too, save with explicit=True, "
            "and hand it the model in that folder as `shadow_model`"
        )
    return sizes


def _config(values: dict, heads: dict[str, Tensor], file: Path) -> ShadowConfig:
    if odd := sorted({key.rpartition(".")[0] for key in heads} - HEADS.keys()):
        raise CheckpointError(f"{file} holds {', '.join(odd)}; here the base's output head stays frozen")
    if heads and {key.rpartition(".")[2] for key in heads} != {"weight"}:
        raise CheckpointError(f"{file}: expected classification heads without bias, got {sorted(heads)}")
    return ShadowConfig(
        dialect="paper",
        num_layers=values["num_shadow_layers"],
        rank=values["injection_hidden_size"],
        gate_width=values["gate_hidden_size"],
        alpha=values["alpha"],
        dropout=values["dropout"],
        num_labels=len(next(iter(heads.values()))) if heads else 0,
        head_bias=False,
        pooling="last",
    )


def _implicit(values: dict, base: PreTrainedModel) -> PreTrainedConfig:
    sizes = {name: values[theirs] for name, theirs in FIELDS.items() if values.get(theirs) is not None}
    return with_fields(decoder_of(base).config, {"num_hidden_layers": values["num_shadow_layers"], **sizes})


def _read_adapters(weights: dict[str, Tensor], config: ShadowConfig, blocks: int, file: Path) -> dict[str, Tensor]:
    """What `weights` hold beside f, under the names of a `Shadow`."""
    ours: dict[str, Tensor] = {}
    try:
        downs, ups = (weights.pop(f"{INJECTION}.injection_{name}") for name in ("downs", "ups"))
        for i in range(len(downs)):
            ours[f"adapters.injections.{i}.down.weight"] = downs[i].T  # (r, d)
            ours[f"adapters.injections.{i}.up.weight"] = ups[i].T  # (d, r)
        for i in range(blocks - 1):
            t_in, t_out = (weights.pop(f"{UPDATE}.update_transforms.{i}.{n}.weight") for n in (0, 3))
            g_in, g_out = (weights.pop(f"{UPDATE}.update_gates.{i}.{n}.weight") for n in (0, 2))
            if i < blocks - 2:  # the last one moves a state that nobody reads
                ours[f"adapters.updates.{i}.inner.weight"] = join_gated(t_in, g_in)
                ours[f"adapters.updates.{i}.transform.weight"] = t_out
                ours[f"adapters.updates.{i}.gate.weight"] = g_out
        norm = {name: weights.pop(f"{UPDATE}.hidden_norm.{name}") for name in ("weight", "bias")}
    except KeyError as error:
        raise CheckpointError(f"{file}: weight {error} is missing") from error
    if blocks > 2:
        ours |= {f"adapters.norm.{name}": value for name, value in norm.items()}
    if PROJECTION in weights:
        ours["network.projection.weight"] = weights.pop(PROJECTION)
    if weights:
        raise CheckpointError(f"{file}: {len(weights)} weights have no place, such as {min(weights)}")
    return ours


def _write_adapters(adapters: Adapters, gate_width: int) -> dict[str, Tensor]:
    """Injections, updates and norm under their names."""
    injections = [cast(Injection, injection) for injection in adapters.injections]
    theirs = {
        f"{INJECTION}.injection_downs": torch.stack([injection.down.weight.T for injection in injections]),
        f"{INJECTION}.injection_ups": torch.stack([injection.up.weight.T for injection in injections]),
    }
    updates = [cast(Update, update) for update in adapters.updates]
    for i, update in enumerate(updates):
        t_in, g_in = split_gated(update, "weight")
        theirs[f"{UPDATE}.update_transforms.{i}.0.weight"] = t_in
        theirs[f"{UPDATE}.update_transforms.{i}.3.weight"] = update.transform.weight
        theirs[f"{UPDATE}.update_gates.{i}.0.weight"] = g_in
        theirs[f"{UPDATE}.update_gates.{i}.2.weight"] = update.gate.weight
    last, width = len(updates), injections[0].up.weight.shape[0]
    for name, second in (("transforms", 3), ("gates", 2)):
        theirs[f"{UPDATE}.update_{name}.{last}.0.weight"] = torch.zeros(gate_width, width)
        theirs[f"{UPDATE}.update_{name}.{last}.{second}.weight"] = torch.zeros(width, gate_width)
    norm = adapters.norm if adapters.norm is not None else torch.nn.LayerNorm(width)
    return theirs | {f"{UPDATE}.hidden_norm.{key}": value for key, value in norm.state_dict().items()}
