from __future__ import annotations

import pytest
import torch
from test_architectures import CONFIGS, TOKENS, WIDE, make
from tiny import VOCABULARY, make_llama
from transformers import DynamicCache, FalconConfig, MistralConfig, PreTrainedConfig

from shadow_intent.shadow import ShadowConfig, ShadowNetwork, attach
from shadow_intent.shadow.sizes import _cache, llama_70b, main, measure


def test_a_70b_llama_on_the_meta_device() -> None:
    sizes = measure(llama_70b(), ShadowConfig(num_layers=2, rank=16, gate_width=10), torch.bfloat16, tokens=3)
    assert sizes.base == 70_553_706_496
    d, blocks = 8192, 80
    assert sizes.parts["injections"] == (blocks - 1) * 2 * d * 16
    assert sizes.parts["updates"] == (blocks - 2) * 4 * d * 10 + 2 * d
    assert sizes.parts["f"] == 2 * (2 * d * d + 2 * d * 1024 + 3 * d * 28672 + 2 * d) + d
    assert sizes.parts["P"] == sizes.parts["token table"] == 0
    assert sizes.shapes["update.inner.weight"] == (20, d)
    assert sizes.cache_base == 3 * 2 * 80 * 8 * 128 * 2
    assert sizes.cache_shadow == 3 * 2 * 2 * 8 * 128 * 2


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


@pytest.mark.parametrize(
    "config",
    [*CONFIGS.values(), FalconConfig(**WIDE, **TOKENS, new_decoder_architecture=True, num_kv_heads=2)],
    ids=[*CONFIGS, "falcon-new"],
)
@torch.no_grad()
def test_the_cache_of_every_architecture_is_as_large_as_estimated(config: PreTrainedConfig) -> None:
    base, settings = make(config), ShadowConfig(num_layers=2)
    network = ShadowNetwork.random(base, settings)
    ids = torch.randint(1, VOCABULARY, (1, 9))
    kept = []
    for decoder, inputs in (
        (base.get_decoder(), {"input_ids": ids}),
        (network.backbone, {"inputs_embeds": network.embedding(ids)}),
    ):
        cache = DynamicCache(config=decoder.config)
        decoder(**inputs, past_key_values=cache, use_cache=True)
        kept.append(sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers))
    sizes = measure(config, settings, torch.float32, tokens=9)
    assert [sizes.cache_base, sizes.cache_shadow] == kept


def test_falcon_7b_caches_one_head_and_a_window_bounds_what_is_kept() -> None:
    falcon = FalconConfig()
    assert _cache(falcon, falcon.num_hidden_layers, 1) == 2 * 32 * 64  # one head of 64 in 32 layers
    mistral = MistralConfig(sliding_window=4096)
    assert _cache(mistral, 32, 100_000) == _cache(mistral, 32, 4095) == 4095 * _cache(mistral, 32, 1)


def test_the_command_prints_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--hidden-size", "1024", "--rank", "8"]) == 0
    assert "70,553,706,496" in capsys.readouterr().out
    assert main(["--tokens", "0"]) == 1
    assert "tokens must be >= 1, got 0" in capsys.readouterr().err
    assert main(["--layers", "200"]) == 1
    assert "num_layers must be <= 80" in capsys.readouterr().err


def test_the_memory_that_the_command_prints_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """Llama 3.1 70B, bfloat16, two blocks of its own sizes, rank 16, gate width 10; 1 GiB = 2**30 bytes."""
    f = 2 * (2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 28672 + 2 * 8192) + 8192
    adapters = 79 * 2 * 8192 * 16 + 78 * 4 * 8192 * 10 + 2 * 8192
    assert f + adapters == 1_757_601_792
    assert main(["--tokens", "20000"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (attached, training, cache) = (
        next(line for line in lines if line.startswith(name)) for name in ("attached,", "training,", "key-value")
    )
    # 2 bytes a weight: (70,553,706,496 + 1,757,601,792) * 2 = 144,622,616,576
    assert attached.split() == ["attached,", "weights", "134.69", "GiB"]
    # 12 more for each trained one, gradient and two moments: 144,622,616,576 + 21,091,221,504 = 165,713,838,080
    assert " 154.33 GiB  (AdamW" in training
    # keys and values, 8 heads of 128, 2 bytes: 4096 a token and block; 20,000 tokens in 80 and in 2 blocks
    assert " ".join(cache.split()) == "key-value cache, 20000 tokens 6.10 GiB base, 0.153 GiB shadow"
