"""A base model as it is, and under each method, all over the same weights. The peers are in the test extra."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen3Config

from shadow_intent.cloud.base import load_base
from shadow_intent.errors import ConfigError
from shadow_intent.shadow import ShadowConfig, ShadowedModel, ShadowNetwork, attach
from training import rivals
from training.rivals import same_weights

LAYERS, RANK, GATE, ALPHA = 2, 16, 10, 0.1
"""Of every shadow."""
LORA_RANK = 8


def smollm2(dtype: torch.dtype) -> PreTrainedModel:
    """SmolLM2-135M-Instruct."""
    return load_base(dtype=dtype)


def qwen3(dtype: torch.dtype) -> PreTrainedModel:
    """Random weights in the shape of Qwen3-0.6B."""
    config = Qwen3Config(
        vocab_size=151936,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return model.eval().requires_grad_(False)


BASES: dict[str, Callable[[torch.dtype], PreTrainedModel]] = {"smollm2": smollm2, "qwen3": qwen3}


def awake(model: nn.Module) -> nn.Module:
    """Gives what starts at zero a value, so that nothing is a special case."""
    for weight in model.parameters():
        if weight.requires_grad and not weight.any():
            nn.init.normal_(weight, std=1e-3)
    return model.eval()


def lora(base: PreTrainedModel) -> nn.Module:
    return awake(rivals.lora(base, LORA_RANK))


def dora(base: PreTrainedModel) -> nn.Module:
    return awake(rivals.lora(base, LORA_RANK, dora=True))


def peft_shadow(base: PreTrainedModel) -> nn.Module:
    """Raises ConfigError without peft."""
    try:
        import peft
    except ImportError as error:
        raise ConfigError("peft's Shadow comes from peft: pip install '.[test]'") from error
    config = peft.ShadowConfig(
        task_type="CAUSAL_LM",
        r=RANK,
        update_hidden_size=GATE,
        shadow_alpha=ALPHA,
        shadow_num_hidden_layers=LAYERS,
        shadow_dropout=0.0,
    )
    return awake(peft.get_peft_model(same_weights(base), config))


def authors_shadow(base: PreTrainedModel) -> nn.Module:
    """Raises ConfigError without shadow-peft."""
    try:
        import shadow_peft
        from shadow_peft.task_models import ShadowForCausalLM
    except ImportError as error:
        raise ConfigError("the authors' Shadow comes from shadow-peft: pip install '.[test]'") from error
    config = shadow_peft.ShadowConfig(
        num_shadow_layers=LAYERS, injection_hidden_size=RANK, gate_hidden_size=GATE, alpha=ALPHA, dropout=0.0
    )
    return awake(ShadowForCausalLM(shadow_peft.get_shadow_model(same_weights(base), config)))


def ours(base: PreTrainedModel, dialect: str = "paper") -> ShadowedModel:
    config = ShadowConfig(dialect=dialect, num_layers=LAYERS, rank=RANK, gate_width=GATE, alpha=ALPHA, dropout=0.0)
    base = same_weights(base)
    model = attach(base, ShadowNetwork.random(base, config), config)
    awake(model)
    return model


def prepacked(base: PreTrainedModel) -> ShadowedModel:
    """Ours over weights in oneDNN's layout; the peers leave them as they are."""
    model = ours(base)
    model.prepack()
    return model


METHODS: dict[str, Callable[[PreTrainedModel], nn.Module]] = {
    "base": same_weights,
    "LoRA": lora,
    "DoRA": dora,
    "peft Shadow": peft_shadow,
    "shadow-peft": authors_shadow,
    "ours": ours,
    "ours, prepacked": prepacked,
}
SHADOWS = ("peft Shadow", "shadow-peft", "ours", "ours, prepacked")
TRAINED = ("LoRA", "DoRA", "peft Shadow", "shadow-peft", "ours")
