"""The methods ShadowPEFT is compared with, from `peft` (in the test extra), at about as many trained weights."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from shadow_intent.errors import ConfigError

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def same_weights(base: PreTrainedModel) -> PreTrainedModel:
    """Another model object over the same parameters."""
    shared: dict[int, Any] = {id(weight): weight for weight in base.parameters()}
    return deepcopy(base, shared)


def trainable(model: nn.Module) -> int:
    """Weights that get a gradient."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def lora(base: PreTrainedModel, rank: int, dora: bool = False) -> nn.Module:
    """LoRA or DoRA, unmerged, on all linear layers of the blocks, over the weights of `base`. Raises ConfigError."""
    try:
        import peft
    except ImportError as error:
        raise ConfigError("LoRA and DoRA come from peft: pip install '.[test]'") from error
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules=LINEAR, use_dora=dora)
    model: nn.Module = peft.get_peft_model(same_weights(base), config)
    return model


def lora_rank_for(base: PreTrainedModel, weights: int) -> int:
    """The rank at which LoRA trains closest to so many weights: they differ by half of what a rank has, or less.

    Over SmolLM2-135M a rank has 305,280 weights, 3.6 % of what a shadow of two blocks trains. A classification head
    and, for DoRA, the magnitudes come on top: with the 150 classes of CLINC150 LoRA trains 2.4 % more than the shadow
    and DoRA 4.2 %.
    """
    return max(1, round(weights / trainable(lora(base, 1))))
