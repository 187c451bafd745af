from __future__ import annotations

import pytest
import torch
from tiny import make_llama

from shadow_intent.shadow import ShadowConfig, ShadowNetwork, attach
from shadow_intent.shadow.sizes import llama_70b, main, measure


def test_a_70b_llama_on_the_meta_device() -> None:
    sizes = measure(llama_70b(), ShadowConfig(num_layers=2, rank=16, gate_width=10), torch.bfloat16)
    assert sizes.base == 70_553_706_496
    d, blocks = 8192, 80
    assert sizes.parts["injections"] == (blocks - 1) * 2 * d * 16
    assert sizes.parts["updates"] == (blocks - 2) * 4 * d * 10 + 2 * d
    assert sizes.parts["f"] == 2 * (2 * d * d + 2 * d * 1024 + 3 * d * 28672 + 2 * d) + d
    assert sizes.parts["P"] == sizes.parts["token table"] == 0
    assert sizes.shapes["update.inner.weight"] == (20, d)
    assert sizes.cache_base == 2 * 80 * 8 * 128 * 2
    assert sizes.cache_shadow == 2 * 2 * 8 * 128 * 2


def test_numbers_are_those_of_a_real_model() -> None:
    base = make_llama()
    config = ShadowConfig(dialect="peft")
    network = ShadowNetwork.random(base, config, hidden_size=16, head_dim=4)
    model = attach(base, network, config)
    sizes = measure(base.config, config, torch.float32, hidden_size=16, head_dim=4)
    assert sizes.base == sum(weight.numel() for weight in base.parameters())
    assert sizes.trained == sum(weight.numel() for weight in model.shadow.parameters())
    assert sizes.shapes["P.weight"] == (32, 16)
    assert sizes.detached == sum(w.numel() for w in network.parameters()) + base.lm_head.weight.numel()


def test_the_command_prints_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--hidden-size", "1024", "--rank", "8"]) == 0
    assert "70,553,706,496" in capsys.readouterr().out
    assert main(["--layers", "200"]) == 1
    assert "num_layers must be <= 80" in capsys.readouterr().err
