"""The base with its shadow attached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, DynamicCache, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast, SequenceClassifierOutput

from .config import ShadowConfig
from .decoders import blocks_name, decoder_of, head_of
from .detached import DetachedShadow
from .heads import ClassifierHeads, pool
from .layers import Adapters, Carry, ShadowedBlock
from .loss import joint_loss, label_loss, next_token_loss
from .network import ShadowNetwork, prefix_mask


@dataclass
class ShadowedOutput(CausalLMOutputWithPast):
    """`loss` is the joint loss (9); `logits` (B, T, V) those of the base's head on h_L."""

    shadow_state: torch.Tensor | None = None
    """s0, (B, T, d)."""


@dataclass
class ShadowedClasses(SequenceClassifierOutput):
    """`loss` is the joint loss (9); `logits` (B, num_labels) those of the attached model."""

    shadow_logits: torch.Tensor | None = None
    """What the detached shadow says, (B, num_labels)."""


class ShadowedModel(nn.Module, GenerationMixin):
    """A frozen causal LM whose decoder blocks are steered by a shadow. Make one with `attach`.

    `generate` works as for the base, with a key-value cache for base and shadow in one `DynamicCache`: the shadow's
    layers follow the base's. What this class does not have is looked up on the base.

    Attributes:
        base, network, adapters, heads, shadow_config: the parts; `heads` may be None.
    """

    def __init__(
        self,
        base: PreTrainedModel,
        network: ShadowNetwork,
        config: ShadowConfig,
        adapters: Adapters | None = None,
        heads: ClassifierHeads | None = None,
    ) -> None:
        super().__init__()
        decoder = decoder_of(base)
        self._blocks_name = blocks_name(decoder)
        blocks = getattr(decoder, self._blocks_name)
        if isinstance(blocks[0], ShadowedBlock):
            raise ValueError("this base has a shadow attached already; detach it first")
        width, weight = decoder.config.hidden_size, next(network.parameters())
        if network.width != width:
            raise ValueError(f"the shadow's states must be as wide as the base, {width}, got {network.width}")
        self.base = base
        self.network = network
        self.shadow_config = config
        if adapters is None:
            adapters = Adapters(width, len(blocks), config).to(weight.device, weight.dtype)
        self.adapters = adapters
        if heads is None and config.num_labels:
            heads = ClassifierHeads(width, config).to(weight.device, weight.dtype)
        self.heads = heads
        self._base_layers = len(DynamicCache(config=base.config).layers)
        self._carry = Carry()
        self._wrap(decoder, blocks)

    def _wrap(self, decoder: PreTrainedModel, blocks: nn.ModuleList) -> None:
        self._required_grad = {name for name, weight in self.base.named_parameters() if weight.requires_grad}
        self.__dict__["_own_blocks"] = blocks  # past nn.Module: registered inside the wrappers already
        wrapped = (ShadowedBlock(block, i, self.adapters, self._carry) for i, block in enumerate(blocks))
        self.base.requires_grad_(False)
        setattr(decoder, self._blocks_name, nn.ModuleList(wrapped))

    def detach(self) -> PreTrainedModel:
        """Takes the shadow off and returns the base as it was before `attach`; this object is spent afterwards."""
        setattr(decoder_of(self.base), self._blocks_name, self._own_blocks)
        for name, weight in self.base.named_parameters():
            weight.requires_grad_(name in self._required_grad)
        return self.base

    def detached(self) -> DetachedShadow:
        """The classifier that runs without the base; shares the weights of this model."""
        if self.heads is None:
            raise ValueError("no classification heads here; set num_labels in the config")
        return DetachedShadow(self.network, self.heads, self.shadow_config)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        prefix_length: Tensor | None = None,
        **kwargs: Any,
    ) -> ShadowedOutput:
        """Next-token logits, and with labels the joint loss.

        Args:
            input_ids: (B, T).
            attention_mask: (B, past + T), 1 at real tokens, padding on either side; None: all are real.
            position_ids: (B, T); None counts from the number of past tokens, as the base does.
            past_key_values: a `DynamicCache`, extended in place.
            labels: (B, T), not shifted, -100 where they do not count.
            use_cache: True makes a cache when none is given. None: only if one is given.
            logits_to_keep: as transformers: how many last positions get logits, 0 for all. Not with labels.
            prefix_length: (B,), real tokens of the prompt. Needed with `prefix_attention`, refused without.
            kwargs: handed to the base.
        """
        cache = self._dual_cache(past_key_values, bool(use_cache))
        state = self._initial_state(input_ids, attention_mask, position_ids, cache, prefix_length)  # (1)  (B, T, d)
        output = self._run(
            self.base,
            state,
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )
        return ShadowedOutput(
            loss=None if labels is None else self._language_loss(output.logits, state, labels),
            logits=output.logits,
            past_key_values=output.past_key_values,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
            shadow_state=state,
        )

    def classify(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> ShadowedClasses:
        """Classes of whole utterances, by both heads; the whole utterance is the prefix.

        Args:
            input_ids: (B, T).
            attention_mask: (B, T), 1 at real tokens.
            labels: (B,), -100 where they do not count.
        """
        if self.heads is None:
            raise ValueError("no classification heads here; set num_labels in the config")
        length = attention_mask.sum(-1) if self.shadow_config.prefix_attention else None
        state = self._initial_state(input_ids, attention_mask, None, None, length)  # (1)  (B, T, d)
        output = self._run(
            decoder_of(self.base), state, input_ids=input_ids, attention_mask=attention_mask, use_cache=False
        )
        head, pooling = self.heads.base, self.shadow_config.pooling
        hidden = pool(output.last_hidden_state, attention_mask, pooling)  # h_L  (B, d)
        logits = head(hidden.to(head.weight.dtype))  # (B, C)
        shadow_logits = self.heads.shadow(pool(state, attention_mask, pooling))  # (B, C)
        loss = None
        if labels is not None:
            auxiliary = label_loss(shadow_logits, labels)
            loss = joint_loss(label_loss(logits, labels), auxiliary, self.shadow_config.lambda_)  # (9)
        return ShadowedClasses(loss=loss, logits=logits, shadow_logits=shadow_logits)

    def generate(self, inputs: Tensor | None = None, *args: Any, **kwargs: Any) -> Any:
        """transformers' `generate`; the whole prompt is the prefix unless prefix_length (B,) is given.

        Without attention_mask every token counts as real: padding is never guessed from token ids.
        """
        ids = kwargs.pop("input_ids") if inputs is None else inputs
        mask = kwargs.pop("attention_mask", None)
        mask = torch.ones_like(ids) if mask is None else mask
        if self.shadow_config.prefix_attention:
            kwargs.setdefault("prefix_length", mask.sum(-1))
        return super().generate(ids, *args, attention_mask=mask, **kwargs)

    def _language_loss(self, logits: Tensor, state: Tensor, labels: Tensor) -> Tensor:
        """Joint next-token loss; the base's frozen head also reads s0."""
        loss = next_token_loss(logits, labels)
        if not self.shadow_config.lambda_:
            return loss
        head = head_of(self.base)
        shadow_logits = head(state.to(head.weight.dtype))  # (B, T, V)
        return joint_loss(loss, next_token_loss(shadow_logits, labels), self.shadow_config.lambda_)  # (9)

    def _run(self, module: nn.Module, state: Tensor, **inputs: Any) -> Any:
        """Calls the base, or its decoder, with the shadow state on its way through the blocks."""
        self._carry.state = state
        try:
            return module(**inputs)
        finally:
            self._carry.state = None

    def _initial_state(
        self,
        input_ids: Tensor,
        mask: Tensor | None,
        positions: Tensor | None,
        cache: Cache | None,
        length: Tensor | None,
    ) -> Tensor:
        """s0 of the new tokens, (B, T, d)."""
        past = cache.get_seq_length() if cache is not None else 0
        real = input_ids.new_ones(input_ids.shape[0], past + input_ids.shape[1]) if mask is None else mask
        prefix = self._prefix(real, past, length)
        shadow_cache = Cache(layers=cache.layers[self._base_layers :]) if cache is not None else None  # the same layers
        return self.network(input_ids, mask, prefix, positions, shadow_cache)

    def _prefix(self, real: Tensor, past: int, length: Tensor | None) -> Tensor | None:
        """Which of the new tokens see each other both ways, (B, T) bool; None when all of them are causal."""
        if not self.shadow_config.prefix_attention:
            if length is not None:
                raise ValueError("prefix_length was given, but the config has prefix_attention=False; leave it out")
            return None
        if length is None:
            raise ValueError("prefix_length is needed with prefix_attention: (B,), real tokens of each prompt")
        prefix = prefix_mask(real, length)
        if not past:
            return prefix
        if bool(prefix[:, past:].any()):
            raise ValueError(
                f"the prefix must lie in the first chunk, got one beyond the {past} cached tokens; "
                "prefill the whole prompt at once"
            )
        return None

    def _dual_cache(self, cache: Cache | None, use_cache: bool) -> Cache | None:
        """The given or a new cache with the shadow's layers behind the base's."""
        if cache is None:
            if not use_cache:
                return None
            cache = DynamicCache(config=self.base.config)
        if not isinstance(cache, DynamicCache):
            raise ValueError(f"a shadowed model caches in a DynamicCache, got {type(cache).__name__}")
        if len(cache.layers) > self._base_layers:
            return cache
        if cache.get_seq_length():
            raise ValueError("this cache was filled without the shadow; start from an empty one")
        shadow_layers = DynamicCache(config=self.network.backbone.config).layers
        cache.layers = DynamicCache(config=self.base.config).layers + shadow_layers
        return cache

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("base"), name)


def attach(
    base: PreTrainedModel,
    network: ShadowNetwork,
    config: ShadowConfig,
    adapters: Adapters | None = None,
    heads: ClassifierHeads | None = None,
) -> ShadowedModel:
    """Freezes `base`, puts the shadow around its decoder blocks in place, and returns the whole.

    Args:
        base: a decoder LM with its blocks in `layers` or `h`.
        network: the shadow network for this base.
        config: the shadow's numbers.
        adapters: trained ones; None makes fresh ones, which leave the base's logits bit for bit as they are.
        heads: trained ones; None makes fresh ones if the config has num_labels.
    """
    return ShadowedModel(base, network, config, adapters, heads)
