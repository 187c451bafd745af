"""The blocks of a Llama-shaped decoder as one loop over plain tensors, for inference.

Bit for bit what transformers computes with `sdpa` attention, without its layers of modules and decorators: on a CPU
those cost a model of 135M parameters a quarter of its time per token. To rounding with prepacked weights. Hidden states
are rows, (B * T, d), throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Cache, PreTrainedModel

from .decoders import blocks_name
from .layers import Adapters, RowAdapters
from .packed import pack
from .prepack import Layer, Prepack, layer

SHAPED_LIKE_LLAMA = ("llama", "mistral", "qwen2", "qwen3")
"""Values of `model_type` whose blocks are computed here."""


class Block(NamedTuple):
    """The parameters of a decoder block."""

    input_norm: Tensor
    qkv: Layer
    o: Layer
    q_norm: Tensor | None
    k_norm: Tensor | None
    post_norm: Tensor
    gate_up: Layer
    down: Layer

    @classmethod
    def of(cls, block: Any, prepack: Prepack | None) -> Block:
        """Refers to the block's own parameters, which may be moved and loaded anew."""
        attention, mlp = block.self_attn, block.mlp
        q_norm, k_norm = (getattr(getattr(attention, name, None), "weight", None) for name in ("q_norm", "k_norm"))
        qkv = layer([attention.q_proj, attention.k_proj, attention.v_proj], prepack)
        gate_up = layer([mlp.gate_proj, mlp.up_proj], prepack)
        o, down = (layer([linear], prepack) for linear in (attention.o_proj, mlp.down_proj))
        before, between = block.input_layernorm.weight, block.post_attention_layernorm.weight
        return cls(before, qkv, o, q_norm, k_norm, between, gate_up, down)


class Mask(NamedTuple):
    """Which keys each query sees."""

    seen: Tensor | None
    """(B, 1, T, past + T), bool or additive; None: all, or with `causal` none after the query."""
    causal: bool


class BlockLoop:
    """The blocks, rotary embedding and final norm of one decoder. Make one with `of`."""

    def __init__(self, decoder: PreTrainedModel, blocks: Sequence[nn.Module], prepack: Prepack | None) -> None:
        config: Any = decoder.config
        attention: Any = blocks[0].self_attn
        self.heads = config.num_attention_heads
        self.key_heads = config.num_key_value_heads
        self.head_dim = attention.head_dim
        self.scale = attention.scaling
        self.eps = config.rms_norm_eps
        self.rotary: Any = decoder.rotary_emb
        self.norm: Any = decoder.norm
        self.blocks = [Block.of(block, prepack) for block in blocks]

    @classmethod
    def of(
        cls, decoder: PreTrainedModel, blocks: Sequence[nn.Module] | None = None, prepack: Prepack | None = None
    ) -> BlockLoop | None:
        """The loop for a decoder, or None when its blocks are not plain ones of a Llama-shaped architecture.

        Args:
            blocks: its blocks, when others stand in their place.
            prepack: reads copies of the weights; None: the weights themselves.
        """
        blocks = list(getattr(decoder, blocks_name(decoder)) if blocks is None else blocks)
        config: Any = decoder.config
        plain = (
            not any(is_hooked(m) for m in (decoder, *decoder.children(), *getattr(decoder, blocks_name(decoder))))
            and config.model_type in SHAPED_LIKE_LLAMA
            and type(decoder).__module__.startswith("transformers.models.")
            and config._attn_implementation == "sdpa"
            and config.hidden_act == "silu"
            and set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
            and (config.model_type != "mistral" or config.sliding_window is None)
            and all(_is_plain(block) for block in blocks)
        )
        return cls(decoder, blocks, prepack) if plain else None

    def __call__(
        self,
        hidden: Tensor,
        positions: Tensor,
        mask: Mask,
        layers: Sequence[Any] | None = None,
        adapters: Adapters | RowAdapters | None = None,
        state: Tensor | None = None,
        anew: bool = True,
    ) -> Tensor:
        """Runs all blocks and the final norm.

        Args:
            hidden: (B, T, d) embeddings.
            positions: (B or 1, T).
            mask: which keys each query sees.
            layers: one cache layer per block, extended in place; None keeps nothing.
            adapters: what steers the blocks; None: nothing does.
            state: s0, (B, T, d), for `adapters`.
            anew: the weights of `adapters` may have changed since the last call.

        Returns:
            (B, T, d).
        """
        size = hidden.shape
        cos, sin = self.rotary(hidden, position_ids=positions)
        half = cos.shape[-1] // 2
        turn = cos.unsqueeze(1), torch.cat((-sin[..., :half], sin[..., half:]), dim=-1).unsqueeze(1), half
        rows = hidden.reshape(-1, size[-1])  # (B * T, d)
        moving = None if state is None else state.reshape(-1, size[-1])
        steer = None if adapters is None or moving is None else _steering(adapters, rows, moving, size[1], anew)
        for i, block in enumerate(self.blocks):
            if steer is not None:
                rows = steer.inject(i, rows, moving)
            rows = rows + self._attend(block, rms_norm(rows, block.input_norm, self.eps), size, turn, mask, layers, i)
            inner = rms_norm(rows, block.post_norm, self.eps)
            gate, up = block.gate_up.each(inner)
            rows = rows + block.down(F.silu(gate) * up)
            if steer is not None:
                moving = steer.update(i, rows, moving)
        return rms_norm(rows, self.norm.weight, self.eps).view(size)

    def __reduce__(self) -> Any:
        """A copy of its owner makes its own."""
        return type(None), ()

    def _attend(
        self,
        block: Block,
        rows: Tensor,
        size: torch.Size,
        turn: tuple[Tensor, Tensor, int],
        mask: Mask,
        layers: Sequence[Any] | None,
        index: int,
    ) -> Tensor:
        """Self-attention of one block; rows (B * T, d) -> (B * T, d)."""
        shape = (size[0], size[1], -1, self.head_dim)
        q, k, v = (part.view(shape) for part in block.qkv.each(rows))  # (B, T, H or H_kv, D)
        v = v.transpose(1, 2)  # (B, H_kv, T, D)
        if block.q_norm is not None and block.k_norm is not None:
            q, k = rms_norm(q, block.q_norm, self.eps), rms_norm(k, block.k_norm, self.eps)
        cos, sin, half = turn
        both = torch.cat((q, k), dim=2).transpose(1, 2)  # (B, H + H_kv, T, D)
        both = both * cos + both.roll(half, -1) * sin  # sin of the first half is negative
        q, k = both[:, : self.heads], both[:, self.heads :]
        if layers is not None:
            k, v = layers[index].update(k, v)
        mixed = self._mix(q, k, v, mask)  # (B, H, T, D)
        return block.o(mixed.transpose(1, 2).reshape(len(rows), -1))

    def _mix(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
        """Scaled dot-product attention with the same kernels as transformers takes."""
        seen, groups = mask.seen, self.heads // self.key_heads
        if seen is None:
            return F.scaled_dot_product_attention(
                q, k, v, is_causal=mask.causal, scale=self.scale, enable_gqa=groups > 1
            )
        if groups == 1:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=self.scale)
        if q.shape[2] == 1:  # queries of a group as so many positions of one head
            packed = q.reshape(q.shape[0], self.key_heads, groups, self.head_dim)
            mixed = F.scaled_dot_product_attention(packed, k, v, attn_mask=seen, scale=self.scale)
            return mixed.reshape(q.shape)
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=self.scale)


def _steering(adapters: Adapters | RowAdapters, rows: Tensor, state: Tensor, length: int, anew: bool) -> Any:
    """What injects and updates rows (B * T, d) instead of (B, T, d)."""
    if isinstance(adapters, RowAdapters):
        return adapters.repeated(length)
    if adapters.training or not rows.dtype == state.dtype == adapters.dtype:
        return adapters
    if (anew or adapters.packed is None) and any(is_hooked(module) for module in adapters.modules()):
        adapters.packed = None
        return adapters
    return pack(adapters, anew)


def _is_plain(block: Any) -> bool:
    """Whether a block is just what transformers makes: plain linear layers, no hooks, nothing offloaded or patched."""
    linear = [module for name, module in block.named_modules() if name.endswith("_proj")]
    modules = list(block.modules())
    return (
        len(linear) == 7
        and all(type(module) is nn.Linear for module in linear)
        and type(block).__module__.startswith("transformers.models.")
        and not any(is_hooked(module) for module in modules)
        and not any(weight.is_meta for weight in block.parameters())
    )


def is_hooked(module: nn.Module) -> bool:
    """Whether something else happens when the module is called than its own forward."""
    return bool(module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def rms_norm(rows: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root mean square norm in float32, as transformers rounds it: rows (..., D), weight (D,) -> (..., D)."""
    wide = rows.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return weight * wide.to(rows.dtype)


def may_run(module: nn.Module, device: torch.device) -> bool:
    """Whether `module` is used for inference in its own types: in evaluation mode, without gradients, autocast
    and tracing."""
    return not (
        module.training
        or torch.is_grad_enabled()
        or torch.is_autocast_enabled(device.type)
        or torch.compiler.is_compiling()
    )


def run(
    loop: BlockLoop,
    hidden: Tensor,
    attention_mask: Tensor | None,
    position_ids: Tensor | None,
    cache: Cache | None,
    bias: Tensor | None = None,
    adapters: Adapters | RowAdapters | None = None,
    state: Tensor | None = None,
) -> Tensor:
    """Runs a loop as transformers' own forward would be called: hidden (B, T, d) embeddings -> (B, T, d).

    Args:
        attention_mask: (B, past + T), 1 at real tokens; None: all are real.
        position_ids: (B, T); None counts from the number of past tokens.
        cache: extended in place; its first layers are those of this decoder.
        bias: (B, 1, T, T), an additive mask that says it all; only without a past.
        adapters, state: as in `BlockLoop.__call__`.
    """
    past = 0 if cache is None else cache.get_seq_length()
    length = hidden.shape[1]
    if position_ids is None:
        position_ids = torch.arange(past, past + length, device=hidden.device).unsqueeze(0)
    mask = Mask(bias, False) if bias is not None else make_mask(attention_mask, past, length, hidden.device)
    return loop(hidden, position_ids, mask, None if cache is None else cache.layers, adapters, state, not past)


def make_mask(attention_mask: Tensor | None, past: int, length: int, device: torch.device) -> Mask:
    """The mask of `length` new tokens after `past` cached ones; attention_mask (B, past + T), as in `run`."""
    if attention_mask is None or bool(attention_mask.all()):
        if length == 1 or not past:
            return Mask(None, length > 1)
        return Mask(_causal(past, length, device)[None, None], False)
    seen = attention_mask.bool()[:, None, None, :]  # (B, 1, 1, past + T)
    return Mask(seen & _causal(past, length, device) if length > 1 else seen, False)


def _causal(past: int, length: int, device: torch.device) -> Tensor:
    """(T, past + T) bool, query by key."""
    return torch.ones(length, past + length, dtype=torch.bool, device=device).tril(past)
