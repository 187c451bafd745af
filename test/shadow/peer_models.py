"""Tiny models with the shadows of both peers on them, and what their tests share."""

from __future__ import annotations

from collections.abc import Callable

import peft
import pytest
import shadow_peft
import torch
from shadow_peft.task_models import ShadowForCausalLM
from tiny import BLOCKS, SIZES, TOKENS, VOCABULARY, WIDTH, make_batch, make_gpt2, make_llama, make_qwen3
from torch import Tensor, nn
from transformers import (
    LlamaConfig,
    LlamaForSequenceClassification,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedModel,
)

CLOSE = {"atol": 1e-5, "rtol": 1e-5}
LABELS = 5


def make_opt() -> PreTrainedModel:
    """A decoder inside a model inside a causal LM."""
    sizes = {"hidden_size": WIDTH, "word_embed_proj_dim": WIDTH, "ffn_dim": 48, "num_hidden_layers": BLOCKS}
    return OPTForCausalLM(OPTConfig(vocab_size=VOCABULARY, num_attention_heads=4, **sizes, **TOKENS)).eval()


def make_classifier() -> PreTrainedModel:
    return LlamaForSequenceClassification(LlamaConfig(**SIZES, num_labels=LABELS)).eval()


def language_base(classifier: PreTrainedModel) -> PreTrainedModel:
    """The causal LM with the decoder of a classifier."""
    base = make_llama()
    base.model.load_state_dict(classifier.model.state_dict())
    return base


def a_few_steps(model: nn.Module, loss: Callable[[], Tensor]) -> None:
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=0.02)
    model.train()
    for _ in range(4):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    model.eval()


def teach(model: nn.Module, labels: Tensor | None = None) -> None:
    ids, mask = make_batch("right")
    labels = ids.masked_fill(mask == 0, -100) if labels is None else labels
    a_few_steps(model, lambda: model(input_ids=ids, attention_mask=mask, labels=labels).loss)


def agree(one: nn.Module, other: nn.Module) -> None:
    for side in ("left", "right"):
        ids, mask = make_batch(side)
        with torch.no_grad():
            first, second = (m(input_ids=ids, attention_mask=mask).logits[mask.bool()] for m in (one, other))
        torch.testing.assert_close(first, second, **CLOSE)


def differs(model: nn.Module, base: PreTrainedModel) -> None:
    ids, mask = make_batch("right")
    with torch.no_grad():
        change = (model(input_ids=ids, attention_mask=mask).logits - base(ids, attention_mask=mask).logits).abs().max()
    assert change > 1e-3


BASES = pytest.mark.parametrize("make", [make_llama, make_qwen3, make_gpt2, make_opt], ids=lambda make: make.__name__)


def authors(base: PreTrainedModel, small: PreTrainedModel | None = None, **settings: object) -> ShadowForCausalLM:
    config = shadow_peft.ShadowConfig(**{"alpha": 0.7, "gate_hidden_size": 6, **settings})
    return ShadowForCausalLM(shadow_peft.get_shadow_model(base, config, shadow_model=small))


def huggingface(base: PreTrainedModel, task: str = "CAUSAL_LM", **settings: object) -> nn.Module:
    return peft.get_peft_model(base, peft.ShadowConfig(task_type=task, shadow_alpha=0.7, **settings))
