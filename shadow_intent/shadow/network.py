"""The shadow network: equation (1), s0 = P f(x)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import Cache, PreTrainedModel

from .align import align_heads
from .config import ShadowConfig
from .decoders import (
    blocks_of,
    cast_weights,
    decoder_of,
    empty_decoder,
    head_of,
    new_decoder,
    refuse_narrow_tokens,
    same_tokens,
    table_of,
    with_fields,
)
from .loop import BlockLoop, may_run, run
from .prefix import prefix_biases, prefix_mask, prefix_positions
from .prepack import Prepack


class ShadowNetwork(nn.Module):
    """f and P of equation (1). Make one with `cut`, `random` or `explicit`.

    Args:
        backbone: f, a decoder without an input embedding table, width d_s.
        embedding: token ids -> (…, d_s).
        width: d, of the base.
        own_embedding: True when the table belongs to the shadow and is trained and saved with it; False when it is the
            base's, which is then frozen and only referred to.

    Raises:
        ValueError: the table is not as wide as f, or f projects its tokens in and its states out.
    """

    embedding: nn.Embedding
    alignment: float | None = None
    """Relative error of the head alignment P started from, in [0, 1]; None when it did not start from one."""

    def __init__(self, backbone: PreTrainedModel, embedding: nn.Embedding, width: int, own_embedding: bool) -> None:
        super().__init__()
        inner = backbone.config.hidden_size
        refuse_narrow_tokens(backbone.config)
        if embedding.weight.shape[1] != inner:
            raise ValueError(
                f"embedding of width {inner} expected, got {embedding.weight.shape[1]}: give the shadow "
                "a table of its own, or the base's hidden_size"
            )
        self.backbone = backbone
        self.width = width
        self.own_embedding = own_embedding
        self._loop: BlockLoop | None = None
        self.prepack: Prepack | None = None
        """Copies of f's weights that inference reads; None: the weights themselves."""
        self.projection = nn.Identity() if inner == width else nn.Linear(inner, width, bias=False)
        if own_embedding:
            self.embedding = embedding
        else:
            self.refer_to(embedding)

    def refer_to(self, table: nn.Embedding) -> None:
        """Lets f read `table` of a base, (V, d), which is frozen and neither trained nor saved with the shadow."""
        table.requires_grad_(False)
        self.__dict__["embedding"] = table  # past nn.Module

    @classmethod
    def cut(cls, base: PreTrainedModel, config: ShadowConfig, own_embedding: bool = False) -> ShadowNetwork:
        """An explicit copy of the base's first `config.num_layers` blocks and of its final norm, trainable.

        Args:
            own_embedding: copy the token table too, to be trained, instead of referring to the base's.

        Returns:
            f of the base's width, (B, T) -> (B, T, d), with P of (1) the identity.

        Raises:
            ValueError: more blocks than the base has, or a shadow is attached to it.
        """
        network = cls.random(base, config, own_embedding)
        source = decoder_of(base).state_dict()
        target = network.backbone.state_dict()
        missing = [name for name in target if name not in source]
        if missing:
            raise ValueError(f"the base has no {missing[:3]}: cut before attaching, or detach first")
        network.backbone.load_state_dict({name: source[name] for name in target})
        return network

    @classmethod
    def random(
        cls, base: PreTrainedModel, config: ShadowConfig, own_embedding: bool = False, **overrides: int
    ) -> ShadowNetwork:
        """An implicit shadow: the base's own config with fewer blocks, random weights.

        Args:
            own_embedding: as in `cut`.
            overrides: fields of the base's config to replace, by Llama's names: intermediate_size, num_attention_heads,
                num_key_value_heads, head_dim, or hidden_size, which brings a random table of its own and a random P.

        Returns:
            f of width d_s and P (1), (B, T) -> (B, T, d), in the type and on the device of the base's table.

        Raises:
            ValueError: more blocks than the base has, or a field its config has not.
        """
        total = len(blocks_of(base))
        if config.num_layers > total:
            raise ValueError(f"num_layers must be <= {total}, the blocks of the base, got {config.num_layers}")
        outer = decoder_of(base).config
        inner = with_fields(outer, {"num_hidden_layers": config.num_layers, **overrides})
        other_width = inner.hidden_size != outer.hidden_size
        backbone, table = new_decoder(inner) if other_width else (empty_decoder(inner), table_of(base))
        if own_embedding and not other_width:
            table = deepcopy(table).requires_grad_(True)
        return cls(backbone, table, outer.hidden_size, own_embedding or other_width).like(table_of(base).weight)

    @classmethod
    def explicit(
        cls,
        model: PreTrainedModel,
        base: PreTrainedModel,
        tokenizers: tuple[Any, Any] | None = None,
        share_embedding: bool = False,
        same_vocabulary: bool = False,
    ) -> ShadowNetwork:
        """A smaller pretrained causal LM over the base's vocabulary.

        P of (1) starts where the base's head on s0 comes closest to the model's own head; how close stands in
        `alignment`. The weights of `model` are copied, so it stays usable.

        Args:
            tokenizers: of model and base, to check that every id is the same token in both. Their tables may then
                differ in length, as padded ones of one family do.
            share_embedding: read the base's table instead of the model's own; both must be equally wide.
            same_vocabulary: without tokenizers, vouches for what they would show; only the lengths are compared then.

        Returns:
            The network, in the type and on the device of the base's table.

        Raises:
            ValueError: the vocabularies differ, nobody says whether they do, or a shared table is of another width.
        """
        if tokenizers is not None:
            same_tokens(*tokenizers)
        elif not same_vocabulary:
            raise ValueError(
                "every token id must mean the same to the shadow model and the base: give tokenizers=(the model's, the "
                "base's) to have that checked, or same_vocabulary=True where it is known"
            )
        rows, base_rows = (table_of(x).num_embeddings for x in (model, base))
        if rows != base_rows and tokenizers is None:
            raise ValueError(
                f"the shadow's table has {rows} rows and the base's {base_rows}: give both tokenizers, so that it can "
                "be checked that they share one vocabulary"
            )
        source = decoder_of(model)
        backbone = empty_decoder(source.config)
        backbone.load_state_dict({name: source.state_dict()[name] for name in backbone.state_dict()})
        table = table_of(base) if share_embedding else deepcopy(table_of(model))
        network = cls(backbone, table, decoder_of(base).config.hidden_size, own_embedding=not share_embedding)
        if isinstance(network.projection, nn.Linear):
            dtype = table_of(base).weight.dtype
            large, small = (head_of(x).weight[: min(rows, base_rows)] for x in (base, model))
            start = align_heads(large, small, dtype)
            network.projection.weight.data, network.alignment = start
        return network.like(table_of(base).weight)

    def like(self, weight: Tensor) -> ShadowNetwork:
        """Takes the type and device of `weight`, of any shape; returns itself."""
        cast_weights(self, weight.dtype)
        return self.to(weight.device)

    @property
    def dtype(self) -> torch.dtype:
        """Type of f's weights, which embeddings are cast to."""
        return self.backbone.dtype

    def read(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        position_ids: Tensor | None,
        past_key_values: Cache | None,
        prefix_length: Tensor | None,
        prefix_attention: bool,
    ) -> Tensor:
        """s0 of the new tokens (1), (B, T, d), beside an attached base; arguments as `ShadowedModel.forward`.

        Raises:
            ValueError: prefix attention without a prefix_length, or with one beyond the first chunk.
        """
        prefix = None
        if prefix_attention:
            if prefix_length is None:
                raise ValueError("prefix_length is needed with prefix_attention: (B,), real tokens of each prompt")
            past = past_key_values.get_seq_length() if past_key_values is not None else 0
            shape = input_ids.shape[0], past + input_ids.shape[1]
            real = input_ids.new_ones(shape) if attention_mask is None else attention_mask
            if not past:
                prefix = prefix_mask(real, prefix_length)
            elif bool((real[:, :past].sum(-1) < prefix_length).any()):
                raise ValueError(
                    f"the prefix must lie in the first chunk, got one beyond the {past} cached tokens; "
                    "prefill the whole prompt at once"
                )
        return cast(Tensor, self(input_ids, attention_mask, prefix, position_ids, past_key_values))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        prefix: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """Initial shadow state s0 = P f(x), equation (1).

        Args:
            input_ids: (B, T); leave it out to give inputs_embeds (B, T, d_s).
            attention_mask: (B, past + T), 1 at real tokens; None: all are real.
            prefix: (B, T) bool, tokens that attend to each other in both directions; None: all are causal. Only without
                a past: later tokens see the prefix anyway.
            position_ids: (B, T); None counts from the number of past tokens.
            past_key_values: the shadow's own cache, extended in place.

        Returns:
            s0, (B, T, d).

        Raises:
            ValueError: `prefix` with alibi biases, or with an attention that takes no dense mask.
        """
        if inputs_embeds is None:
            inputs_embeds = self.embedding(input_ids)  # (B, T, d_s)
        inputs_embeds = inputs_embeds.to(self.dtype)
        bias: Any = None
        if prefix is not None:
            real = prefix.new_ones(prefix.shape) if attention_mask is None else attention_mask
            bias = prefix_biases(self.backbone.config, real, prefix, self.dtype)  # (B, 1, T, T)
            position_ids = prefix_positions(self.backbone, real) if position_ids is None else position_ids
        cache = past_key_values
        loop = self._block_loop(cache, inputs_embeds.device)
        if loop is not None:
            return self.projection(run(loop, inputs_embeds, attention_mask, position_ids, cache, bias))  # (1)
        output: Any = self.backbone(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask if bias is None else bias,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return self.projection(output.last_hidden_state)  # (1)  (B, T, d)

    def _block_loop(self, cache: Cache | None, device: torch.device) -> BlockLoop | None:
        """The loop to run f in; None when transformers' own forward must."""
        if not may_run(self, device):
            return None
        if cache is None or not cache.get_seq_length():  # the blocks may have been moved, hooked or quantised since
            self._loop = BlockLoop.of(self.backbone, prepack=self.prepack)
        return self._loop
