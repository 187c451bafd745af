"""Every architecture on a tiny random config: untrained is the base, cached is uncached, detaching gives it back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import BLOCKS, SIZES, VOCABULARY, WIDTH, excite, make_batch
from transformers import (
    AutoModelForCausalLM,
    FalconConfig,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PhiConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from shadow_intent.shadow import Shadow, ShadowConfig, ShadowNetwork, attach, load_shadow, save_shadow
from shadow_intent.shadow.decoders import blocks_of, field_of

TOKENS = {"vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
WIDE = {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "num_attention_heads": 4}
CONFIGS = {
    "llama": LlamaConfig(**SIZES),
    "mistral": MistralConfig(**SIZES, sliding_window=None),
    "mistral-window": MistralConfig(**SIZES, sliding_window=4),
    "qwen2": Qwen2Config(**SIZES),
    "qwen3": Qwen3Config(**SIZES, head_dim=8),
    "gemma": GemmaConfig(**SIZES, head_dim=8),
    "gemma3": Gemma3TextConfig(
        **SIZES, head_dim=8, sliding_window=4, layer_types=["sliding_attention", "full_attention"] * 2
    ),
    "phi": PhiConfig(**SIZES, partial_rotary_factor=0.5),
    "gpt2": GPT2Config(n_embd=WIDTH, n_layer=BLOCKS, n_head=4, n_positions=64, **TOKENS),
    "gpt-neox": GPTNeoXConfig(**WIDE, **TOKENS, intermediate_size=48, max_position_embeddings=64),
    "opt": OPTConfig(**WIDE, **TOKENS, word_embed_proj_dim=WIDTH, ffn_dim=48, max_position_embeddings=64),
    "falcon": FalconConfig(**WIDE, **TOKENS),
    "falcon-alibi": FalconConfig(**WIDE, **TOKENS, alibi=True),
}
LACKING = {
    "head_dim": ("qwen2", "phi", "gpt2", "gpt_neox", "opt", "falcon"),
    "num_key_value_heads": ("gpt2", "gpt_neox", "opt"),
}
"""Sizes that some architectures do not have, or have only as a result of others."""
ARCHITECTURES = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
CLOSE = {"atol": 2e-5, "rtol": 2e-5}


def make(config: PreTrainedConfig) -> PreTrainedModel:
    return AutoModelForCausalLM.from_config(config).eval()


@ARCHITECTURES
def test_untrained_is_the_base_and_detaching_gives_it_back(config: PreTrainedConfig) -> None:
    base = make(config)
    ids, mask = make_batch("right")
    expected, modules = base(ids, attention_mask=mask).logits, [id(module) for module in base.modules()]
    settings = ShadowConfig()
    model = attach(base, ShadowNetwork.cut(base, settings), settings)
    assert torch.equal(model(ids, attention_mask=mask).logits, expected)
    excite(model.adapters)
    assert (model.eval()(ids, attention_mask=mask).logits - expected).abs().max() > 1e-3
    base = model.detach()
    assert [id(module) for module in base.modules()] == modules
    assert torch.equal(base(ids, attention_mask=mask).logits, expected)


@ARCHITECTURES
@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_cut_of_all_blocks_is_the_decoder(config: PreTrainedConfig, own: bool, side: str) -> None:
    """Scaled embeddings, learned positions, windows and biases included, however f is called."""
    base = make(config)
    excite(base, 0.1)  # biases start at zero
    settings = ShadowConfig(num_layers=BLOCKS)
    network = ShadowNetwork.cut(base, settings, own_embedding=own).eval()
    ids, mask = make_batch(side)
    real, positions = mask.bool(), (mask.cumsum(-1) - 1).clamp(min=0)
    for where in (None, positions):
        given = {} if where is None else {"position_ids": where}
        expected = base.get_decoder()(ids, attention_mask=mask, **given).last_hidden_state
        torch.testing.assert_close(network(ids, mask, None, where)[real], expected[real], **CLOSE)
        if not getattr(config, "alibi", False):  # a prefix of no tokens is causal attention, by another mask
            nothing = torch.zeros_like(real)
            torch.testing.assert_close(network(ids, mask, nothing, where)[real], expected[real], **CLOSE)


@ARCHITECTURES
@pytest.mark.parametrize("blocks", [1, 2, 3])
@torch.inference_mode()
def test_a_cut_of_fewer_blocks_is_the_decoder_without_the_others(config: PreTrainedConfig, blocks: int) -> None:
    base = make(config)
    excite(base, 0.1)
    network = ShadowNetwork.cut(base, ShadowConfig(num_layers=blocks)).eval()
    del blocks_of(base)[blocks:]
    ids, mask = make_batch("right")
    expected = base.get_decoder()(ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(network(ids, mask)[mask.bool()], expected[mask.bool()], **CLOSE)


@ARCHITECTURES
@pytest.mark.parametrize("dialect", ["paper", "peft"])
def test_gradients_reach_the_shadow_alone(config: PreTrainedConfig, dialect: str) -> None:
    base = make(config)
    settings = ShadowConfig(dialect=dialect, dropout=0.0, num_labels=3)
    model = attach(base, ShadowNetwork.cut(base, settings), settings).train()
    excite(model.shadow, 0.1)
    ids, mask = make_batch("right")
    untouched = {"language": {"heads"}, "classes": set()}
    for kind, labels in (("language", ids.masked_fill(mask == 0, -100)), ("classes", torch.tensor([0, 2]))):
        model.zero_grad()
        model(ids, attention_mask=mask, labels=labels).loss.backward()
        assert all(weight.grad is None for weight in base.parameters())
        shadow = dict(model.shadow.named_parameters())
        without = {name for name, weight in shadow.items() if weight.grad is None or not weight.grad.any()}
        assert {name.split(".")[0] for name in without} == untouched[kind]


@ARCHITECTURES
@pytest.mark.parametrize("prefix", [False, True], ids=["causal", "prefix"])
@torch.inference_mode()
def test_cached_is_uncached_and_a_batch_is_its_rows(config: PreTrainedConfig, prefix: bool) -> None:
    base = make(config)
    settings = ShadowConfig(dropout=0.0, prefix_attention=prefix)
    model = attach(base, ShadowNetwork.cut(base, settings), settings).eval()
    excite(model.adapters, 0.1)
    ids, mask = make_batch("left")
    if prefix and getattr(config, "alibi", False):
        with pytest.raises(ValueError, match="alibi"):
            model.generate(ids, attention_mask=mask, max_new_tokens=1)
        return
    options = {"max_new_tokens": 6, "do_sample": False, "output_logits": True, "return_dict_in_generate": True}
    cached = model.generate(ids, attention_mask=mask, **options)
    uncached = model.generate(ids, attention_mask=mask, use_cache=False, **options)
    for one, other in zip(cached.logits, uncached.logits, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)
    alone = model.generate(ids[:1, 3:], **options)
    for one, other in zip(cached.logits, alone.logits, strict=True):
        torch.testing.assert_close(one[:1], other, **CLOSE)


@ARCHITECTURES
@torch.inference_mode()
def test_an_implicit_shadow_of_other_sizes_is_saved_and_comes_back(config: PreTrainedConfig, tmp_path: Path) -> None:
    base = make(config)
    sizes = {"num_attention_heads": 2} if config.model_type == "opt" else {"hidden_size": 16, "num_attention_heads": 2}
    sizes |= {"word_embed_proj_dim": 16} if "word_embed_proj_dim" in sizes else {}
    settings = ShadowConfig(num_layers=1)
    network = ShadowNetwork.random(base, settings, **sizes, **_heads(config)).eval()
    model = attach(base, network, settings).eval()
    ids, mask = make_batch("right")
    expected = network(ids, mask)
    assert expected.shape == (2, 7, WIDTH)
    save_shadow(tmp_path, Shadow.of(model), base)
    assert torch.equal(load_shadow(tmp_path, base).network.eval()(ids, mask), expected)


def _heads(config: PreTrainedConfig) -> dict[str, int]:
    return {"num_key_value_heads": 1} if getattr(config, "num_key_value_heads", None) else {}


@ARCHITECTURES
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("intermediate_size", 24),
        ("num_attention_heads", 2),
        ("num_key_value_heads", 1),
        ("head_dim", 4),
        ("hidden_size", 16),
    ],
)
@torch.inference_mode()
def test_each_size_is_another_or_refused(config: PreTrainedConfig, field: str, value: int) -> None:
    base, settings = make(config), ShadowConfig(num_layers=1)
    extra = {"word_embed_proj_dim": value} if (config.model_type, field) == ("opt", "hidden_size") else {}
    if config.model_type in LACKING.get(field, ()):
        with pytest.raises(ValueError, match=f"{type(config).__name__} has no field '{field}'"):
            ShadowNetwork.random(base, settings, **{field: value})
        return
    network = ShadowNetwork.random(base, settings, **{field: value}, **extra).eval()
    name = field_of(network.backbone.config, field)
    assert name is not None
    assert getattr(network.backbone.config, name) == value != getattr(base.get_decoder().config, name)
    state = network(*make_batch("right"))
    assert state.shape == (2, 7, WIDTH)
    assert state.isfinite().all()
