"""Putting a shadow on a base it was not made for."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from tiny import BLOCKS, Batch, Build, excite, make_llama
from transformers import LlamaForCausalLM, PreTrainedModel

from shadow_intent.shadow import Shadow, ShadowConfig, ShadowNetwork, load_shadow, save_shadow


def test_on_another_base_a_shadow_reads_that_base_s_tokens(
    llama: PreTrainedModel, batch: Batch, trained: Build, tmp_path: Path
) -> None:
    ids, mask = batch
    shadow, other = Shadow.of(trained(llama)), make_llama()
    excite(other)
    save_shadow(tmp_path, shadow, llama)
    before = shadow.network(ids, mask)
    expected = load_shadow(tmp_path, deepcopy(other)).network.eval()(ids, mask)
    assert (expected - before).abs().max() > 0.1
    model = shadow.attach(other).eval()
    assert model.network.embedding is other.get_input_embeddings()
    assert not other.get_input_embeddings().weight.requires_grad
    torch.testing.assert_close(model(ids, attention_mask=mask).shadow_state[mask.bool()], expected[mask.bool()])


def test_a_table_of_its_own_goes_along(llama: PreTrainedModel, batch: Batch) -> None:
    config = ShadowConfig()
    shadow = Shadow(config, ShadowNetwork.cut(llama, config, own_embedding=True)).eval()
    before, other = shadow.network(*batch), make_llama()
    excite(other)
    assert torch.equal(shadow.attach(other).eval().network(*batch), before)


def test_another_vocabulary_is_refused_and_nothing_changes(llama: PreTrainedModel) -> None:
    config, other = ShadowConfig(), make_llama()
    other.resize_token_embeddings(72)
    shadow = Shadow(config, ShadowNetwork.cut(llama, config))
    with pytest.raises(ValueError, match="table of 60 rows, the base's has 72"):
        shadow.attach(other)
    assert shadow.adapters is None
    assert shadow.network.embedding is llama.get_input_embeddings()
    Shadow(config, ShadowNetwork.cut(llama, config, own_embedding=True)).attach(other)


def test_another_number_of_blocks_is_told(llama: PreTrainedModel, trained: Build) -> None:
    config = deepcopy(llama.config)
    config.num_hidden_layers = BLOCKS + 2
    with pytest.raises(ValueError, match=f"adapters for {BLOCKS + 2} blocks, got {BLOCKS};"):
        Shadow.of(trained(llama)).attach(LlamaForCausalLM(config))
