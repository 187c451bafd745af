from __future__ import annotations

import json

import pytest

from shadow_intent.shadow import ShadowConfig


def test_survives_json() -> None:
    config = ShadowConfig(dialect="peft", num_layers=3, prefix_attention=True, num_labels=34, alpha=0.1)
    assert ShadowConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dialect", "lora"),
        ("pooling", "max"),
        ("num_layers", 0),
        ("rank", 0),
        ("gate_width", 1.5),
        ("num_labels", -1),
        ("alpha", float("nan")),
        ("dropout", 1.0),
        ("lambda_", -0.1),
    ],
)
def test_a_value_out_of_range_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        ShadowConfig(**{name: value})


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="num_shadow_layers"):
        ShadowConfig.from_dict({"num_shadow_layers": 2})
