"""The base with its shadows attached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import Cache, GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast, SequenceClassifierOutput
from transformers.utils import can_return_tuple

from .attached import Choice, ShadowedBase
from .cache import remember_prefix
from .decoders import decoder_of, head_of, table_of
from .detached import real_positions
from .heads import pool
from .layers import Adapters, RowAdapters, pick
from .loop import BlockLoop, is_hooked, may_run, run
from .loss import check_labels, class_loss, language_loss, refuse_beside
from .parts import ShadowParts
from .prepack import layer


@dataclass
class ShadowedOutput(CausalLMOutputWithPast):
    """`loss` () is the joint loss (9), nats a token; `logits` (B, T, V) those of the base's head on h_L (4)."""

    shadow_state: torch.Tensor | None = None
    """s0 (1), (B, T, d)."""


@dataclass
class ShadowedClasses(SequenceClassifierOutput):
    """`loss` () is the joint loss (9), nats; `logits` (B, num_labels) those of the attached model's head on h_L."""

    shadow_logits: torch.Tensor | None = None
    """Those of the shadow's head on s0, which (8) is the loss of, (B, num_labels)."""


class ShadowedModel(ShadowedBase, GenerationMixin):
    """A frozen causal LM whose decoder blocks are steered by a shadow, equations (1)-(9). Make one with `attach`.

    `generate` works as for the base, with a key-value cache for base and shadow in one `DynamicCache`: the shadow's
    layers follow the base's. Calls from several threads may run at once.

    Data-parallel training wants every trainable weight in the loss. Freeze what a step leaves out, as
    `model.heads.requires_grad_(False)` or `model.shadow_named("other").requires_grad_(False)`, before it is wrapped, or
    have unused parameters found.

    In evaluation mode and without gradients the blocks of Llama, Mistral, Qwen2 and Qwen3 run in `BlockLoop`, those of
    other architectures in transformers' own forward.
    """

    @can_return_tuple
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
        shadow: Choice = None,
        shadow_rows: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        shadow_state: Tensor | None = None,
        **kwargs: Any,
    ) -> ShadowedOutput | ShadowedClasses:
        """Next-token logits, equations (1)-(7), and with labels the joint loss (8)(9), in nats a token.

        With class labels (B,) instead what `classify` gives, so that wrappers such as DDP need only this.

        Args:
            input_ids: (B, T).
            attention_mask: (B, past + T), 1 at real tokens, padding on either side; None: all are real.
            position_ids: (B, T); None counts from the number of past tokens, as the base does.
            past_key_values: a `DynamicCache`, extended in place.
            labels: (B, T), not shifted, or (B,) class numbers; -100 where they do not count.
            use_cache: True makes a cache when none is given. None: only if one is given.
            logits_to_keep: as transformers: how many last positions get logits, 0 for all. Not with labels.
            prefix_length: (B,), real tokens of the prompt. Needed with `prefix_attention`, refused without.
            shadow: which one, or one per row; None: the one in use.
            shadow_rows: (B,), with a tuple of shadows: which of them each row has.
            num_items_in_batch: scalar, labels of a whole training step, to divide the loss by, as `Trainer` gives it.
            shadow_state: s0 of these tokens, (B, T, d), when it is known and in the shadow's cache already.
            kwargs: handed to the base; return_dict=False gives a tuple, as of transformers.

        Returns:
            Logits (B, T, V), or (B, logits_to_keep, V), s0 (B, T, d) and, if wanted, loss and cache; with labels (B,)
            what `classify` returns.

        Raises:
            ValueError: a shadow that is not here, labels of another shape, with several shadows, or with arguments they
                do not go with, class labels without heads, a prefix_length missing or not wanted, or a cache that other
                shadows filled.
        """
        shadows, rows = self.choose(shadow, shadow_rows, input_ids)
        if labels is not None:
            check_labels(labels, input_ids, len(shadows), logits_to_keep)
            if labels.ndim == 1:
                whole = {"position_ids": position_ids, "past_key_values": past_key_values, "shadow_state": shadow_state}
                refuse_beside("class labels", **whole, prefix_length=prefix_length)
                return self.classify(input_ids, attention_mask, labels, shadows[0], num_items_in_batch)
        sizes = [(shadow.serial, shadow.network.backbone.config) for shadow in shadows]
        cache = self.caches.prepare(past_key_values, bool(use_cache), sizes)
        state = shadow_state
        if state is None:
            state = self._initial_state(shadows, rows, input_ids, attention_mask, position_ids, cache, prefix_length)
        inputs = {"attention_mask": attention_mask, "position_ids": position_ids, "past_key_values": cache}
        output = self._through_base(_adapters(shadows, rows), state, input_ids, logits_to_keep, inputs, kwargs)
        loss = None
        if labels is not None:
            loss = language_loss(
                output.logits, state, labels, head_of(self.base), shadows[0].config, num_items_in_batch
            )
        return ShadowedOutput(
            loss=loss,
            logits=output.logits,
            past_key_values=output.past_key_values,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
            shadow_state=state,
        )

    def classify(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        shadow: str | ShadowParts | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> ShadowedClasses:
        """Classes of whole utterances by both heads, equations (1)-(7), and with labels the joint loss (8)(9).

        The whole utterance is the prefix.

        Args:
            input_ids: (B, T).
            attention_mask: (B, T), 1 at real tokens, padding on either side; None: all are real.
            labels: (B,), -100 where they do not count.
            shadow: which one; None: the one in use.
            num_items_in_batch: scalar, labels of a whole training step, to divide the loss by.

        Returns:
            Logits of both heads, (B, num_labels) each, and with labels the loss, nats.

        Raises:
            ValueError: the shadow is not here, or has no classification heads.
        """
        chosen = self.one(shadow)
        config, heads = chosen.config, chosen.heads
        if heads is None:
            raise ValueError("no classification heads here; set num_labels in the config")
        attention_mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        length = attention_mask.sum(-1) if config.prefix_attention else None
        positions = real_positions(chosen.network.backbone, attention_mask)
        state = self._initial_state((chosen,), None, input_ids, attention_mask, positions, None, length)  # (1)
        decoder = decoder_of(self.base)
        inputs = {"attention_mask": attention_mask, "position_ids": real_positions(decoder, attention_mask)}
        output = self._run(decoder, chosen.steering(), state, input_ids=input_ids, use_cache=False, **inputs)
        mask, last = attention_mask.to(state.device), output.last_hidden_state.to(state.device)  # of a sharded base
        hidden = pool(last, mask, config.pooling)  # h_L  (B, d)
        logits = heads.base(hidden.to(heads.base.weight.dtype))  # (B, C)
        shadow_logits = heads.shadow(pool(state, mask, config.pooling))  # (B, C)
        loss = None
        if labels is not None:
            loss = class_loss(logits, shadow_logits, labels.to(logits.device), config, num_items_in_batch)
        return ShadowedClasses(loss=loss, logits=logits, shadow_logits=shadow_logits)

    def generate(self, inputs: Tensor | None = None, *args: Any, shadow: Choice = None, **kwargs: Any) -> Any:
        """transformers' `generate`; the whole prompt is the prefix unless prefix_length (B,) is given.

        With the past_key_values of an earlier turn only what is new is read; the prefix stays that of the first turn.

        Without attention_mask every token counts as real: padding is never guessed from token ids.

        Args:
            inputs: (B, T), or by the name input_ids.
            shadow: which one, or one per row; None: the one in use. It stays the same to the end.
            args, kwargs: as of transformers; also prefix_length (B,).

        Returns:
            Token ids (B, T + new), prompt included, or what transformers gives with return_dict_in_generate=True.

        Raises:
            ValueError: no token ids, several rows that go on from a cache without an attention_mask (B, past + T), or
                what `forward` refuses.
        """
        ids = kwargs.pop("input_ids", None) if inputs is None else inputs
        if ids is None or kwargs.get("inputs_embeds") is not None:
            raise ValueError("generate needs the prompt as token ids (B, T), which the shadow reads too; not as embeds")
        mask, begun = kwargs.pop("attention_mask", None), kwargs.get("past_key_values")
        if mask is None and len(ids) > 1 and isinstance(begun, Cache) and begun.get_seq_length():
            raise ValueError("several rows that go on from a cache need an attention_mask (B, past + T) of all turns")
        mask = torch.ones_like(ids) if mask is None else mask
        shadows, rows = self.choose(shadow, None, ids)
        kwargs |= {"shadow": shadows[0]} if rows is None else {"shadow": shadows, "shadow_rows": rows}
        if any(shadow.config.prefix_attention for shadow in shadows):
            length = getattr(begun, "prefix_length", None)
            kwargs.setdefault("prefix_length", mask.sum(-1) if length is None else length)
        return GenerationMixin.generate(cast(Any, self), ids, *args, attention_mask=mask, **kwargs)

    def draft(self, input_ids: Tensor, cache: Cache, shadow: ShadowParts) -> Tensor:
        """s0 (1) of new tokens, which are then in the shadow's cache, but not in the base's.

        To be followed by a call with this `shadow_state`, or by cropping the shadow's layers.

        Args:
            input_ids: (B, T), what follows the tokens in `cache`.
            cache: of a call with this one shadow.

        Returns:
            (B, T, d).

        Raises:
            ValueError: the cache is that of several shadows.
        """
        (part,) = self.caches.of_shadows(cache)
        return cast(Tensor, shadow.network(input_ids, past_key_values=part))

    def _block_loop(self, cache: Cache | None, device: torch.device) -> BlockLoop | None:
        """The loop to run the base's blocks in; None when transformers' own forward must."""
        head = self.base.get_output_embeddings()
        plain = type(self.base).__module__.startswith("transformers.models.") and not is_hooked(self.base)
        if not (plain and type(head) is nn.Linear and may_run(self, device)):
            return None
        if cache is None or not cache.get_seq_length():  # blocks may have been moved, hooked or quantised since
            self._loop = BlockLoop.of(decoder_of(self.base), self._own_blocks, self._prepack)
        return self._loop

    def _through_base(
        self,
        steering: Adapters | RowAdapters,
        state: Tensor,
        input_ids: Tensor,
        logits_to_keep: int | Tensor,
        inputs: dict[str, Any],
        kwargs: dict[str, Any],
    ) -> Any:
        """What the steered base gives, in the loop where that will do."""
        wanted = any(value is not None and value is not False for value in kwargs.values())
        loop = None if wanted else self._block_loop(inputs["past_key_values"], input_ids.device)
        if loop is not None:
            return self._loop_through(loop, steering, state, input_ids, logits_to_keep, **inputs)
        keep = {"use_cache": inputs["past_key_values"] is not None, "logits_to_keep": logits_to_keep}
        return self._run(self.base, steering, state, input_ids=input_ids, **inputs, **keep, **kwargs)

    def _loop_through(
        self,
        loop: BlockLoop,
        adapters: Adapters | RowAdapters,
        state: Tensor,
        input_ids: Tensor,
        logits_to_keep: int | Tensor,
        attention_mask: Tensor | None,
        position_ids: Tensor | None,
        past_key_values: Cache | None,
    ) -> CausalLMOutputWithPast:
        """What the base's forward gives, by way of `loop`."""
        hidden = table_of(self.base)(input_ids)
        hidden = run(loop, hidden, attention_mask, position_ids, past_key_values, None, adapters, state)  # (B, T, d)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        head: Any = head_of(self.base)
        head = head if self._prepack is None or is_hooked(head) else layer([head], self._prepack)
        return CausalLMOutputWithPast(logits=head(hidden[:, kept]), past_key_values=past_key_values)

    def _run(self, module: nn.Module, adapters: Adapters | RowAdapters, state: Tensor, **inputs: Any) -> Any:
        """Calls the base, or its decoder, with the shadow state on its way through the blocks."""
        self._carry.state, self._carry.adapters = state, adapters
        try:
            return module(**inputs)
        finally:
            self._carry.state = self._carry.adapters = None

    def _initial_state(
        self,
        shadows: Sequence[ShadowParts],
        rows: Tensor | None,
        input_ids: Tensor,
        mask: Tensor | None,
        positions: Tensor | None,
        cache: Cache | None,
        length: Tensor | None,
    ) -> Tensor:
        """s0 of the new tokens (1), (B, T, d); a new cache notes the prefix."""
        caches = [None] * len(shadows) if cache is None else self.caches.of_shadows(cache)
        if length is not None and not any(shadow.config.prefix_attention for shadow in shadows):
            raise ValueError("prefix_length was given, but the config has prefix_attention=False; leave it out")
        states = [
            shadow.network.read(input_ids, mask, positions, part, length, shadow.config.prefix_attention)
            for shadow, part in zip(shadows, caches, strict=True)
        ]
        if length is not None and cache is not None and not cache.get_seq_length():
            remember_prefix(cache, length)
        return states[0] if rows is None else pick(states, rows)


def _adapters(shadows: Sequence[ShadowParts], rows: Tensor | None) -> Adapters | RowAdapters:
    """What steers the base: the adapters of the one shadow, or of each row's."""
    adapters = [shadow.steering() for shadow in shadows]
    return adapters[0] if rows is None else RowAdapters(adapters, rows)
