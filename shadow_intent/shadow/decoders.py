"""Where a transformers decoder keeps its blocks, token table and head, and how a smaller one is made."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

FIELDS = {
    "intermediate_size": ("intermediate_size", "ffn_dim", "ffn_hidden_size", "n_inner"),
    "num_key_value_heads": ("num_key_value_heads", "num_kv_heads"),
}
"""Fields of a config that transformers does not rename itself, by the name they have here."""


def decoder_of(model: PreTrainedModel) -> PreTrainedModel:
    """The decoder stack inside a causal LM, such as `LlamaModel` inside `LlamaForCausalLM`.

    Raises:
        ValueError: its blocks are not where they are expected, or tokens are narrower than its states.
    """
    decoder = cast(PreTrainedModel, model.get_decoder())
    blocks_name(decoder)
    refuse_narrow_tokens(decoder.config)
    return decoder


def refuse_narrow_tokens(config: PreTrainedConfig) -> None:
    """Raises ValueError for a decoder that projects its tokens in and its states out, as OPT-350m does."""
    tokens = getattr(config, "word_embed_proj_dim", config.hidden_size)
    if tokens != config.hidden_size:
        raise ValueError(
            f"expected a decoder whose tokens are as wide as its states, got word_embed_proj_dim {tokens} and "
            f"hidden_size {config.hidden_size}; give both the same value, or take another model of the family"
        )


def blocks_name(decoder: nn.Module) -> str:
    """Name of the attribute that holds the decoder blocks: "layers" or "h". Raises ValueError when neither does."""
    for name in ("layers", "h"):
        if isinstance(getattr(decoder, name, None), nn.ModuleList):
            return name
    raise ValueError(f"expected a decoder with its blocks in `layers` or `h`, got {type(decoder).__name__}")


def blocks_of(model: PreTrainedModel) -> nn.ModuleList:
    """The decoder blocks of a causal LM or of a decoder."""
    decoder = decoder_of(model)
    return cast(nn.ModuleList, getattr(decoder, blocks_name(decoder)))


def table_of(model: PreTrainedModel) -> nn.Embedding:
    """The input embedding table, (V, d). Raises ValueError when it is something else."""
    table = model.get_input_embeddings()
    if not isinstance(table, nn.Embedding):
        raise ValueError(f"expected an input embedding table, got {type(table).__name__}")
    return table


def head_of(model: PreTrainedModel) -> nn.Linear:
    """The output head, hidden states (..., d) -> logits (..., V). Raises ValueError when it is not linear."""
    head = model.get_output_embeddings()
    if not isinstance(head, nn.Linear):
        raise ValueError(f"expected a linear output head, got {type(head).__name__}")
    return head


def cast_weights(module: nn.Module, dtype: torch.dtype) -> None:
    """Gives every weight the type `dtype`, but no buffer: rotary frequencies do not survive 16 bits."""
    for weight in module.parameters():
        weight.data = weight.data.to(dtype)


def field_of(config: PreTrainedConfig, name: str) -> str | None:
    """What the architecture calls the field that Llama calls `name`; None when it has none that can be set."""
    return next(
        (field for field in FIELDS.get(name, (name,)) if hasattr(config, field) and _can_set(config, field)), None
    )


def _can_set(config: PreTrainedConfig, field: str) -> bool:
    """Not where a value follows from others, as Falcon's head_dim."""
    kind = getattr(type(config), field, None)
    return not isinstance(kind, property) or kind.fset is not None


def with_fields(config: PreTrainedConfig, values: dict[str, int]) -> PreTrainedConfig:
    """A copy of a decoder's config with some fields replaced, its lists by layer cut to the new number of layers.

    Args:
        values: by the names Llama has for them, such as num_hidden_layers, intermediate_size, num_attention_heads.

    Raises:
        ValueError: the architecture has no such field.
    """
    config = deepcopy(config)
    for name, value in values.items():
        field = field_of(config, name)
        if field is None:
            raise ValueError(f"{type(config).__name__} has no field {name!r}")
        setattr(config, field, value)
    layers = config.num_hidden_layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    if getattr(config, "max_window_layers", None) is not None:
        config.max_window_layers = min(config.max_window_layers, layers)
    return config


def new_decoder(config: PreTrainedConfig) -> tuple[PreTrainedModel, nn.Embedding]:
    """A decoder of random weights and its token table, which is no longer part of it."""
    decoder = cast(PreTrainedModel, AutoModel.from_config(config).get_decoder())
    table = table_of(decoder)
    decoder.set_input_embeddings(cast(nn.Module, None))
    return decoder, table


def empty_decoder(config: PreTrainedConfig) -> PreTrainedModel:
    """A decoder of random weights for `config`, without an input embedding table."""
    small = deepcopy(config)
    small.vocab_size, small.pad_token_id = 1, None  # the table is dropped below, so build the smallest one
    decoder, _ = new_decoder(small)
    decoder.config.vocab_size, decoder.config.pad_token_id = config.vocab_size, config.pad_token_id
    return decoder


def names_in(config: PreTrainedConfig) -> tuple[str, str]:
    """Where `AutoModel` keeps the decoder ("" for itself, "decoder" for OPT), and the decoder its token table."""
    with torch.device("meta"):
        model = AutoModel.from_config(config)
    decoder = model.get_decoder()
    outer = next(name for name, module in model.named_modules() if module is decoder)
    inner = next(name for name, module in decoder.named_modules() if module is table_of(model))
    return outer, inner


def same_tokens(one: Any, other: Any) -> None:
    """Checks that two tokenizers give every id the same token, as a shadow and its base must.

    Args:
        one, other: tokenizers of transformers or `tokenizers`, or vocabularies token -> id.

    Raises:
        ValueError: says which tokens differ; or one is neither a tokenizer nor a vocabulary.
    """
    first, second = (_vocabulary(x) for x in (one, other))
    if first == second:
        return
    odd = sorted(set(first.items()) ^ set(second.items()), key=lambda item: (item[1], item[0]))
    token, number = odd[0]
    raise ValueError(
        f"shadow and base must share one vocabulary, but {len(odd)} entries differ, the first {token!r} at id "
        f"{number}; take a shadow model of the base's family, or a cut of the base itself"
    )


def _vocabulary(tokens: Any) -> dict[str, int]:
    if isinstance(tokens, Mapping) and not hasattr(tokens, "get_vocab"):
        return dict(tokens)
    if not hasattr(tokens, "get_vocab"):
        raise ValueError(f"expected a tokenizer or a vocabulary token -> id, got {type(tokens).__name__}")
    return dict(tokens.get_vocab())
