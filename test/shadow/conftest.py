"""Tiny random models and shadows."""

from __future__ import annotations

import pytest
import torch
from tiny import BLOCKS, WIDTH, Batch, Build, excite, make_batch, make_llama, make_qwen3
from transformers import PreTrainedModel

from shadow_intent.shadow import Adapters, ShadowConfig, ShadowedModel, ShadowNetwork, attach


@pytest.fixture(autouse=True)
def one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(params=[make_llama, make_qwen3], ids=["llama", "qwen3"])
def base(request: pytest.FixtureRequest) -> PreTrainedModel:
    """A base of each architecture."""
    return request.param()


@pytest.fixture
def llama() -> PreTrainedModel:
    return make_llama()


@pytest.fixture(params=["left", "right"])
def batch(request: pytest.FixtureRequest) -> Batch:
    """Two rows of 7 tokens, three of the first one padding: input ids and attention mask, (2, 7) each."""
    return make_batch(request.param)


@pytest.fixture
def left_batch() -> Batch:
    return make_batch("left")


@pytest.fixture
def trained() -> Build:
    """Attaches a shadow that looks trained: all adapters and the heads random."""

    def build(base: PreTrainedModel, **settings: object) -> ShadowedModel:
        config = ShadowConfig(**{"dropout": 0.0, **settings})
        adapters = Adapters(WIDTH, BLOCKS, config)
        excite(adapters)
        return attach(base, ShadowNetwork.cut(base, config), config, adapters).eval()

    return build
