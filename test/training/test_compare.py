"""The comparison at a tiny size: every kind of run, going on, and the report."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from training import compare
from training.compare_runs import Run

WORDS = {"sit": "sit down", "dance": "dance for me", "light": "turn on the light"}
TAILS = ("now", "please", "today", "again")


@pytest.fixture
def clinc(tmp_path: Path) -> Path:
    pairs = [[f"{text} {tail}", label] for label, text in WORDS.items() for tail in TAILS]
    file = tmp_path / "data_full.json"
    file.write_text(json.dumps({"train": pairs, "test": pairs[::2]}))
    return file


def test_it_runs_stops_goes_on_and_reports(
    tiny_base: Path,
    clinc: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["compare", "--clinc", str(clinc), "--base", str(tiny_base), "--runs", str(tmp_path / "runs")]
    command += ["--out", str(tmp_path / "out"), "--seeds", "1", "--epochs", "1", "--limit", "4", "--threads", "1"]
    wanted = ["intents-20shot-LoRA", "intents-20shot-DoRA", "intents-20shot-shadow-seed1-cut-r16-a1"]
    wanted += ["intents-20shot-shadow-seed1-random", "replies-full-LoRA", "replies-full-shadow-seed1-cut-noupdate"]
    monkeypatch.setattr(sys, "argv", [*command, "--only", *wanted[:1]])
    assert compare.main() == 0
    (first,) = (tmp_path / "runs").iterdir()
    written = first.stat().st_mtime_ns
    monkeypatch.setattr(sys, "argv", [*command, "--only", *wanted])
    assert compare.main() == 0
    assert first.stat().st_mtime_ns == written
    assert len(list((tmp_path / "runs").iterdir())) == len(wanted)
    rows = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert {row["path"] for row in rows if row["method"] == "shadow"} == {"attached", "detached"}
    weights = {row["method"]: row["weights"] for row in rows if row["task"] == "intents" and row["start"] == "cut"}
    assert weights["LoRA"] == pytest.approx(weights["shadow"], rel=0.2)
    assert all(0 <= row["accuracy"] <= 100 for row in rows if row["task"] == "intents")
    assert all(row["loss"] > 0 for row in rows if row["task"] == "replies")
    assert (tmp_path / "out" / "compare.png").stat().st_size > 5000
    assert {compare.label(row) for row in rows} >= {"DoRA", "ShadowPEFT detached", "ShadowPEFT attached (no update)"}
    assert "CLINC150, 20 a class" in capsys.readouterr().out


def test_what_is_missing_is_said(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", "--base", str(tiny_base), "--runs", str(tmp_path / "runs"), "--only", "20shot-LoRA"]
    monkeypatch.setattr(sys, "argv", command)
    assert compare.main() == 1
    assert "data_full.json" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*command, "--report"])
    assert compare.main() == 1
    assert "no runs yet" in capsys.readouterr().err


def test_the_plan_has_every_method_start_and_seed_once() -> None:
    runs = compare.planned([1, 2, 3], pretrained=True)
    names = [run.name for run in runs]
    assert len(names) == len(set(names)) == 3 * 3 * 6 + 4
    assert {run.start for run in runs} == {"cut", "random", "pretrained"}
    assert not all(run.update for run in runs)


def test_intervals_by_hand() -> None:
    mean, half = compare.interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half == pytest.approx(4.303 / math.sqrt(3))
    assert math.isnan(compare.interval([1.0])[1])


def test_a_name_tells_the_run() -> None:
    assert Run("intents", "LoRA", 2, 20).name == "intents-20shot-LoRA-seed2"
    assert Run("replies", "shadow", 1, update=False).name == "replies-full-shadow-seed1-cut-noupdate-r16-a1"
