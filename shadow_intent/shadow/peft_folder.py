"""Folders of `peft` >= 0.21 with `peft_type: SHADOW`: read and written, dialect "peft".

adapter_config.json           r, update_hidden_size, shadow_alpha, shadow_dropout, sizes of a mirrored f
adapter_model.safetensors     base_model.model.<block>.shadow_*, base_model.shadow_backbone.* (f),
                              base_model.shadow_projection.* (P), and when classes were trained
                              base_model.model.score.*, base_model.shadow_head.*

It has T and G for the last block too, which nothing reads: zeros are written there, and what stands there is not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from .checkpoint import CheckpointError, fill, read_json, read_weights, reading
from .config import ShadowConfig
from .decoders import blocks_name, blocks_of, decoder_of, with_fields
from .layers import Injection, Update
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
from .projected import MODEL_TYPE, inner_config
from .shadow import Shadow

CONFIG, ADAPTER = "adapter_config.json", "adapter_model.safetensors"
NETWORK = "base_model.shadow_backbone.default."
PROJECTION = "base_model.shadow_projection.default.weight"
HEADS = {"base_model.model.score.weight": "heads.base.weight"}
HEADS |= {"base_model.shadow_head.default.weight": "heads.shadow.weight"}
FIELDS = {
    "num_hidden_layers": "shadow_num_hidden_layers",
    "hidden_size": "shadow_hidden_size",
    "num_attention_heads": "shadow_num_attention_heads",
    "intermediate_size": "shadow_intermediate_size",
}
"""Sizes of a mirrored f in its config, by the names `with_fields` takes."""
DEFAULTS = {
    "r": 8,
    "shadow_alpha": 0.1,
    "shadow_dropout": 0.2,
    "shadow_model": "mirror",
    "share_embeddings": True,
    "update_hidden_size": None,
    "auxiliary_loss_weight": 0.05,
}
"""What it takes for a field that is not in the file."""


def load_peft(
    path: str | Path,
    base: PreTrainedModel,
    backbone: PreTrainedConfig | None = None,
    dtype: torch.dtype | None = None,
) -> Shadow:
    """Reads a folder of `peft` >= 0.21: adapter_config.json and adapter_model.safetensors of `save_pretrained`.

    Args:
        base: the causal LM it was trained on, or the one with the same decoder when it was trained to classify.
        backbone: config of f, when it was trained with an explicit `shadow_model` whose config cannot be loaded from
            where the folder says it was.
        dtype: type of the loaded weights; None takes that of the base's embedding.

    Returns:
        The shadow, on no base yet: `shadow.attach(base)`. With heads when classes were trained.

    Raises:
        CheckpointError: as `load_shadow`; also when only some blocks were shadowed, or an output head was trained
            (which is frozen here).
    """
    folder = Path(path)
    values: dict[str, Any] = DEFAULTS | read_json(folder / CONFIG)
    if values.get("peft_type") != "SHADOW":
        raise CheckpointError(f"{folder / CONFIG}: expected peft_type 'SHADOW', got {values.get('peft_type')!r}")
    file = folder / ADAPTER
    weights = read_weights(file, "peft's save_pretrained")
    blocks_of(base)  # what is wrong with the base is not the folder's fault
    with reading(folder):
        shadow, ours = _read(values, weights, base, backbone, file)
    return fill(shadow, ours, file, base, dtype)


def _read(
    values: dict[str, Any],
    weights: dict[str, Tensor],
    base: PreTrainedModel,
    backbone: PreTrainedConfig | None,
    file: Path,
) -> tuple[Shadow, dict[str, Tensor]]:
    """A shadow as the config's `values` tell of it, and its weights under its own names."""
    mirror = values["shadow_model"] == "mirror"
    inner = backbone or (_mirror(values, base) if mirror else _named(values["shadow_model"]))
    same_width = inner.hidden_size == decoder_of(base).config.hidden_size
    own = not (mirror and values["share_embeddings"] and same_width)
    ours = BackboneNames(inner, NETWORK, whole=not mirror).read(weights, own)
    ours |= {name: weights.pop(key) for key, name in HEADS.items() if key in weights}
    labels = len(ours["heads.base.weight"]) if "heads.base.weight" in ours else 0
    config = _config(values, inner, labels)
    ours |= _read_adapters(weights, base, file)
    if PROJECTION in weights:
        ours["network.projection.weight"] = weights.pop(PROJECTION)
    if weights:
        raise CheckpointError(f"{file}: {len(weights)} weights have no place here, such as {min(weights)}")
    return new_shadow(config, new_network(inner, base, own), base), ours


def save_peft(
    path: str | Path,
    shadow: Shadow,
    base: PreTrainedModel,
    dtype: torch.dtype | None = None,
    shadow_model: str | None = None,
) -> None:
    """Writes what `PeftModel.from_pretrained` of `peft` >= 0.21 loads, over the causal LM or, with heads, classifier.

    Args:
        base: what the shadow was trained for.
        dtype: type of the stored weights; None keeps theirs.
        shadow_model: id or folder of the model f came from, needed when f is no mirror of `base` (other architecture,
            head_dim or key-value heads; a shared table under another width). `save_projected` writes such a folder.

    Raises:
        CheckpointError: the shadow computes something `peft` cannot, such as prefix attention, or `shadow_model` is
            needed.
    """
    config, network = shadow.config, shadow.network
    refuse_what_peers_lack(config, "peft", "peft")
    sizes = implicit_fields(network, base)
    mirror = sizes is not None and sizes.keys() <= FIELDS.keys() and shadow_model is None
    if not mirror and (shadow_model is None or not network.own_embedding):
        raise CheckpointError(
            "peft cannot make this f by itself: give the id or folder of a shadow_model with a token table of its own, "
            "such as one written by save_projected"
        )
    values: dict[str, Any] = {
        "peft_type": "SHADOW",
        "task_type": "SEQ_CLS" if shadow.heads is not None else "CAUSAL_LM",
        "inference_mode": True,
        "r": config.rank,
        "update_hidden_size": config.gate_width,
        "shadow_alpha": config.alpha,
        "shadow_dropout": config.dropout,
        "auxiliary_loss_weight": config.lambda_ if shadow.heads is None else config.lambda_of_classes,
        "shadow_model": "mirror" if mirror else shadow_model,
        "share_embeddings": not network.own_embedding,
        "target_modules": _blocks(base),
        "modules_to_save": ["classifier", "score"] if shadow.heads is not None else None,
    }
    if mirror:
        inner = network.backbone.config
        values |= {theirs: (sizes or {}).get(name) for name, theirs in FIELDS.items()}
        values["shadow_num_hidden_layers"] = inner.num_hidden_layers
    weights = BackboneNames(network.backbone.config, NETWORK, whole=not mirror).write(network)
    if isinstance(network.projection, nn.Linear):
        weights[PROJECTION] = network.projection.weight
    weights |= _write_adapters(shadow, base)
    if shadow.heads is not None:
        ours = {"heads.base.weight": shadow.heads.base.weight, "heads.shadow.weight": shadow.heads.shadow.weight}
        weights |= {key: ours[name] for key, name in HEADS.items()}
    folder = Path(path)
    write_json(folder / CONFIG, values)
    save_file(stored(weights, dtype), folder / ADAPTER)


def _blocks(base: PreTrainedModel) -> list[str]:
    """Names of the base's blocks in the base."""
    decoder = decoder_of(base)
    outer = next(name for name, module in base.named_modules() if module is decoder)
    return [f"{outer}.{blocks_name(decoder)}.{i}" for i in range(len(blocks_of(base)))]


def _config(values: dict[str, Any], inner: PreTrainedConfig, labels: int) -> ShadowConfig:
    return ShadowConfig(
        dialect="peft",
        num_layers=inner.num_hidden_layers,
        rank=values["r"],
        gate_width=values["update_hidden_size"] or values["r"],
        alpha=values["shadow_alpha"],
        dropout=values["shadow_dropout"],
        lambda_=values["auxiliary_loss_weight"],
        num_labels=labels,
        head_bias=False,
        pooling="last",
    )


def _mirror(values: dict[str, Any], base: PreTrainedModel) -> PreTrainedConfig:
    sizes = {name: values[theirs] for name, theirs in FIELDS.items() if values.get(theirs) is not None}
    return with_fields(decoder_of(base).config, {"num_hidden_layers": 1, **sizes})


def _named(model: str) -> PreTrainedConfig:
    """Config of the explicit shadow model at an id or in a folder."""
    folder = Path(model)
    if (folder / "config.json").is_file():
        values = read_json(folder / "config.json")
        if values.get("model_type") == MODEL_TYPE:
            return inner_config(values)
    try:
        return AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"config of shadow_model {model!r} cannot be had: {error}; give `backbone`") from error


def _read_adapters(weights: dict[str, Tensor], base: PreTrainedModel, file: Path) -> dict[str, Tensor]:
    ours: dict[str, Tensor] = {}
    blocks = _blocks(base)
    for i, block in enumerate(blocks):
        at = f"base_model.model.{block}.shadow_"
        try:
            ours[f"adapters.injections.{i}.down.weight"] = weights.pop(f"{at}down.default.weight")
            ours[f"adapters.injections.{i}.up.weight"] = weights.pop(f"{at}up.default.weight")
            t, g = f"{at}update_transform.default", f"{at}update_gate.default"
            for name in ("weight", "bias"):
                inner = join_gated(weights.pop(f"{t}.0.{name}"), weights.pop(f"{g}.0.{name}"))
                t_out, g_out = weights.pop(f"{t}.2.{name}"), weights.pop(f"{g}.2.{name}")
                if i < len(blocks) - 1:  # the last one moves a state that nobody reads
                    ours[f"adapters.updates.{i}.inner.{name}"] = inner
                    ours[f"adapters.updates.{i}.transform.{name}"] = t_out
                    ours[f"adapters.updates.{i}.gate.{name}"] = g_out
        except KeyError as error:
            raise CheckpointError(f"{file}: weight {error} is missing; all blocks must be shadowed") from error
    return ours


def _write_adapters(shadow: Shadow, base: PreTrainedModel) -> dict[str, Tensor]:
    adapters, theirs = adapters_of(shadow, "peft"), {}
    width, inner = shadow.network.width, shadow.config.gate_width
    zeros = {"0.weight": (inner, width), "0.bias": (inner,), "2.weight": (width, inner), "2.bias": (width,)}
    for i, block in enumerate(_blocks(base)):
        at = f"base_model.model.{block}.shadow_"
        injection = cast(Injection, adapters.injections[i])
        theirs[f"{at}down.default.weight"] = injection.down.weight
        theirs[f"{at}up.default.weight"] = injection.up.weight
        t, g = f"{at}update_transform.default", f"{at}update_gate.default"
        if i == len(adapters.updates):
            theirs |= {f"{net}.{name}": torch.zeros(shape) for net in (t, g) for name, shape in zeros.items()}
            continue
        update = cast(Update, adapters.updates[i])
        for name in ("weight", "bias"):
            theirs[f"{t}.0.{name}"], theirs[f"{g}.0.{name}"] = split_gated(update, name)
            theirs[f"{t}.2.{name}"] = getattr(update.transform, name)
            theirs[f"{g}.2.{name}"] = getattr(update.gate, name)
    return theirs
