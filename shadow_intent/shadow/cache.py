"""Key-value caches: one `Cache` holds the base's layers and behind them those of its shadows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

CHUNK = 64
"""Least number of tokens a layer makes room for."""


class GrowingLayer(DynamicLayer):
    """A `DynamicLayer` with room to spare: a new token is written in place instead of copying all tokens before it."""

    _buffers: tuple[Tensor, Tensor] | None = None
    keys: Any
    values: Any

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """key_states and value_states of new tokens, (B, heads, T, head_dim) each -> those of all tokens."""
        if key_states.requires_grad:  # what a graph refers to must not be written over
            self._buffers = None
            return super().update(key_states, value_states)
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        past = self.get_seq_length()
        total = past + key_states.shape[-2]
        keys, values = self._room(key_states, past, total)
        keys[:, :, past:total] = key_states
        values[:, :, past:total] = value_states
        self.keys, self.values = keys[:, :, :total], values[:, :, :total]
        return self.keys, self.values

    def _room(self, new: Tensor, past: int, total: int) -> tuple[Tensor, Tensor]:
        """Two buffers for at least `total` tokens that hold the first `past`."""
        if self._buffers is not None:
            keys, values = self._buffers
            # Beam search and row selection put other tensors in place of ours.
            ours = not past or (self.keys.data_ptr() == keys.data_ptr() and self.values.data_ptr() == values.data_ptr())
            writable = torch.is_inference_mode_enabled() or not keys.is_inference()
            if ours and writable and keys.shape[0] == new.shape[0] and keys.shape[2] >= total:
                return keys, values
        size = (new.shape[0], new.shape[1], max(CHUNK, total + total // 2), new.shape[3])
        keys, values = new.new_empty(size), new.new_empty(size)
        if past:
            keys[:, :, :past], values[:, :, :past] = self.keys, self.values
        self._buffers = keys, values
        return keys, values


def new_layers(config: PreTrainedConfig) -> list[Any]:
    """Empty cache layers for a decoder of `config`."""
    layers = DynamicCache(config=config).layers
    return [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in layers]


class DualCache:
    """Lays out caches for a base and one or more shadows.

    Args:
        base: config of the base.
    """

    def __init__(self, base: PreTrainedConfig) -> None:
        self._base = base
        self.base_layers = len(DynamicCache(config=base).layers)

    def prepare(
        self, cache: Cache | None, use_cache: bool, shadows: Sequence[tuple[int, PreTrainedConfig]]
    ) -> Cache | None:
        """The given or a new cache with the layers of the shadows behind the base's.

        Args:
            cache: None, an empty `DynamicCache`, or one this made before.
            use_cache: make one when none is given.
            shadows: serial number of each shadow and config of its f.

        Raises:
            ValueError: a cache of another kind, or one that was filled by other shadows.
        """
        if cache is None:
            if not use_cache:
                return None
            cache = DynamicCache(config=self._base)
        if not isinstance(cache, DynamicCache):
            raise ValueError(f"a shadowed model caches in a DynamicCache, got {type(cache).__name__}")
        serials = tuple(serial for serial, _ in shadows)
        filled_by = getattr(cache, "shadows", None)
        if filled_by == serials:
            return cache
        if cache.get_seq_length():
            kind = "without the shadow" if filled_by is None else "by another shadow"
            raise ValueError(f"this cache was filled {kind}; start from an empty one")
        parts = [new_layers(config) for _, config in shadows]
        cache.layers = new_layers(self._base) + [layer for part in parts for layer in part]
        tagged: Any = cache
        tagged.shadows, tagged.shadow_layers = serials, [len(part) for part in parts]
        return cache

    def of_shadows(self, cache: Cache) -> list[Cache]:
        """For each shadow a cache of its own, over the same layers."""
        parts, start = [], self.base_layers
        tagged: Any = cache
        for count in tagged.shadow_layers:
            parts.append(Cache(layers=cache.layers[start : start + count]))
            start += count
        return parts


def remember_prefix(cache: Cache, prefix_length: Tensor) -> None:
    """Notes prefix_length (B,), real tokens of each row's prompt, for the turns to come."""
    tagged: Any = cache
    tagged.prefix_length = prefix_length
