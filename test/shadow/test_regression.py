"""Files written once, in our format and with our savers in those of the peers, are read and say what they said then.

See regression/generate.py. What the peers themselves write is read in test_exchange.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from shadow_intent.shadow import (
    DetachedLanguage,
    Shadow,
    ShadowConfig,
    ShadowedModel,
    load_peft,
    load_projected,
    load_shadow,
    load_shadow_peft,
    prefix_mask,
)

HERE = Path(__file__).resolve().parent / "regression"
IDS = torch.tensor([[0, 0, 5, 17, 9], [3, 11, 4, 8, 2]])
MASK = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
LABELS = torch.tensor([[-100, -100, 5, 17, 9], [-100, 11, 4, 8, 2]])
CLASSES = torch.tensor([2, 0])
PREFIX = torch.tensor([2, 4])
CLOSE = {"atol": 1e-5, "rtol": 1e-5}
PLAIN: dict[str, Any] = {"pooling": "last", "head_bias": False}
"""What the peers' formats can hold."""
NARROW = {"hidden_size": 4}
CASES: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "paper": (PLAIN, {}),
    "peft": (PLAIN, {}),
    "paper-projected": ({"distill": 0.5}, NARROW),
    "peft-projected": ({"update": False}, NARROW),
    "paper-prefix": ({"prefix_attention": True}, {}),
    "peft-prefix": ({"prefix_attention": True, "lambda_classify": 0.5}, {}),
}
"""By folder, dialect first: settings, and what of the base's config is another in f."""


def say(model: ShadowedModel) -> dict[str, Tensor]:
    """What a shadow says on its base and alone, and its losses (9)."""
    real, length = MASK.bool(), PREFIX if model.shadow_config.prefix_attention else None
    output = model(IDS, attention_mask=MASK, labels=LABELS, prefix_length=length)
    classes = model.classify(IDS, MASK, CLASSES)
    return {
        "logits": output.logits[real],
        "state": output.shadow_state[real],
        "loss": output.loss,
        "classes": classes.logits,
        "class_loss": classes.loss,
        **say_alone(model.shadow, model.base),
    }


def say_alone(shadow: Shadow, base: PreTrainedModel) -> dict[str, Tensor]:
    """What it says detached."""
    prefix = prefix_mask(MASK, PREFIX) if shadow.config.prefix_attention else None
    language = DetachedLanguage(shadow, base)(IDS, MASK, prefix)
    told = {"shadow_logits": language[MASK.bool()]}
    return told if shadow.heads is None else told | {"shadow_classes": shadow.detached()(IDS, MASK)}


def check(said: dict[str, Tensor], folder: str) -> None:
    told = load_file(HERE / folder / "told.safetensors")
    for name, value in said.items():
        torch.testing.assert_close(value, told[name], **CLOSE, msg=lambda text, name=name: f"{name}: {text}")


@pytest.fixture
def base() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(HERE / "base", dtype=torch.float32).eval()


@pytest.mark.parametrize("grad", [True, False], ids=["forward", "loop"])
@pytest.mark.parametrize(
    ("folder", "load"),
    [*((name, load_shadow) for name in CASES), ("paper-peer", load_shadow_peft), ("peft-peer", load_peft)],
)
def test_a_file_says_what_it_said(base: PreTrainedModel, folder: str, load, grad: bool) -> None:
    model = load(HERE / folder, base).attach(base).eval()
    with torch.set_grad_enabled(grad):
        said = say(model)
        assert said.keys() == load_file(HERE / folder.removesuffix("-peer") / "told.safetensors").keys()
        check(said, folder.removesuffix("-peer"))
        check(say_alone(model.shadow, model.detach()), folder.removesuffix("-peer"))


def test_a_projected_folder_says_what_it_said(base: PreTrainedModel) -> None:
    network = load_projected(HERE / "paper-projected-peer", base).eval()
    check(say_alone(Shadow(ShadowConfig(), network), base), "paper-projected")


NAMES = {
    "paper": ["adapters.norm.weight", "adapters.updates.0.inner.weight", "heads.shadow.weight"],
    "peft": ["adapters.injections.0.down.weight", "adapters.updates.1.gate.bias", "network.backbone.norm.weight"],
    "paper-projected": ["network.projection.weight", "network.embedding.weight", "heads.base.bias"],
}


@pytest.mark.parametrize("folder", CASES)
def test_the_names_in_a_file_are_those_the_model_has(base: PreTrainedModel, folder: str) -> None:
    weights = load_file(HERE / folder / "shadow.safetensors")
    shadow = load_shadow(HERE / folder, base)
    ours = {f"{part}.{name}" for part, module in shadow.parts().items() for name in module.state_dict()}
    assert weights.keys() == ours
    assert weights.keys() >= set(NAMES.get(folder, []))
