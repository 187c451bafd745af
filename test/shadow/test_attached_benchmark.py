"""The benchmark of attached models on a tiny base: every method runs, and what it writes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import BLOCKS, VOCABULARY, Build, make_llama

from benchmarks import attached, contestants, side_by_side, speculating
from benchmarks.speculating import break_even, speculate
from shadow_intent.shadow import Costs, Speculator


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "BASES", {"tiny": lambda dtype: make_llama().to(dtype).requires_grad_(False)})


def test_decode_and_prefill_measure_every_method_and_keep_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "attached.json"
    file.write_text(json.dumps({"bases": {"tiny": {"prefill 4": {"base": {"ms": 1.0, "ratio": 1.0}}}}}))
    command = ["attached", "--parts", "decode", "prefill", "--tokens", "2", "--rounds", "2"]
    monkeypatch.setattr(sys, "argv", [*command, "--batches", "1", "--prefills", "8", "--json", str(file)])
    assert attached.main() == 0
    written = json.loads(file.read_text())
    parts = written["bases"]["tiny"]
    assert set(parts) == {"prefill 4", "decode, batch 1", "prefill 8"}
    assert list(parts["decode, batch 1"]) == list(contestants.METHODS)
    assert list(parts["prefill 8"]) == ["base", *contestants.SHADOWS]
    for row in parts["decode, batch 1"].values():
        assert len(row["rounds_ms"]) == 2
        assert row["ratio_range"][0] <= row["ratio"] <= row["ratio_range"][1]
    assert parts["decode, batch 1"]["base"]["ratio_range"] == [1.0, 1.0]
    assert set(written["meta"]) == {"tiny: decode, batch 1", "tiny: prefill 8"}  # nothing is said of what was kept
    meta = written["meta"]["tiny: prefill 8"]
    assert (meta["rounds"], meta["threads"], meta["torch"]) == (2, 1, version("torch"))
    assert meta.keys() >= {"date", "processor", "load", "python", "transformers", "peft", "shadow-peft", "dtype"}
    assert "shadow-peft" in capsys.readouterr().out


def test_ratios_are_taken_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first round is slow for both and says nothing about which of them is slower."""
    seconds = iter([1.0, 1.0, 8.0, 8.0, 1.0, 2.0, 2.0, 3.0])
    monkeypatch.setattr(side_by_side, "cpu_time", lambda action: next(seconds))
    turns = side_by_side.take_turns({"base": lambda: None, "other": lambda: None}, rounds=3, units=2)
    assert turns["other"] == {"ms": 1500.0, "ratio": 1.5, "ratio_range": [1.0, 2.0], "rounds_ms": [4000, 1000, 1500]}
    assert turns["base"] == {"ms": 1000.0, "ratio": 1.0, "ratio_range": [1.0, 1.0], "rounds_ms": [4000, 500, 1000]}


def test_what_is_slow_sits_out_after_two_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([1.0, 4.5, 1.0, 5.0, 1.0, 6.0, 1.0, 2.0])
    monkeypatch.setattr(side_by_side, "cpu_time", lambda action: next(seconds))
    turns = side_by_side.take_turns({"base": lambda: None, "slow": lambda: None}, rounds=4)
    assert turns["slow"]["rounds_ms"] == [5000, 6000]
    assert turns["base"]["rounds_ms"] == [1000, 1000, 1000, 2000]


@pytest.mark.parametrize("method", ["LoRA", "peft Shadow", "shadow-peft", "ours"])
def test_a_training_step_is_measured(method: str) -> None:
    row = attached.training_step(method, "tiny", 1)
    assert row["tokens_per_s"] > 0
    assert 0 <= row["step_mib"] <= row["peak_mib"]
    assert row["trainable"] == pytest.approx(attached.training_step("ours", "tiny", 1)["trainable"], rel=0.2)


@pytest.mark.parametrize(("package", "told"), [("peft", "come from peft"), ("shadow_peft", "comes from shadow-peft")])
def test_a_peer_that_is_not_installed_is_named_with_the_extra(
    package: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(sys, "argv", ["attached", "--parts", "decode", "--batches", "1"])
    assert attached.main() == 1
    error = capsys.readouterr().err
    assert told in error
    assert "pip install '.[test]'" in error


def test_break_even_by_hand() -> None:
    """One drafted token costs 0.1, verifying it nothing: it pays when accepted more often than one time in ten."""
    assert break_even(Costs(verify=((1, 1.0), (16, 1.0)), draft=0.1)) == 0.11
    assert break_even(Costs(verify=((1, 1.0), (16, 16.0)), draft=0.1)) is None


@torch.inference_mode()
def test_speculation_says_how_much_was_drafted_before_each_pass(trained: Build) -> None:
    base, model = make_llama(), trained(make_llama(), num_layers=BLOCKS)
    texts = [[1, 2, 3, 4], [5, 6, 7]]
    row: dict[str, Any] = speculate(base, model, Speculator(model, length=2), texts, 8, VOCABULARY + 1)
    assert sum(row["lengths"].values()) == row["passes"] > 2
    assert sum(int(length) * passes for length, passes in row["lengths"].items()) == row["drafted"]
    assert max(row["lengths"]) == "2"
    assert row["same_as_one_by_one"] == 2
    attached.show({"bases": {}, "speculation": {"replies": row}})


@pytest.mark.parametrize("length", [2, 0])
@torch.inference_mode()
def test_figures_of_speculation_by_hand(length: int, trained: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two texts of 9 tokens. Seconds of each: attached, base, speculating."""
    seconds = iter([3.0, 1.0, 1.5, 5.0, 3.0, 0.5])

    def timed(action: Callable[[], Any]) -> float:
        action()
        return next(seconds)

    monkeypatch.setattr(speculating, "cpu_time", timed)
    model = trained(make_llama(), num_layers=BLOCKS)
    texts = [[1, 2, 3, 4], [5, 6, 7]]
    row: dict[str, Any] = speculate(make_llama(), model, Speculator(model, length=length), texts, 9, VOCABULARY + 1)
    assert row["ratio_to_base"] == 0.5  # 2 s over 4 s
    assert row["attached_ratio_to_base"] == 2.0  # 8 s over 4 s
    assert row["ms_per_token"] == {"base": 222.22, "attached": 444.44, "speculating": 111.11}  # 18 tokens
    # the first token of a text comes with its prompt, and each pass writes one more than it accepts
    accepted = 16 - row["passes"]
    assert row["tokens_per_pass"] == round(16 / row["passes"], 2)
    if length:
        assert 0 < accepted < row["drafted"] < 18 * length
        assert row["acceptance"] == round(accepted / row["drafted"], 3)
    else:
        assert (accepted, row["drafted"], row["acceptance"]) == (0, 0, None)
