"""How far confidence can be trusted: bins and curves by hand, every label of a bundle, and what is written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from shadow_intent.bundle import Bundle
from shadow_intent.intent import NO_SLOTS
from training import evaluate, report
from training.corpus import Example

TEXTS = [
    ("sit down please", "sit", "en"),
    ("坐下", "sit", "zh"),
    ("do a back flip", "sit", "en"),
    ("stop", "stop", "en"),
    ("he told me to sit", "ignore", "en"),
    ("why is the sky blue", "remote", "en"),
    ("天空为什么是蓝色的", "remote", "zh"),
    ("sit down and then wave", "ignore", "en"),
]
"""Text, the label it is to count as, language: two of them are not what the classifier says."""
EXAMPLES = [Example(text, label, language, NO_SLOTS, text) for text, label, language in TEXTS]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "REPEATS", 5)


def test_reliability_by_hand() -> None:
    bins, error = report.reliability(np.array([0.55, 0.65, 0.9, 1.0]), np.array([True, False, True, True]), 2)
    assert bins == [{"confidence": 0.775, "accuracy": 0.75, "n": 4}]
    assert error == pytest.approx(0.025)
    bins, error = report.reliability(np.array([0.1, 0.9]), np.array([True, True]), 2)
    assert [b["n"] for b in bins] == [1, 1] and error == pytest.approx(0.5)


def test_a_thinned_curve_keeps_its_ends() -> None:
    n = 1000
    confidence, wrong = np.linspace(1, 0.5, n), np.arange(n) >= 900
    found = report.curve(np.ones(n, bool), wrong, confidence, points=24, bins=5)
    assert len(found["coverage"]) == len(found["risk"]) == 24
    assert (found["coverage"][0], found["coverage"][-1]) == (0.001, 1.0)
    assert (found["risk"][0], found["risk"][-1]) == (0.0, 0.1)


def test_a_label_that_nothing_was_taken_for_has_an_empty_curve() -> None:
    nothing = np.zeros(0)
    found = report.curve(nothing.astype(bool), nothing.astype(bool), nothing, points=24, bins=5)
    assert found == {"coverage": [], "risk": [], "bins": [], "calibration_error": 0.0}


def test_every_label_is_judged_at_its_own_threshold(bundle_folder: Path) -> None:
    labels = report.study(Bundle.load(bundle_folder), EXAMPLES)["labels"]

    def counts(label: str) -> list[tuple[int, int]]:
        return [(labels[label][key]["hits"], labels[label][key]["n"]) for key in ("right", "decided", "wrong")]

    assert len(labels) == 42
    assert counts("sit") == [(2, 3), (2, 2), (0, 2)]
    assert counts("back_flip") == [(0, 0), (1, 1), (1, 1)]
    assert counts("stop") == [(1, 1), (1, 1), (0, 1)]
    assert counts("ignore") == [(1, 2), (1, 1), (0, 1)]
    assert counts("remote") == [(2, 2), (3, 3), (1, 3)]
    assert labels["sit"]["coverage"] == [0.5, 1.0]
    assert labels["dance"]["coverage"] == []


def test_the_figures_and_the_numbers_name_their_bundle(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "held_out", lambda bundle: {"test": EXAMPLES, "rare": EXAMPLES[:4]})
    monkeypatch.setattr(sys, "argv", ["report", str(bundle_folder), "--out", str(tmp_path / "results")])
    assert report.main() == 0
    written = json.loads((tmp_path / "results" / "selective.json").read_text())
    assert list(written) == ["bundle", "test", "rare"]
    assert written["bundle"] == Bundle.load(bundle_folder).bundle_id
    figures = {"risk_coverage", "reliability", "labels", "label_risk_coverage", "label_reliability"}
    assert {path.stem for path in (tmp_path / "results").glob("*.png")} == figures


def test_the_evaluation_names_its_bundle(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate, "held_out", lambda bundle: {"test": EXAMPLES})
    monkeypatch.setattr(sys, "argv", ["evaluate", str(bundle_folder), "--json", str(tmp_path / "intents.json")])
    assert evaluate.main() == 0
    written = json.loads((tmp_path / "intents.json").read_text())
    assert written["bundle"] == Bundle.load(bundle_folder).bundle_id
    assert written["test"]["recall"]["sit"]["hits"] == 2
