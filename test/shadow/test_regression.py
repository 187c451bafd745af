"""Files written once, in our format and with our savers in those of the peers, are read and say what they said then.

See regression/generate.py. What the peers themselves write is read in test_exchange.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from shadow_intent.shadow import load_peft, load_shadow, load_shadow_peft

HERE = Path(__file__).resolve().parent / "regression"
IDS = torch.tensor([[0, 0, 5, 17, 9], [3, 11, 4, 8, 2]])
MASK = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture
def base() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(HERE / "base", dtype=torch.float32).eval()


@pytest.mark.parametrize("grad", [True, False], ids=["forward", "loop"])
@pytest.mark.parametrize(
    ("folder", "load"),
    [
        ("paper", load_shadow),
        ("peft", load_shadow),
        ("paper-peer", load_shadow_peft),
        ("peft-peer", load_peft),
    ],
)
def test_a_file_says_what_it_said(base: PreTrainedModel, folder: str, load, grad: bool) -> None:
    told = load_file(HERE / folder.removesuffix("-peer") / "told.safetensors")
    model = load(HERE / folder, base).attach(base).eval()
    with torch.set_grad_enabled(grad):
        output, classes = model(IDS, attention_mask=MASK), model.classify(IDS, MASK)
        detached = model.detached()(IDS, MASK)
    real = MASK.bool()
    torch.testing.assert_close(output.logits[real], told["logits"][real], **CLOSE)
    torch.testing.assert_close(output.shadow_state[real], told["state"][real], **CLOSE)
    torch.testing.assert_close(classes.logits, told["classes"], **CLOSE)
    torch.testing.assert_close(classes.shadow_logits, told["shadow_classes"], **CLOSE)
    torch.testing.assert_close(detached, told["shadow_classes"], **CLOSE)


NAMES = {
    "paper": ["adapters.norm.weight", "adapters.updates.0.inner.weight", "heads.shadow.weight"],
    "peft": ["adapters.injections.0.down.weight", "adapters.updates.1.gate.bias", "network.backbone.norm.weight"],
}


@pytest.mark.parametrize("dialect", ["paper", "peft"])
def test_the_names_in_a_file_are_those_the_model_has(base: PreTrainedModel, dialect: str) -> None:
    weights = load_file(HERE / dialect / "shadow.safetensors")
    shadow = load_shadow(HERE / dialect, base)
    ours = {f"{part}.{name}" for part, module in shadow.parts().items() for name in module.state_dict()}
    assert weights.keys() == ours
    assert weights.keys() >= set(NAMES[dialect])
