"""The detached shadow for one unpadded utterance: the same numbers as `DetachedShadow` in far fewer operations.

On the robot there is one utterance at a time, read in both directions. Then no mask is needed, the matrices of queries,
keys and values become one, those of gate and up become one, and each group of query heads is one matrix product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shadow_intent.shadow import DetachedShadow


class SingleUtterance(nn.Module):
    """input_ids (1, T) -> logits (1, num_labels), for any backbone: all tokens are real."""

    def __init__(self, detached: DetachedShadow) -> None:
        super().__init__()
        self.detached = detached

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.detached(input_ids, torch.ones_like(input_ids))


class SingleLlama(nn.Module):
    """The same for a Llama backbone with a full mask and mean pooling.

    Args:
        detached: of width d, with H query heads, K key heads and head width e.
        max_tokens: longest utterance, tokens.

    Raises:
        ValueError: another backbone, mask or pooling; use `SingleUtterance`.
    """

    def __init__(self, detached: DetachedShadow, max_tokens: int) -> None:
        super().__init__()
        backbone: Any = detached.network.backbone
        if not suits(detached):
            raise ValueError(f"expected a bidirectional Llama with mean pooling, got {backbone.config.model_type}")
        config = backbone.config
        self.embedding = detached.embedding
        self.layers = nn.ModuleList(_Layer(layer, config) for layer in backbone.layers)
        self.norm = _Norm(backbone.norm.weight, config.rms_norm_eps)
        self.projection = detached.network.projection
        self.head = detached.heads.shadow
        positions = torch.arange(max_tokens).unsqueeze(0)
        cos, sin = backbone.rotary_emb(torch.zeros(1, 1), positions)  # (1, max_tokens, e) each
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, input_ids: Tensor) -> Tensor:
        """input_ids (1, T) with T <= max_tokens -> logits (1, num_labels)."""
        hidden = self.embedding(input_ids)[0]  # (T, d)
        tokens = hidden.shape[0]
        cos, sin = self.get_buffer("cos")[:, :tokens], self.get_buffer("sin")[:, :tokens]  # (1, T, e)
        for layer in self.layers:
            hidden = layer(hidden, cos, sin)
        state = self.projection(self.norm(hidden))  # (1) of arXiv 2604.19254  (T, d)
        return self.head(state.mean(dim=0, keepdim=True))


def suits(detached: DetachedShadow) -> bool:
    """Whether `SingleLlama` can stand in."""
    backbone: Any = detached.network.backbone
    config = backbone.config
    plain = config.model_type == "llama" and not config.attention_bias and not config.mlp_bias
    return plain and detached.config.prefix_attention and detached.config.pooling == "mean"


class _Norm(nn.Module):
    """Root mean square norm, spelt as ONNX Runtime fuses it."""

    def __init__(self, weight: Tensor, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
        self.epsilon = epsilon

    def forward(self, hidden: Tensor) -> Tensor:
        scale = torch.sqrt(hidden.pow(2).mean(dim=-1, keepdim=True) + self.epsilon)
        return self.weight * (hidden / scale)


class _Layer(nn.Module):
    """One decoder block; shapes as in `SingleLlama`."""

    def __init__(self, layer: Any, config: Any) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.heads, self.key_heads = config.num_attention_heads, config.num_key_value_heads
        self.width = attention.head_dim
        query = attention.q_proj.weight * self.width**-0.5  # the softmax's scale
        self.qkv = _linear(torch.cat([query, attention.k_proj.weight, attention.v_proj.weight]))
        self.out = _linear(attention.o_proj.weight)
        self.gate_up = _linear(torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]))
        self.down = _linear(mlp.down_proj.weight)
        self.before_attention = _Norm(layer.input_layernorm.weight, config.rms_norm_eps)
        self.before_mlp = _Norm(layer.post_attention_layernorm.weight, config.rms_norm_eps)

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        hidden = hidden + self.out(self._attend(self.qkv(self.before_attention(hidden)), cos, sin))
        gate, up = self.gate_up(self.before_mlp(hidden)).chunk(2, dim=-1)
        return hidden + self.down(F.silu(gate) * up)

    def _attend(self, qkv: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(T, (H + 2K) e) -> (T, H e)"""
        heads = qkv.view(-1, self.heads + 2 * self.key_heads, self.width).transpose(0, 1)  # (H + 2K, T, e)
        turned, value = heads[: self.heads + self.key_heads], heads[self.heads + self.key_heads :]
        half = self.width // 2
        crossed = torch.cat([-turned[..., half:], turned[..., :half]], dim=-1)
        turned = turned * cos + crossed * sin  # rotary positions
        query, key = turned[: self.heads], turned[self.heads :]
        grouped = query.reshape(self.key_heads, -1, self.width)  # (K, H/K T, e)
        weights = torch.softmax(grouped @ key.transpose(1, 2), dim=-1)  # (K, H/K T, T)
        mixed = (weights @ value).view(self.heads, -1, self.width)  # (H, T, e)
        return mixed.transpose(0, 1).reshape(-1, self.heads * self.width)


def _linear(weight: Tensor) -> nn.Linear:
    """A frozen bias-free Linear of this weight."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    return linear
