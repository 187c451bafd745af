"""What cannot be exchanged is refused by name, when saving or loading."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import peft
import pytest
from peer_models import authors, huggingface
from safetensors.torch import load_file, save_file
from tiny import make_llama, make_qwen3

from shadow_intent.shadow import (
    CheckpointError,
    Shadow,
    ShadowConfig,
    ShadowNetwork,
    attach,
    load_peft,
    load_shadow_peft,
    save_peft,
    save_shadow_peft,
)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"prefix_attention": True}, "prefix_attention"),
        ({"update": False}, "update"),
        ({"num_labels": 2, "pooling": "mean", "head_bias": False}, "pooling"),
        ({"num_labels": 2, "pooling": "last"}, "head_bias"),
    ],
)
@pytest.mark.parametrize(("save", "dialect"), [(save_peft, "peft"), (save_shadow_peft, "paper")])
def test_what_a_peer_cannot_compute_is_not_written(
    save: Callable, dialect: str, settings: dict, named: str, tmp_path: Path
) -> None:
    base = make_llama()
    config = ShadowConfig(dialect=dialect, **settings)
    shadow = Shadow.of(attach(base, ShadowNetwork.cut(base, config), config))
    with pytest.raises(CheckpointError, match=named):
        save(tmp_path, shadow, base)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("save", "dialect"), [(save_peft, "paper"), (save_shadow_peft, "peft")])
def test_the_other_dialect_is_not_written(save: Callable, dialect: str, tmp_path: Path) -> None:
    base = make_llama()
    config = ShadowConfig(dialect=dialect)
    shadow = Shadow.of(attach(base, ShadowNetwork.cut(base, config), config))
    with pytest.raises(CheckpointError, match="dialect"):
        save(tmp_path, shadow, base)


def test_an_f_that_peft_cannot_make_needs_a_name(tmp_path: Path) -> None:
    base = make_llama()
    config = ShadowConfig(dialect="peft")
    network = ShadowNetwork.random(base, config, num_key_value_heads=1)
    with pytest.raises(CheckpointError, match="shadow_model"):
        save_peft(tmp_path, Shadow.of(attach(base, network, config)), base)


def test_an_f_of_another_kind_needs_explicit_for_shadow_peft(tmp_path: Path) -> None:
    base, config = make_llama(), ShadowConfig()
    shadow = Shadow.of(
        attach(base, ShadowNetwork.explicit(make_qwen3(), base, share_embedding=True, same_vocabulary=True), config)
    )
    with pytest.raises(CheckpointError, match=r"no implicit shadow of this base: .* explicit=True"):
        save_shadow_peft(tmp_path, shadow, base)
    assert not list(tmp_path.iterdir())


def test_a_gate_that_shadow_peft_refuses_is_refused(tmp_path: Path) -> None:
    base, config = make_llama(), ShadowConfig(gate_width=1)
    shadow = Shadow.of(attach(base, ShadowNetwork.cut(base, config), config))
    with pytest.raises(CheckpointError, match="gate_width >= 2, got 1"):
        save_shadow_peft(tmp_path, shadow, base)


def test_a_trained_output_head_is_named(tmp_path: Path) -> None:
    base = make_llama()
    authors(deepcopy(base), modules_to_save=["shadow_lm_head"]).save_pretrained(tmp_path / "a")
    with pytest.raises(CheckpointError, match="shadow_lm_head"):
        load_shadow_peft(tmp_path / "a", base)
    huggingface(deepcopy(base), modules_to_save=["lm_head"]).save_pretrained(tmp_path / "b")
    with pytest.raises(CheckpointError, match="lm_head"):
        load_peft(tmp_path / "b", base)


@pytest.mark.parametrize("peer", ["peft", "shadow-peft"])
def test_a_missing_weight_is_named(peer: str, tmp_path: Path) -> None:
    base = make_llama()
    model = huggingface(deepcopy(base)) if peer == "peft" else authors(deepcopy(base))
    model.save_pretrained(tmp_path)
    load, file = (
        (load_peft, "adapter_model.safetensors") if peer == "peft" else (load_shadow_peft, "shadow_adapter.safetensors")
    )
    weights = load_file(tmp_path / file)
    gone = next(key for key in sorted(weights) if "update" in key)
    save_file({key: value for key, value in weights.items() if key != gone}, tmp_path / file)
    with pytest.raises(CheckpointError, match="update"):
        load(tmp_path, base)
    (tmp_path / file).write_bytes(b"no tensors here")
    with pytest.raises(CheckpointError, match=f"{file} is damaged"):
        load(tmp_path, base)
    (tmp_path / file).unlink()
    with pytest.raises(CheckpointError, match=file):
        load(tmp_path, base)


@pytest.mark.parametrize(
    ("load", "file", "values"),
    [
        (load_peft, "adapter_config.json", {"r": "eight"}),
        (load_peft, "adapter_config.json", {"shadow_alpha": None}),
        (load_peft, "adapter_config.json", {"shadow_model": 3}),
        (load_peft, "adapter_config.json", {"shadow_num_hidden_layers": "two"}),
        (load_shadow_peft, "shadow_config.json", {"injection_hidden_size": 0}),
        (load_shadow_peft, "shadow_config.json", {"dropout": "none"}),
        (load_shadow_peft, "shadow_config.json", {"num_shadow_layers": "two"}),
        (load_shadow_peft, "shadow_config.json", {"shadow_num_attention_heads": 0}),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_odd_values_are_damage(load: Callable, file: str, values: dict, tmp_path: Path) -> None:
    base = make_llama()
    config = ShadowConfig(dialect="peft" if load is load_peft else "paper")
    shadow = Shadow.of(attach(base, ShadowNetwork.cut(base, config), config))
    (save_peft if load is load_peft else save_shadow_peft)(tmp_path, shadow, base)
    written = json.loads((tmp_path / file).read_text())
    (tmp_path / file).write_text(json.dumps(written | values))
    with pytest.raises(CheckpointError, match=f"{tmp_path.name} is damaged: "):
        load(tmp_path, base)


def test_only_some_shadowed_blocks_are_refused(tmp_path: Path) -> None:
    base = make_llama()
    huggingface(deepcopy(base), target_modules=r".*\.layers\.[12]$").save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="all blocks"):
        load_peft(tmp_path, base)


def test_another_kind_of_adapter_is_refused(tmp_path: Path) -> None:
    base = make_llama()
    peft.get_peft_model(deepcopy(base), peft.LoraConfig(task_type="CAUSAL_LM")).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="LORA"):
        load_peft(tmp_path, base)
