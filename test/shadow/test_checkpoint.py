from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import Batch, Build, excite, make_llama, make_qwen3
from transformers import OPTConfig, OPTForCausalLM, PreTrainedModel

from shadow_intent.shadow import CheckpointError, Shadow, ShadowConfig, ShadowNetwork, load_shadow, save_shadow


@pytest.mark.parametrize(("dtype", "tolerance"), [(None, 0.0), (torch.float16, 5e-3)])
def test_a_shadow_comes_back(
    base: PreTrainedModel, batch: Batch, trained: Build, tmp_path: Path, dtype: torch.dtype | None, tolerance: float
) -> None:
    ids, mask = batch
    model = trained(base, num_labels=5)
    logits, classes = model(ids, attention_mask=mask).logits, model.classify(*batch)
    save_shadow(tmp_path, Shadow.of(model), base, dtype)
    again = load_shadow(tmp_path, model.detach())
    assert again.config == model.shadow_config
    torch.testing.assert_close(again.detached().eval()(*batch), classes.shadow_logits, atol=tolerance, rtol=tolerance)
    attached = again.attach(base).eval()
    torch.testing.assert_close(attached.classify(*batch).logits, classes.logits, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(attached(ids, attention_mask=mask).logits, logits, atol=tolerance, rtol=tolerance)


def test_the_file_holds_the_shadow_alone(llama: PreTrainedModel, trained: Build, tmp_path: Path) -> None:
    model = trained(llama)
    save_shadow(tmp_path, Shadow.of(model), llama, torch.float16)
    weights = load_file(tmp_path / "shadow.safetensors")
    assert {name.split(".")[0] for name in weights} == {"network", "adapters"}
    assert not any("embed" in name for name in weights)
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert sum(weight.numel() for weight in weights.values()) == trainable


def test_a_network_alone_comes_back_and_attaches_untrained(
    llama: PreTrainedModel, batch: Batch, tmp_path: Path
) -> None:
    ids, mask = batch
    expected = llama(ids, attention_mask=mask).logits
    config = ShadowConfig()
    save_shadow(tmp_path, Shadow(config, ShadowNetwork.random(llama, config, intermediate_size=24)), llama)
    shadow = load_shadow(tmp_path, llama)
    assert shadow.adapters is None
    assert shadow.heads is None
    assert torch.equal(shadow.attach(llama)(ids, attention_mask=mask).logits, expected)


@pytest.mark.parametrize("sizes", [{"hidden_size": 16, "head_dim": 4}, {"own_embedding": True}], ids=str)
def test_a_table_of_its_own_is_saved(llama: PreTrainedModel, batch: Batch, tmp_path: Path, sizes: dict) -> None:
    config = ShadowConfig()
    network = ShadowNetwork.random(llama, config, **sizes).eval()
    excite(network.embedding)
    save_shadow(tmp_path, Shadow(config, network), llama)
    assert torch.equal(load_shadow(tmp_path, llama).network.eval()(*batch), network(*batch))


def test_weights_take_the_type_asked_for(llama: PreTrainedModel, trained: Build, tmp_path: Path) -> None:
    model = trained(llama)
    save_shadow(tmp_path, Shadow.of(model), llama, torch.float16)
    assert load_shadow(tmp_path, llama, torch.bfloat16).network.dtype == torch.bfloat16
    assert load_shadow(tmp_path, llama).network.dtype == torch.float32


@pytest.fixture
def saved(llama: PreTrainedModel, trained: Build, tmp_path: Path) -> Path:
    model = trained(llama)
    save_shadow(tmp_path, Shadow.of(model), model.detach())
    return tmp_path


@pytest.mark.parametrize("name", ["shadow.json", "shadow.safetensors"])
def test_a_missing_file_is_named(saved: Path, llama: PreTrainedModel, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_shadow(saved, llama)


@pytest.mark.parametrize(
    ("name", "content"),
    [("shadow.json", b"{"), ("shadow.json", b'{"format": "shadow/1"}'), ("shadow.safetensors", b"no tensors here")],
)
def test_a_damaged_file_is_named(saved: Path, llama: PreTrainedModel, name: str, content: bytes) -> None:
    (saved / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name} is (damaged|not JSON)"):
        load_shadow(saved, llama)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base", ["llama"]),
        ("base", {}),
        ("backbone", "llama"),
        ("backbone", {"hidden_size": 32}),
        ("backbone", {"model_type": "llama", "hidden_size": "wide"}),
        ("backbone", {"model_type": "no such thing"}),
        ("config", {"rank": 0}),
        ("config", {"size": 3}),
        ("config", None),
        ("parts", 3),
    ],
)
def test_odd_values_are_damage(saved: Path, llama: PreTrainedModel, field: str, value: object) -> None:
    meta = json.loads((saved / "shadow.json").read_text())
    (saved / "shadow.json").write_text(json.dumps(meta | {field: value}))
    with pytest.raises(CheckpointError, match=r"shadow.json is damaged: \w+Error: "):
        load_shadow(saved, llama)


def test_a_base_that_no_shadow_fits_is_not_the_file_s_fault(saved: Path) -> None:
    sizes = {"hidden_size": 32, "word_embed_proj_dim": 16, "num_attention_heads": 4, "num_hidden_layers": 1}
    with pytest.raises(ValueError, match="word_embed_proj_dim 16") as raised:
        load_shadow(saved, OPTForCausalLM(OPTConfig(vocab_size=60, ffn_dim=8, **sizes)))
    assert not isinstance(raised.value, CheckpointError)


def test_the_way_transformers_saves_is_barred(llama: PreTrainedModel, trained: Build, tmp_path: Path) -> None:
    model = trained(llama)
    for save in (model.save_pretrained, model.push_to_hub):
        with pytest.raises(NotImplementedError, match="save_shadow"):
            save(tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


def test_another_base_is_refused(saved: Path) -> None:
    with pytest.raises(CheckpointError, match="model_type llama, not qwen3"):
        load_shadow(saved, make_qwen3())


def test_another_format_is_refused(saved: Path, llama: PreTrainedModel) -> None:
    meta = json.loads((saved / "shadow.json").read_text())
    (saved / "shadow.json").write_text(json.dumps(meta | {"format": "shadow/0"}))
    with pytest.raises(CheckpointError, match="shadow/0"):
        load_shadow(saved, llama)


@pytest.mark.parametrize("damage", ["missing", "no place", "must be"])
def test_weights_that_do_not_fit_are_named(saved: Path, damage: str) -> None:
    file = saved / "shadow.safetensors"
    weights = load_file(file)
    name = "adapters.injections.0.down.weight"
    if damage == "missing":
        del weights[name]
    elif damage == "no place":
        name = "adapters.injections.9.down.weight"
        weights[name] = torch.zeros(1)
    else:
        weights[name] = torch.zeros(2, 2)
    save_file(weights, file)
    with pytest.raises(CheckpointError, match=f"{damage}.*|{name}.*{damage}") as raised:
        load_shadow(saved, make_llama())
    assert name in str(raised.value)
