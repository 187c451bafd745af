"""The loop at inference is transformers' own forward, bit for bit, and its cache is a DynamicCache."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from tiny import BLOCKS, SIZES, WIDTH, Batch, Build, excite, make_batch, make_llama
from torch import nn
from transformers import AutoModelForCausalLM, Cache, DynamicCache, MistralConfig, PreTrainedModel, Qwen2Config

from shadow_intent.shadow import ShadowConfig
from shadow_intent.shadow.cache import GrowingLayer, new_layers
from shadow_intent.shadow.layers import Adapters, RowAdapters
from shadow_intent.shadow.loop import BlockLoop, run
from shadow_intent.shadow.packed import pack

CONFIGS = {"mistral": MistralConfig(**SIZES, sliding_window=None), "qwen2": Qwen2Config(**SIZES)}


@pytest.fixture(params=["base", *CONFIGS])
def shaped_like_llama(request: pytest.FixtureRequest) -> PreTrainedModel:
    if request.param == "base":
        return make_llama()
    model = AutoModelForCausalLM.from_config(CONFIGS[request.param]).eval()
    excite(model, 0.1)  # biases start at zero
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_it_is_the_decoder_bit_for_bit(shaped_like_llama: PreTrainedModel, base: PreTrainedModel, dtype) -> None:
    for model in (shaped_like_llama, base):
        decoder = model.to(dtype).model
        loop = BlockLoop.of(decoder)
        assert loop is not None
        for ids, mask in (make_batch("left"), make_batch("right"), (torch.randint(1, 60, (1, 7)), None)):
            theirs, ours = DynamicCache(config=decoder.config), Cache(layers=new_layers(decoder.config))
            for start, end in ((0, 4), (4, 5), (5, 7)):
                seen = None if mask is None else mask[:, :end]
                part = ids[:, start:end]
                expected = decoder(part, attention_mask=seen, past_key_values=theirs).last_hidden_state
                got = run(loop, decoder.embed_tokens(part), seen, None, ours)
                real = torch.ones_like(part, dtype=torch.bool) if mask is None else mask[:, start:end].bool()
                assert torch.equal(got[real], expected[real])


@pytest.mark.parametrize("change", ["hook", "linear", "eager", "patched", "norm"])
def test_blocks_that_are_not_plain_are_left_to_transformers(llama: PreTrainedModel, change: str) -> None:
    block = llama.model.layers[1]
    if change == "hook":
        block.mlp.register_forward_hook(lambda *_: None)
    elif change == "linear":
        block.mlp.up_proj = nn.Sequential(block.mlp.up_proj)
    elif change == "norm":
        llama.model.norm.register_forward_pre_hook(lambda *_: None)
    elif change == "eager":
        llama.set_attn_implementation("eager")
    else:
        block.forward = block.forward
    assert BlockLoop.of(llama.model) is None


@pytest.mark.parametrize(
    "module", ["base", "base.model.layers.1", "adapters.injections.1", "adapters.updates.1", "adapters.norm"]
)
def test_a_hook_is_called(llama: PreTrainedModel, trained: Build, module: str) -> None:
    model, called = trained(llama), []
    place, _, inner = module.partition(".")
    getattr(model, place).get_submodule(inner).register_forward_hook(lambda *_: called.append(1))
    model.generate(torch.randint(1, 60, (1, 6)), max_new_tokens=3, do_sample=False)
    assert len(called) == 3 * (len(model.adapters.updates) if module == "adapters.norm" else 1)


@pytest.mark.parametrize("dialect", ["paper", "peft"])
@pytest.mark.parametrize("update", [True, False])
@torch.inference_mode()
def test_packed_adapters_compute_what_the_adapters_compute(dialect: str, update: bool) -> None:
    adapters = Adapters(WIDTH, BLOCKS, ShadowConfig(dialect=dialect, alpha=0.7, update=update)).eval()
    excite(adapters)
    packed = pack(adapters, anew=True)
    hidden, state = torch.randn(3, WIDTH), torch.randn(3, WIDTH)
    for block in range(BLOCKS):
        for name in ("inject", "update"):
            got, expected = (getattr(x, name)(block, hidden, state) for x in (packed, adapters))
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_weights_changed_between_calls_are_seen(llama: PreTrainedModel, left_batch: Batch, trained: Build) -> None:
    model = trained(llama)
    with torch.inference_mode():
        first = model(left_batch[0]).logits
    for injection in model.adapters.injections:
        injection.up.weight.data.zero_()
    with torch.inference_mode():
        assert not torch.equal(model(left_batch[0]).logits, first)
        assert torch.equal(model(left_batch[0]).logits, llama(left_batch[0]).logits)


def test_inference_and_training_agree(base: PreTrainedModel, batch: Batch, trained: Build) -> None:
    ids, mask = batch
    model = trained(base, prefix_attention=True)
    slow = model(ids, attention_mask=mask, prefix_length=mask.sum(-1))
    with torch.no_grad():
        fast = model(ids, attention_mask=mask, prefix_length=mask.sum(-1))
    real = mask.bool()
    torch.testing.assert_close(fast.logits[real], slow.logits[real], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fast.shadow_state[real], slow.shadow_state[real], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_float_shadow_on_a_bfloat16_base_keeps_its_type(llama: PreTrainedModel, trained: Build) -> None:
    model = trained(llama.to(torch.bfloat16))
    model.shadow.float()
    ids = torch.randint(1, 60, (1, 6))
    fast = model(ids).logits
    model.train().eval()
    slow = model(ids, output_attentions=True).logits  # not in the loop
    assert fast.dtype == slow.dtype == torch.bfloat16
    torch.testing.assert_close(fast, slow, atol=0.05, rtol=0.05)


def test_generate_runs_in_it(llama: PreTrainedModel, trained: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(llama)
    monkeypatch.setattr(type(llama), "forward", None)  # transformers' own way is barred
    assert model.generate(torch.randint(1, 60, (1, 6)), max_new_tokens=3, do_sample=False).shape == (1, 9)


@torch.inference_mode()
def test_rows_have_their_own_adapters() -> None:
    adapters = [Adapters(WIDTH, BLOCKS, ShadowConfig(rank=rank)).eval() for rank in (4, 6)]
    for one in adapters:
        excite(one)
    hidden, state = torch.randn(3, 2, WIDTH), torch.randn(3, 2, WIDTH)
    mixed = RowAdapters(adapters, torch.tensor([1, 0, 1]))
    for name in ("inject", "update"):
        first, second, both = (getattr(x, name)(1, hidden, state) for x in (*adapters, mixed))
        assert torch.equal(both, torch.stack([second[0], first[1], second[2]]))


def fill(layer: GrowingLayer, length: int, rows: int = 2) -> torch.Tensor:
    new = torch.randn(rows, 2, length, 4)
    layer.update(new, -new)
    return new


def test_a_layer_grows_in_place_and_keeps_what_is_in_it() -> None:
    layer, parts = GrowingLayer(), []
    for length in (5, 1, 1, 70, 1):
        parts.append(fill(layer, length))
        assert torch.equal(layer.keys, torch.cat(parts, 2))
        assert torch.equal(layer.values, -layer.keys)
    place = layer.keys.data_ptr()
    fill(layer, 1)
    assert layer.keys.data_ptr() == place


def test_a_cropped_reordered_or_copied_layer_goes_on() -> None:
    layer = GrowingLayer()
    first = fill(layer, 5)
    layer.crop(-2)
    copy = deepcopy(layer)
    second = fill(layer, 1)
    assert torch.equal(layer.keys, torch.cat([first[:, :, :3], second], 2))
    other = fill(copy, 2)
    assert torch.equal(copy.keys, torch.cat([first[:, :, :3], other], 2))
    assert torch.equal(layer.keys, torch.cat([first[:, :, :3], second], 2))
    before = layer.keys
    layer.reorder_cache(torch.tensor([1, 1]))
    third = fill(layer, 1)
    assert torch.equal(layer.keys, torch.cat([before[[1, 1]], third], 2))


def test_a_layer_filled_in_inference_mode_goes_on_outside_and_under_a_graph() -> None:
    layer = GrowingLayer()
    with torch.inference_mode():
        first = fill(layer, 5)
    second = fill(layer, 1)
    new = torch.randn(2, 2, 1, 4, requires_grad=True)
    layer.update(new, new)
    assert torch.equal(layer.keys, torch.cat([first, second, new], 2))
    layer.keys[:, :, -1].sum().backward()
    assert torch.equal(new.grad, torch.ones_like(new))
