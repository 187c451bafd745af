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
from torch.nn import functional as F

from training import clinc
from training.clinc_data import Clinc
from training.clinc_rivals import Outcome, PeftShadow
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
    ]  # as the other shadow, as peft's
    small = replace(
        recipe,
        mlp_width=24,
        teacher_epochs=10,
        teachers=1,
        epochs=4,
        distillation=0.5,
        learning_rate=3e-3,
        teacher_learning_rate=3e-3,
    )
    small = replace(small, encoder_steps=40, encoder_learning_rate=1e-2)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(small.as_dict()))
    out = tmp_path / "clinc.json"
    command = ["clinc", str(data), "--seeds", "1", "--recipe", str(tmp_path / "recipe.yaml"), "--threads", "1"]
    command += ["--out", str(tmp_path / "runs"), "--json", str(out)]
    command += ["--methods", *methods]
    monkeypatch.setattr(sys, "argv", command)
    assert clinc.main() == 0
    results = json.loads(out.read_text())
    for name, (row,) in results.items():
        assert row["accuracy"] > 40 and 0 <= row["recall"] <= 100 and row["megabytes"] > 0, name  # by chance 33
    assert list(results) == methods and results["shadow, oos_train used"][0]["accuracy"] >= 75
    row = results["shadow, oos_train used"][0]
    assert row["recipe"] == clinc.digest(small) and row["processor"] and row["cores"] >= 1
    written = out.stat().st_mtime_ns
    assert clinc.main() == 0
    assert out.stat().st_mtime_ns == written


def test_rows_of_two_recipes_are_not_mixed(
    data: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    out, file = tmp_path / "clinc.json", tmp_path / "recipe.yaml"
    command = ["clinc", str(data), "--seeds", "1", "--methods", "TF-IDF + linear SVC", "--json", str(out)]
    monkeypatch.setattr(sys, "argv", [*command, "--recipe", str(file)])
    file.write_text(yaml.safe_dump(recipe.as_dict()))
    assert clinc.main() == 0
    rows = json.loads(out.read_text())
    (rival,) = rows["TF-IDF + linear SVC"]
    assert "recipe" not in rival  # it knows of none, and stays whatever the recipe becomes
    rows["shadow"] = [{**rival, "recipe": clinc.digest(recipe)}]
    out.write_text(json.dumps(rows))
    assert clinc.main() == 0
    file.write_text(yaml.safe_dump(replace(recipe, epochs=recipe.epochs + 1).as_dict()))
    assert clinc.main() == 1
    assert "rows of two recipes cannot be compared" in capsys.readouterr().err
    rows["shadow"] = [rival]
    out.write_text(json.dumps(rows))
    assert clinc.main() == 1
    assert "of unknown digest" in capsys.readouterr().err and json.loads(out.read_text()) == rows


def test_an_intent_taken_for_out_of_scope_is_an_error() -> None:
    known = [("a", "alarm"), ("b", "timer"), ("c", "timer"), ("d", "timer")]
    odd = [("x", "oos"), ("y", "oos")]
    parts = {"train": known, "val": known, "test": known, "oos_val": odd, "oos_test": odd}
    rows = {"a": [2, 0, 1], "b": [0, 2, 1], "c": [0, 1, 3], "d": [0, 5, 5.1], "x": [9, 0, 15], "y": [0, 9, 15]}
    outcome = Outcome(lambda texts: np.array([rows[text] for text in texts], float), 1.0)
    measured = clinc.measure(Clinc(parts, ("alarm", "timer")), outcome)
    assert measured["accuracy"] == 50.0  # c and d are taken for out of scope
    assert (measured["score"], measured["auroc"]) == ("probability", 100.0)


def test_scores_by_hand() -> None:
    scored = clinc.scores(np.log([[0.5, 0.2, 0.3]]), 2)
    assert {name: float(value[0]) for name, value in scored.items()} == pytest.approx(
        {"probability": 0.5, "energy": np.log(0.7), "logit": np.log(0.5), "not oos": -0.3}
    )
    assert "not oos" not in clinc.scores(np.log([[0.5, 0.5]]), 2)


def test_what_peft_detaches_learns_over_a_frozen_token_table(tiny_base: Path) -> None:
    torch.manual_seed(0)
    encoder = PeftShadow(str(tiny_base), layers=2)
    table = encoder.model.get_input_embeddings().weight.clone()
    block = encoder.model.backbone.layers[1].mlp.up_proj.weight.clone()
    assert len(encoder.model.backbone.layers) == 2
    head = torch.nn.Linear(32, 3)
    optimizer = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=0.1)
    logits = head(encoder(["set a timer", "how much money is on my account"]))
    assert logits.shape == (2, 3)
    F.cross_entropy(logits, torch.tensor([0, 1])).backward()
    optimizer.step()
    assert torch.equal(encoder.model.get_input_embeddings().weight, table)
    assert not torch.equal(encoder.model.backbone.layers[1].mlp.up_proj.weight, block)
    with torch.no_grad():
        alone, padded = encoder(["set a timer"]), encoder(["set a timer", "how much money is on my account"])[:1]
    torch.testing.assert_close(alone, padded, atol=1e-5, rtol=1e-4)


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
