"""Weights in oneDNN's layout: the same logits to rounding, noticed changes, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from tiny import SIZES, Build, excite, make_batch, make_llama, make_qwen3
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen2Config

from shadow_intent.shadow import Shadow, ShadowConfig, ShadowedModel, ShadowNetwork, Speculator
from shadow_intent.shadow.prepack import Prepack, available, layer

pytestmark = pytest.mark.skipif(not available(), reason="this build of PyTorch has no oneDNN")
IDS = torch.arange(1, 9).view(1, 8)


def make_qwen2() -> PreTrainedModel:
    """Biases on q, k and v."""
    return AutoModelForCausalLM.from_config(Qwen2Config(**SIZES)).eval()


@pytest.fixture(params=[make_llama, make_qwen2, make_qwen3], ids=["llama", "qwen2", "qwen3"])
def shadowed(request: pytest.FixtureRequest, trained: Build) -> ShadowedModel:
    base = request.param()
    excite(base, 0.1)
    return trained(base)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 2, 3, 16, 70])
@torch.no_grad()
def test_layers_over_the_same_rows(rows: int, bias: bool) -> None:
    linears = [nn.Linear(48, size, bias=bias) for size in (40, 8, 24)]
    made, given = layer(linears, Prepack()), torch.randn(2, rows, 48)
    assert made.packed is not None
    for got, linear in zip(made.each(given), linears, strict=True):
        torch.testing.assert_close(got, linear(given), atol=1e-5, rtol=1e-5)
    alone = layer(linears[:1], Prepack())
    torch.testing.assert_close(alone(given), linears[0](given), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_logits_and_written_tokens_are_the_same(shadowed: ShadowedModel) -> None:
    ids, mask = make_batch("left")
    plain = shadowed(ids, mask).logits
    greedy = shadowed.generate(ids, attention_mask=mask, max_new_tokens=6, do_sample=False)
    shadowed.prepack()
    torch.testing.assert_close(shadowed(ids, mask).logits[mask.bool()], plain[mask.bool()], atol=1e-4, rtol=1e-4)
    assert shadowed._loop is not None and shadowed.network._loop is not None
    for loop in (shadowed._loop, shadowed.network._loop):
        assert all(block.qkv.packed and block.o.packed and block.gate_up.packed for block in loop.blocks)
    assert torch.equal(shadowed.generate(ids, attention_mask=mask, max_new_tokens=6, do_sample=False), greedy)


@torch.inference_mode()
def test_speculation_writes_what_one_by_one_writes(shadowed: ShadowedModel) -> None:
    shadowed.prepack()
    greedy = shadowed.generate(IDS, max_new_tokens=12, do_sample=False)
    for length in (1, 3, 7):
        written = Speculator(shadowed, length=length).generate(IDS, max_new_tokens=12)
        assert torch.equal(written.tokens, greedy)


def replaced(weight: nn.Parameter) -> None:
    weight.data = torch.randn_like(weight)


@pytest.mark.parametrize("change", [nn.init.zeros_, replaced])
@pytest.mark.parametrize("name", ["model.layers.1.self_attn.v_proj.weight", "model.layers.0.mlp.down_proj.weight"])
@torch.no_grad()
def test_a_changed_weight_is_read_from_the_next_prompt_on(
    trained: Build, change: Callable[[nn.Parameter], object], name: str
) -> None:
    base = make_llama()
    excite(base, 0.2)
    weight = base.get_parameter(name)
    model = trained(base)
    model.prepack()
    before = model(IDS).logits
    change(weight)
    after = model(IDS).logits
    model.prepack(False)
    assert not torch.allclose(before, after, atol=1e-3)
    torch.testing.assert_close(after, model(IDS).logits, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_shadow_is_packed_when_it_is_put_on_and_no_longer_when_it_is_taken_off(trained: Build) -> None:
    base = make_llama()
    config = ShadowConfig(num_layers=1)
    other = Shadow(config, ShadowNetwork.random(base, config))
    before = base(IDS).logits
    model = trained(base)
    model.prepack()
    model.add("other", other)
    model.use("other")
    model(IDS)
    assert other.network._loop is not None and other.network._loop.blocks[0].o.packed is not None
    first = model.network
    assert model.remove("default").network.prepack is None
    model.add("default", Shadow(model.shadow_config, first, model.adapters))
    assert torch.equal(model.detach()(IDS).logits, before)
    assert first.prepack is other.network.prepack is None


@torch.no_grad()
def test_only_float32_on_a_cpu_is_copied() -> None:
    linear = nn.Linear(48, 32)
    assert layer([linear], None).packed is None
    assert layer([nn.Linear(48, 32), nn.Linear(48, 32, bias=False)], Prepack()).packed is None
    for other in (deepcopy(linear).double(), deepcopy(linear).bfloat16(), nn.Linear(48, 32, device="meta")):
        assert layer([other], Prepack()).packed is None
    with torch.inference_mode():
        assert layer([nn.Linear(48, 32)], Prepack()).packed is None  # without a version to tell changes by


@torch.no_grad()
def test_a_copy_of_the_model_packs_its_own(trained: Build) -> None:
    model = trained(make_llama())
    model.prepack()
    expected = model(IDS).logits
    copied = deepcopy(model)
    torch.testing.assert_close(copied(IDS).logits, expected, atol=1e-5, rtol=1e-5)
    nn.init.zeros_(copied.base.get_parameter("model.norm.weight"))
    assert not copied(IDS).logits.any() and torch.equal(model(IDS).logits, expected)


@torch.no_grad()
def test_training_and_gradients_leave_the_copies_alone(trained: Build) -> None:
    model = trained(make_llama())
    model.prepack()
    with torch.enable_grad():
        model.train()(IDS, labels=IDS).loss.backward()
    assert all(weight.grad is not None for weight in model.adapters.parameters())
    assert model.eval()(IDS).logits.isfinite().all()
