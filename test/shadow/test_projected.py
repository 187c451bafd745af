"""Projected folders: read and written, equal logits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import shadow_peft
import torch
from peer_models import CLOSE, teach
from safetensors.torch import load_file, save_file
from tiny import VOCABULARY, WIDTH, make_batch, make_llama, make_small
from torch import Tensor, nn

from shadow_intent.shadow import CheckpointError, ShadowConfig, ShadowNetwork, load_projected, save_projected


def test_a_projected_folder_of_shadow_peft_is_read(tmp_path: Path) -> None:
    base, small = make_llama(), make_small()
    peer = shadow_peft.AutoModelForCausalLMWithHiddenProjection.wrap(
        shadow_model=small,
        shadow_hidden_projection=nn.Linear(16, WIDTH, bias=False),
        lm_head=base.lm_head,
        init_optimal_projection=False,
    )
    teach(peer)
    peer.save_pretrained(tmp_path)
    base.lm_head.weight.data = peer.lm_head.weight.detach().clone()  # it trains the head too
    ids, mask = make_batch("right")
    ours = base.lm_head(load_projected(tmp_path, base).eval()(ids, mask))
    torch.testing.assert_close(ours[mask.bool()], peer(ids, attention_mask=mask).logits[mask.bool()], **CLOSE)


@pytest.mark.parametrize("width", [WIDTH, 16])
def test_shadow_peft_reads_a_projected_folder_written_here(width: int, tmp_path: Path) -> None:
    base = make_llama()
    sizes = {} if width == WIDTH else {"hidden_size": width, "head_dim": 4}
    network = ShadowNetwork.random(base, ShadowConfig(), **sizes).eval()
    save_projected(tmp_path, network, base)
    peer = shadow_peft.AutoModelForCausalLMWithHiddenProjection.from_pretrained(tmp_path).eval()
    ids, mask = make_batch("right")
    theirs = peer(ids, attention_mask=mask).logits
    torch.testing.assert_close(base.lm_head(network(ids, mask))[mask.bool()], theirs[mask.bool()], **CLOSE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = make_llama()
    save_projected(tmp_path, ShadowNetwork.cut(base, ShadowConfig()), base)
    return tmp_path


def test_a_cut_comes_back_without_a_p(folder: Path) -> None:
    network = load_projected(folder, make_llama())
    assert isinstance(network.projection, nn.Identity)
    assert network.own_embedding


@pytest.mark.parametrize(
    ("projection", "named"),
    [
        (None, "shadow_hidden_projection.weight is missing"),
        (torch.ones(WIDTH, WIDTH), "must be the identity"),
        (torch.ones(WIDTH, 16), r"must be \(32, 32\), got \(32, 16\)"),
    ],
    ids=["missing", "other", "narrow"],
)
def test_another_p_between_equal_widths_is_named(folder: Path, projection: Tensor | None, named: str) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["shadow_hidden_projection.weight"]
    if projection is not None:
        weights["shadow_hidden_projection.weight"] = projection
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=named):
        load_projected(folder, make_llama())


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"model_type": "llama"}, "expected model_type 'causal_lm_with_hidden_projection', got 'llama'"),
        ({"shadow_model_config": None}, "expected a shadow_model_config"),
        ({"shadow_model_config": {"model_type": "no such thing"}}, "config.json is damaged: "),
        ({"shadow_model_config": {"model_type": "llama", "hidden_size": "wide"}}, "config.json is damaged: "),
    ],
)
def test_another_config_is_named(folder: Path, values: dict, named: str) -> None:
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(written | values))
    with pytest.raises(CheckpointError, match=named):
        load_projected(folder, make_llama())


def test_a_head_with_a_bias_is_not_written(tmp_path: Path) -> None:
    base = make_llama()
    base.lm_head = nn.Linear(WIDTH, VOCABULARY)
    with pytest.raises(CheckpointError, match="a head without bias, the base's has one"):
        save_projected(tmp_path, ShadowNetwork.cut(base, ShadowConfig()), base)
    assert not list(tmp_path.iterdir())
