"""Tiny random models, batches and weights that the tests of the shadow share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from shadow_intent.shadow import ShadowedModel

VOCABULARY, WIDTH, BLOCKS = 60, 32, 4
TOKENS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    **TOKENS,
}
Batch = tuple[Tensor, Tensor]
Build = Callable[..., ShadowedModel]


def make_llama() -> PreTrainedModel:
    return LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=True)).eval()


def make_qwen3() -> PreTrainedModel:
    return Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=8)).eval()


def make_gpt2() -> PreTrainedModel:
    """Blocks in `h`, learned positions, a table that neither peer drops."""
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=BLOCKS, n_head=4, n_positions=64, **TOKENS)
    ).eval()


def make_small(**sizes: int) -> PreTrainedModel:
    """Half as wide as the others."""
    narrow = {**SIZES, "hidden_size": WIDTH // 2, "num_hidden_layers": 3, "head_dim": 8, **sizes}
    return LlamaForCausalLM(LlamaConfig(**narrow)).eval()


def make_batch(side: str) -> Batch:
    ids = torch.randint(1, VOCABULARY, (2, 7))
    mask = torch.ones_like(ids)
    mask[0, slice(0, 3) if side == "left" else slice(4, 7)] = 0
    return ids * mask, mask


def excite(module: nn.Module, std: float = 0.3) -> None:
    """Gives every weight a random value, so that nothing is zero by its start."""
    for weight in module.parameters():
        nn.init.normal_(weight, std=std)


def agreeable(model: ShadowedModel) -> ShadowedModel:
    """Adapters so weak that a shadow of all blocks mostly expects what the model says."""
    for injection in model.adapters.injections:
        injection.up.weight.data.mul_(0.02)
    return model
