"""What the folders of the two public implementations have in common; see `shadow_peft_folder` and `peft_folder`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from .checkpoint import CheckpointError
from .config import ShadowConfig
from .decoders import blocks_of, decoder_of, empty_decoder, field_of, names_in, new_decoder, table_of, with_fields
from .heads import ClassifierHeads
from .layers import Adapters, Update
from .network import ShadowNetwork
from .shadow import Shadow

SIZES = (
    "num_hidden_layers",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
)
"""Fields in which an implicit shadow may differ from its base, by the names `with_fields` takes."""
UNLIKE = {
    "_name_or_path",
    "architectures",
    "bos_token_id",
    "chunk_size_feed_forward",
    "dtype",
    "eos_token_id",
    "id2label",
    "initializer_range",
    "label2id",
    "layer_types",
    "max_window_layers",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "problem_type",
    "return_dict",
    "tie_word_embeddings",
    "transformers_version",
    "use_cache",
}
"""Fields of a decoder's config that change nothing, or that follow from the others."""


def write_json(file: Path, values: dict[str, Any]) -> None:
    """Writes `values`, making the folder if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def refuse_what_peers_lack(config: ShadowConfig, dialect: str, peer: str) -> None:
    """Raises CheckpointError when the shadow computes something `peer` cannot."""
    wrong = [] if config.dialect == dialect else [f"dialect={config.dialect!r} (expected {dialect!r})"]
    wrong += ["prefix_attention=True"] if config.prefix_attention else []
    wrong += [] if config.update else ["update=False"]
    if config.num_labels:
        wrong += [] if config.pooling == "last" else [f"pooling={config.pooling!r} (expected 'last')"]
        wrong += ["head_bias=True"] if config.head_bias else []
    if wrong:
        raise CheckpointError(f"{peer} has nothing like {', '.join(wrong)}; train a shadow without")


def implicit_fields(network: ShadowNetwork, base: PreTrainedModel) -> dict[str, int] | None:
    """In which sizes f differs from the base's decoder; None when it is no implicit shadow of it."""
    inner, outer = network.backbone.config, decoder_of(base).config
    if type(inner) is not type(outer):
        return None
    fields = {}
    for name in SIZES:
        field = field_of(outer, name)
        if field is not None and getattr(inner, field) != getattr(outer, field):
            fields[name] = getattr(inner, field)
    ours, theirs = inner.to_dict(), with_fields(outer, fields).to_dict()
    return fields if all(ours[key] == theirs.get(key) for key in ours.keys() - UNLIKE) else None


def new_network(config: PreTrainedConfig, base: PreTrainedModel, own: bool) -> ShadowNetwork:
    """f for `config` and P, weights still to be read; a token table of its own, or the base's."""
    backbone, table = new_decoder(config) if own else (empty_decoder(config), table_of(base))
    return ShadowNetwork(backbone, table, decoder_of(base).config.hidden_size, own)


def new_shadow(config: ShadowConfig, network: ShadowNetwork, base: PreTrainedModel) -> Shadow:
    """All parts for `config`, weights still to be read."""
    adapters = Adapters(network.width, len(blocks_of(base)), config)
    heads = ClassifierHeads(network.width, config) if config.num_labels else None
    return Shadow(config, network, adapters, heads)


class BackboneNames:
    """How a peer names the weights of f: `prefix`, then what `AutoModel` calls them, or the decoder inside it."""

    def __init__(self, config: PreTrainedConfig, prefix: str, whole: bool) -> None:
        """`whole`: the peer keeps all of `AutoModel` (OPT's decoder lies one level deeper there)."""
        outer, self._table = names_in(config)
        path = f"{outer}." if whole and outer else ""
        self.prefix = prefix + path
        self.keeps_table = path + self._table != "embed_tokens"
        """Both peers drop a shared table only where it lies there, and keep a random unused one elsewhere."""

    @property
    def table(self) -> str:
        """Name of the token table's weight."""
        return f"{self.prefix}{self._table}.weight"

    def read(self, weights: dict[str, Tensor], own: bool) -> dict[str, Tensor]:
        """Takes f's weights out of `weights`, each of any shape, under the names they have in a `Shadow`."""
        table = weights.pop(self.table, None)
        found = {key: weights.pop(key) for key in list(weights) if key.startswith(self.prefix)}
        ours = {f"network.backbone.{key.removeprefix(self.prefix)}": value for key, value in found.items()}
        if own and table is not None:
            ours["network.embedding.weight"] = table
        return ours

    def write(self, network: ShadowNetwork) -> dict[str, Tensor]:
        """f's weights under the peer's names."""
        theirs = {f"{self.prefix}{key}": value for key, value in network.backbone.state_dict().items()}
        if network.own_embedding or self.keeps_table:
            theirs[self.table] = network.embedding.weight
        return theirs


def join_gated(transform: Tensor, gate: Tensor) -> Tensor:
    """transform and gate, first matrices (w, d) or biases (w,) of T and G, as the one that `Update` has."""
    return torch.cat([transform, gate])


def split_gated(update: Update, name: str) -> tuple[Tensor, Tensor]:
    """The inverse of `join_gated` for the parameter `name` of `update.inner`."""
    first, second = getattr(update.inner, name).chunk(2)
    return first, second


def stored(weights: dict[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Copies of `weights`, by name, each of any shape, on the CPU as safetensors wants them."""
    return {key: value.detach().to("cpu", dtype).contiguous().clone() for key, value in weights.items()}


def adapters_of(shadow: Shadow, peer: str) -> Adapters:
    """The adapters. Raises CheckpointError when there are none."""
    if shadow.adapters is None:
        raise CheckpointError(f"{peer} keeps injections and updates, and this shadow has none; attach it and save that")
    return shadow.adapters
