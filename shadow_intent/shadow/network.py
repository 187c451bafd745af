"""The shadow network: equation (1), s0 = P f(x)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModel, Cache, PreTrainedConfig, PreTrainedModel

from .config import ShadowConfig
from .layers import moore_penrose


def decoder_of(model: PreTrainedModel) -> PreTrainedModel:
    """The decoder stack inside a causal LM, such as `LlamaModel` inside `LlamaForCausalLM`."""
    decoder = cast(PreTrainedModel, model.get_decoder())
    blocks_name(decoder)
    return decoder


def table_of(model: PreTrainedModel) -> nn.Embedding:
    """The input embedding table."""
    table = model.get_input_embeddings()
    if not isinstance(table, nn.Embedding):
        raise ValueError(f"expected an input embedding table, got {type(table).__name__}")
    return table


def head_of(model: PreTrainedModel) -> nn.Linear:
    """The output head that turns hidden states into next-token logits."""
    head = model.get_output_embeddings()
    if not isinstance(head, nn.Linear):
        raise ValueError(f"expected a linear output head, got {type(head).__name__}")
    return head


def blocks_name(decoder: nn.Module) -> str:
    """Name of the attribute that holds the decoder blocks: "layers" or "h"."""
    for name in ("layers", "h"):
        if isinstance(getattr(decoder, name, None), nn.ModuleList):
            return name
    raise ValueError(f"expected a decoder with its blocks in `layers` or `h`, got {type(decoder).__name__}")


def prefix_mask(attention_mask: Tensor, prefix_length: Tensor) -> Tensor:
    """Marks the first real tokens of each row, whichever side the padding is on.

    Args:
        attention_mask: (B, T), 1 at real tokens.
        prefix_length: (B,), how many real tokens belong to the prefix.

    Returns:
        (B, T) bool.
    """
    real = attention_mask.bool()
    return real & (real.long().cumsum(-1) <= prefix_length.unsqueeze(-1))


def attention_bias(attention_mask: Tensor, prefix: Tensor, dtype: torch.dtype) -> Tensor:
    """Additive mask: keys of the prefix are open to all, the other real keys to what follows them.

    Args:
        attention_mask: (B, T), 1 at real tokens.
        prefix: (B, T) bool, a subset of the real tokens.

    Returns:
        (B, 1, T, T), 0 where the query (third axis) may see the key (last axis), else the least number of `dtype`.
    """
    position = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    causal = position.unsqueeze(0) <= position.unsqueeze(1)  # (T, T), query by key
    seen = (attention_mask.bool().unsqueeze(1) & causal) | prefix.bool().unsqueeze(1)  # (B, T, T)
    bias = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return bias.masked_fill(~seen, torch.finfo(dtype).min).unsqueeze(1)


def cast_weights(module: nn.Module, dtype: torch.dtype) -> None:
    """Gives every weight the type `dtype`, but no buffer: rotary frequencies do not survive 16 bits."""
    for weight in module.parameters():
        weight.data = weight.data.to(dtype)


def empty_decoder(config: PreTrainedConfig) -> PreTrainedModel:
    """A decoder of random weights for `config`, without an input embedding table."""
    small = deepcopy(config)
    small.vocab_size, small.pad_token_id = 1, None  # the table is dropped below, so build the smallest one
    decoder = AutoModel.from_config(small)
    decoder.set_input_embeddings(None)
    decoder.config.vocab_size, decoder.config.pad_token_id = config.vocab_size, config.pad_token_id
    return decoder


class ShadowNetwork(nn.Module):
    """f and P of equation (1). Make one with `cut`, `random` or `explicit`.

    Args:
        backbone: f, a decoder without an input embedding table, width d_s.
        embedding: token ids -> (…, d_s).
        width: d, of the base.
        own_embedding: True when the table belongs to the shadow and is trained and saved with it; False when it is the
            base's, which is then frozen and only referred to.
    """

    embedding: nn.Embedding

    def __init__(self, backbone: PreTrainedModel, embedding: nn.Embedding, width: int, own_embedding: bool) -> None:
        super().__init__()
        inner = backbone.config.hidden_size
        if embedding.weight.shape[1] != inner:
            raise ValueError(
                f"embedding of width {inner} expected, got {embedding.weight.shape[1]}: give the shadow "
                "a table of its own, or the base's hidden_size"
            )
        self.backbone = backbone
        self.width = width
        self.own_embedding = own_embedding
        self.projection = nn.Identity() if inner == width else nn.Linear(inner, width, bias=False)
        if own_embedding:
            self.embedding = embedding
        else:
            embedding.requires_grad_(False)
            self.__dict__["embedding"] = embedding  # past nn.Module: not ours to train or to save

    @classmethod
    def cut(cls, base: PreTrainedModel, config: ShadowConfig) -> ShadowNetwork:
        """An explicit copy of the base's first `config.num_layers` blocks and of its final norm, trainable."""
        network = cls.random(base, config)
        source = decoder_of(base).state_dict()
        target = network.backbone.state_dict()
        missing = [name for name in target if name not in source]
        if missing:
            raise ValueError(f"the base has no {missing[:3]}: cut before attaching, or detach first")
        network.backbone.load_state_dict({name: source[name] for name in target})
        return network

    @classmethod
    def random(cls, base: PreTrainedModel, config: ShadowConfig, **overrides: int) -> ShadowNetwork:
        """An implicit shadow: the base's own config with fewer blocks, random weights.

        Args:
            overrides: fields of the base's config to replace, such as intermediate_size, num_attention_heads, or
                hidden_size, which brings a random embedding table of the shadow's own and a random P.
        """
        decoder = decoder_of(base)
        total = len(getattr(decoder, blocks_name(decoder)))
        if config.num_layers > total:
            raise ValueError(f"num_layers must be <= {total}, the blocks of the base, got {config.num_layers}")
        inner = deepcopy(decoder.config)
        for name, value in {"num_hidden_layers": config.num_layers, **overrides}.items():
            if not hasattr(inner, name):
                raise ValueError(f"{type(inner).__name__} has no field {name!r}")
            setattr(inner, name, value)
        if getattr(inner, "layer_types", None):
            inner.layer_types = inner.layer_types[: config.num_layers]
        width = decoder.config.hidden_size
        table = table_of(base)
        own = inner.hidden_size != width
        if own:
            table = nn.Embedding(table.num_embeddings, inner.hidden_size)
            nn.init.normal_(table.weight, std=0.02)
        return cls(empty_decoder(inner), table, width, own).like(table_of(base).weight)

    @classmethod
    def explicit(cls, model: PreTrainedModel, base: PreTrainedModel) -> ShadowNetwork:
        """A smaller pretrained causal LM over the base's vocabulary, with its own table.

        P starts where the base's head on s0 comes closest to the model's own head (`moore_penrose`). The weights of
        `model` are copied, so it stays usable.
        """
        source = decoder_of(model)
        backbone = empty_decoder(source.config)
        backbone.load_state_dict({name: source.state_dict()[name] for name in backbone.state_dict()})
        width = decoder_of(base).config.hidden_size
        table = deepcopy(table_of(model))
        network = cls(backbone, table, width, own_embedding=True)
        if isinstance(network.projection, nn.Linear):
            network.projection.weight.data = moore_penrose(head_of(base).weight, head_of(model).weight)
        return network.like(table_of(base).weight)

    def like(self, weight: Tensor) -> ShadowNetwork:
        """Takes the type and device of `weight`; returns itself."""
        cast_weights(self, weight.dtype)
        return self.to(weight.device)

    @property
    def dtype(self) -> torch.dtype:
        return self.backbone.dtype

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        prefix: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """Initial shadow state.

        Args:
            input_ids: (B, T); leave it out to give inputs_embeds (B, T, d_s).
            attention_mask: (B, past + T), 1 at real tokens; None: all are real.
            prefix: (B, T) bool, tokens that attend to each other in both directions; None: all are causal. Only without
                a past: later tokens see the prefix anyway.
            position_ids: (B, T); None counts from the number of past tokens.
            past_key_values: the shadow's own cache, extended in place.

        Returns:
            s0, (B, T, d).
        """
        if inputs_embeds is None:
            inputs_embeds = self.embedding(input_ids)  # (B, T, d_s)
        inputs_embeds = inputs_embeds.to(self.dtype)
        mask = attention_mask
        if prefix is not None:
            real = prefix.new_ones(prefix.shape) if attention_mask is None else attention_mask
            mask = attention_bias(real, prefix, self.dtype)  # (B, 1, T, T)
        output: Any = self.backbone(
            inputs_embeds=inputs_embeds,
            attention_mask=mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=past_key_values is not None,
        )
        return self.projection(output.last_hidden_state)  # (1)  (B, T, d)
