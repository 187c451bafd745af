"""The benchmark of attached models on a tiny base: every method runs, and what it writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tiny import make_llama

from benchmarks import attached, contestants
from shadow_intent.shadow import Costs


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "BASES", {"tiny": lambda dtype: make_llama().to(dtype).requires_grad_(False)})


def test_decode_and_prefill_measure_every_method_and_keep_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "attached.json"
    file.write_text(json.dumps({"bases": {"tiny": {"prefill 4": {"base": {"ms": 1.0, "ratio": 1.0}}}}}))
    command = ["attached", "--parts", "decode", "prefill", "--tokens", "2", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", [*command, "--batches", "1", "--prefills", "8", "--json", str(file)])
    assert attached.main() == 0
    parts = json.loads(file.read_text())["bases"]["tiny"]
    assert set(parts) == {"prefill 4", "decode, batch 1", "prefill 8"}
    assert list(parts["decode, batch 1"]) == list(contestants.METHODS)
    assert list(parts["prefill 8"]) == ["base", "peft Shadow", "ours"]
    assert all(row["ms"] > 0 and row["ratio"] > 0 for row in parts["decode, batch 1"].values())
    assert parts["decode, batch 1"]["base"]["ratio"] == 1.0
    assert "shadow-peft" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["LoRA", "peft Shadow", "shadow-peft", "ours"])
def test_a_training_step_is_measured(method: str) -> None:
    row = attached.training_step(method, "tiny", 1)
    assert row["tokens_per_s"] > 0
    assert 0 <= row["step_mib"] <= row["peak_mib"]
    assert row["trainable"] == pytest.approx(attached.training_step("ours", "tiny", 1)["trainable"], rel=0.2)


def test_break_even_by_hand() -> None:
    """One drafted token costs 0.1, verifying it nothing: it pays when accepted more often than one time in ten."""
    assert attached.break_even(Costs(verify=((1, 1.0), (16, 1.0)), draft=0.1)) == 0.11
    assert attached.break_even(Costs(verify=((1, 1.0), (16, 16.0)), draft=0.1)) is None
