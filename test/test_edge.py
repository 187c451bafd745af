"""The edge benchmark with tiny counts on the shipped bundle: what it measures, and what it writes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from benchmarks import edge
from shadow_intent.bundle import Bundle


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "WARM_UP": 1,
        "RUNS": 4,
        "LENGTHS": (1, 12),
        "COLD_STARTS": 1,
        "TIMES": 3,
        "STOP_RUNS": 1,
    }.items():
        monkeypatch.setattr(edge, name, value)


def test_everything_is_measured_and_written(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, cores = tmp_path / "new" / "edge.json", os.sched_getaffinity(0)
    core = min(cores)
    command = ["edge", "--bundle", str(bundle_folder), "--core", str(core), "--json", str(file)]
    monkeypatch.setattr(sys, "argv", command)
    assert edge.main() == 0
    assert os.sched_getaffinity(0) == cores  # as it was found
    written, bundle = json.loads(file.read_text()), Bundle.load(bundle_folder)
    shipped = json.loads((Path(edge.__file__).parents[1] / "docs" / "results" / "edge.json").read_text())
    assert set(written) == set(shipped)
    assert written["bundle"] == bundle.bundle_id
    assert list(written["latency"]) == ["1", "12"]
    for row in (*written["latency"].values(), *written["classifier"].values()):
        assert 0 < row["p50_ms"] <= row["p99_ms"]
    assert {"this bundle, threads 1", "this bundle, threads 2"} <= set(written["classifier"])
    stop = written["stop"]
    assert (stop["missed"], stop["false_fires"]) == (0, 0) and stop["must_fire"] < stop["phrases"]
    assert 0 < stop["p50_us"] <= stop["p99_us"] <= stop["slowest_us"]
    assert 0 < written["first_ms"] / 1e3 < written["cold_start_s"]
    assert 0 < written["resident_mib"] <= written["peak_mib"]
    assert written["model_mib"] < written["robot_mib"] < written["bundle_mib"]
    assert f"cold start {written['cold_start_s']} s" in capsys.readouterr().out


@pytest.mark.parametrize("tokens", [1, 12, 100])
def test_an_utterance_has_as_many_tokens_as_its_row_says(bundle_folder: Path, tokens: int) -> None:
    tokenizer = Tokenizer.from_file(str(Bundle.load(bundle_folder).tokenizer_path))
    assert len(tokenizer.encode(edge.text_of(tokens, tokenizer)).ids) == tokens


def test_percentiles_are_in_milliseconds() -> None:
    assert edge.percentiles([0.001] * 99 + [0.002]) == {"p50_ms": 1.0, "p99_ms": 1.01}
