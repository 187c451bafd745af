"""The CLINC150 command at a tiny size: every kind of classifier, and the numbers by hand."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from training import clinc
from training.recipe import Recipe

WORDS = {"balance": "how much money is on my account", "timer": "set a timer for", "translate": "how do you say"}
TAILS = ("now", "please", "five", "today", "again", "quickly", "tomorrow", "in spanish")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    known = [[f"{words} {tail}", label] for label, words in WORDS.items() for tail in TAILS]
    odd = [[f"the dog chased {tail}", "oos"] for tail in TAILS]
    path = tmp_path_factory.mktemp("clinc") / "data_full.json"
    parts = {"train": known, "val": known[::2], "test": known[1::2]}
    path.write_text(json.dumps(parts | {f"oos_{part}": odd for part in parts}))
    return path


def test_every_method_learns_and_nothing_is_run_twice(
    data: Path, tiny_base: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    methods = [
        name for name in clinc.METHODS if name not in ("shadow", "base fine-tuned")
    ]  # as the other shadow, tuned
    small = replace(recipe, mlp_width=24, teacher_epochs=10, epochs=4, distillation=0.5, learning_rate=3e-3)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(small.as_dict()))
    out = tmp_path / "clinc.json"
    command = ["clinc", str(data), "--seeds", "1", "--recipe", str(tmp_path / "recipe.yaml"), "--threads", "1"]
    command += ["--minilm", str(tiny_base), "--out", str(tmp_path / "runs"), "--json", str(out)]
    command += ["--methods", *methods]
    monkeypatch.setattr(sys, "argv", command)
    assert clinc.main() == 0
    results = json.loads(out.read_text())
    for name, (row,) in results.items():
        assert row["accuracy"] > 40 and 0 <= row["recall"] <= 100 and row["megabytes"] > 0, name  # by chance 33
    assert list(results) == methods and results["shadow, oos_train used"][0]["accuracy"] >= 75
    written = out.stat().st_mtime_ns
    assert clinc.main() == 0
    assert out.stat().st_mtime_ns == written


def test_telling_apart_by_hand() -> None:
    inside, outside = np.arange(1.0, 101.0), np.array([0.0, 0.5, 3.5, 50.5])
    apart = clinc.told_apart(inside, outside)
    assert apart["recall"] == 75.0  # 5 of 100 in-scope scores lie below 5.95
    assert apart["auroc"] == pytest.approx(100 * (100 + 100 + 97 + 50) / 400)


def test_another_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "other.json").write_text("[1, 2]")
    monkeypatch.setattr(sys, "argv", ["clinc", str(tmp_path / "other.json"), "--json", str(tmp_path / "out.json")])
    assert clinc.main() == 1
    assert "expected data_full.json of CLINC150" in capsys.readouterr().err
