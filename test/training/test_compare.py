"""The comparison at a tiny size: every kind of run, going on, and the report."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from shadow_intent.cloud.base import load_base
from shadow_intent.errors import ShadowIntentError
from shadow_intent.shadow import Shadow, ShadowConfig, ShadowNetwork, load_shadow, save_shadow
from training import compare, rivals
from training.compare_runs import DRAFTS, Candidate, Run, Settings, one_thread
from training.compare_tasks import Intents
from training.machine import processor

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
    command += [
        "--out",
        str(tmp_path / "out"),
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--limit",
        "4",
        "--threads",
        "1",
        "--bf16",
    ]
    wanted = ["intents-20shot-LoRA", "intents-20shot-DoRA", "intents-20shot-shadow-seed1-cut-r16-a1"]
    wanted += ["intents-20shot-shadow-seed1-random", "replies-full-LoRA", "replies-full-shadow-seed1-cut-noupdate"]
    wanted += ["replies-full-shadow-seed1-cut-r16-a1-drafts"]
    command += ["--keep", str(tmp_path / "kept")]
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
    rank = rivals.trainable(rivals.lora(load_base(str(tiny_base)), 1))
    assert abs(weights["LoRA"] - (32 + 1) * len(WORDS) - weights["shadow"]) <= rank / 2  # without its head
    assert all(0 <= row["accuracy"] <= 100 for row in rows if row["task"] == "intents")
    assert all(row["loss"] > 0 for row in rows if row["task"] == "replies")
    assert (tmp_path / "out" / "compare.png").stat().st_size > 5000
    labels = {compare.label(row) for row in rows}
    assert labels >= {"DoRA", "ShadowPEFT detached", "ShadowPEFT attached (no update)"}
    assert "ShadowPEFT attached (for drafts)" in labels
    kept = load_shadow(tmp_path / "kept" / wanted[-1], load_base(str(tiny_base)))
    assert (kept.config.lambda_, kept.config.distill) == (DRAFTS["lambda_"], DRAFTS["distill"])
    printed, text = capsys.readouterr().out, (tmp_path / "out" / "compare.md").read_text()
    assert "CLINC150, 20 a class, 4 held out" in printed
    assert "English requests with plan and reply, 4 held out" in text
    assert text.count("python -m training.compare --clinc") == 2  # the two commands above
    result = json.loads(first.read_text())
    made = [{"processor": "another", "pretraining": f"python -m training.pretrain --steps {n}"} for n in (1, 2)]
    first.write_text(json.dumps(result | made[0]))
    monkeypatch.setattr(sys, "argv", [*command, "--report"])
    assert compare.main() == 0
    again = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [row["method"] for row in again if "ms" not in row] == ["LoRA"]  # times of two machines are not averaged
    text = (tmp_path / "out" / "compare.md").read_text()
    assert f"of the runs on {processor()}" in text and "\npython -m training.pretrain --steps 1\n" in text
    (tmp_path / "runs" / "of another shadow.json").write_text(json.dumps(result | made[1]))
    assert compare.main() == 1
    assert "training.pretrain --steps 1; python -m training.pretrain --steps 2" in capsys.readouterr().err
    (tmp_path / "runs" / "of another shadow.json").unlink()
    monkeypatch.setattr(sys, "argv", [*command, "--epochs", "2", "--only", wanted[0]])
    assert compare.main() == 1
    assert "epochs 1, not 2" in capsys.readouterr().err
    first.write_text(json.dumps(result | {"settings": result["settings"] | {"limit": 0}}))
    monkeypatch.setattr(sys, "argv", [*command, "--report"])
    assert compare.main() == 1
    assert "different settings" in capsys.readouterr().err


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
    assert len(names) == len(set(names)) == 3 * (5 + 5 + 3) + 5 + 2 + 2
    apart = [run.name for seed in (1, 2, 3) for run in compare.planned([seed], pretrained=True)]
    assert sorted(apart) == sorted(names)  # several processes with a seed each do the same work
    assert {run.start for run in runs} == {"cut", "random", "pretrained"}
    assert not all(run.update for run in runs)
    assert not any(run.start == "pretrained" for run in compare.planned([1], pretrained=False))


def test_a_pass_reads_every_row_once_in_batches_of_similar_length(clinc: Path) -> None:
    task = Intents(clinc, lambda text: SimpleNamespace(input_ids=list(range(len(text)))), 0, 1)
    rows = task.train * 40
    lengths = [batch.attention_mask.sum(dim=1) for batch in task.batches(rows, 8, 3)]
    assert sorted(int(n) for batch in lengths for n in batch) == sorted(len(ids) for ids, _ in rows)
    assert sum(int(batch.max() - batch.min()) for batch in lengths) < len(lengths)
    first, again, other = ([b.labels.tolist() for b in task.batches(rows, 8, seed)] for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize("labels", [150, 0])
def test_over_smollm2_all_methods_train_as_many_weights_as_the_ranks_allow(labels: int) -> None:
    sizes = {"hidden_size": 576, "intermediate_size": 1536, "vocab_size": 49152, "tie_word_embeddings": True}
    shape = LlamaConfig(**sizes, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3)
    with torch.device("meta"):  # nothing is computed
        base = LlamaForCausalLM(shape)
        rank = rivals.trainable(rivals.lora(base, 1))
        shadow, lora, dora = (
            Candidate(Run("intents", method, 1), Settings(), base, labels).weights
            for method in ("shadow", "LoRA", "DoRA")
        )
    assert rank == 305_280
    head = 577 * labels
    assert abs(lora - head - shadow) <= rank / 2
    magnitudes = 30 * (576 + 192 + 192 + 576 + 1536 + 1536 + 576)  # outputs of the linear layers
    assert dora == lora + magnitudes
    assert lora == pytest.approx(shadow, rel=0.024)
    assert dora == pytest.approx(shadow, rel=0.043)


def test_intervals_by_hand() -> None:
    mean, half = compare.interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)
    assert math.isnan(compare.interval([1.0])[1])
    assert compare.interval([1.0, 2.0] * 4)[1] == pytest.approx(2.3646 * math.sqrt(2 / 7) / math.sqrt(8), rel=1e-4)


def test_a_row_is_the_mean_over_seeds_of_one_alpha() -> None:
    shared = {"task": "intents", "method": "shadow", "shots": 20, "tests": 9, "weights": 7, "train_seconds": 5.0}
    accuracy = {(1.0, 1): 80.0, (1.0, 2): 84.0, (0.5, 1): 60.0, (0.5, 2): 70.0}
    results = [
        {**shared, "alpha": alpha, "seed": seed, "attached": {"accuracy": found}, "detached": {"accuracy": found - 9}}
        for (alpha, seed), found in accuracy.items()
    ]
    rows = {(row["alpha"], row["path"]): row for row in compare.summarise(results)}
    means = {(1.0, "attached"): 82.0, (1.0, "detached"): 73.0, (0.5, "attached"): 65.0, (0.5, "detached"): 56.0}
    assert {key: row["accuracy"] for key, row in rows.items()} == means
    assert {row["seeds"] for row in rows.values()} == {2}
    half = 12.7062  # of Student's t with one degree of freedom, times the standard error
    assert rows[1.0, "attached"]["accuracy_95"] == pytest.approx(half * 2.0, rel=1e-4)
    assert rows[0.5, "detached"]["accuracy_95"] == pytest.approx(half * 5.0, rel=1e-4)
    assert (rows[0.5, "attached"]["weights"], rows[0.5, "attached"]["weights_95"]) == (7.0, 0.0)


@pytest.mark.parametrize(
    "other",
    [
        {"task": "replies"},
        {"method": "LoRA"},
        {"shots": 0},
        {"start": "random"},
        {"update": False},
        {"rank": 8},
        {"alpha": 0.5},
        {"aim": "drafts"},
    ],
    ids=str,
)
def test_runs_that_differ_in_more_than_the_seed_are_not_averaged(other: dict[str, Any]) -> None:
    one = {**asdict(Run("intents", "shadow", 1, 20)), "tests": 9, "weights": 7, "attached": {"accuracy": 80.0}}
    rows = compare.summarise([one, {**one, **other, "attached": {"accuracy": 60.0}}])
    assert sorted(row["accuracy"] for row in rows) == [60.0, 80.0]
    assert {row["seeds"] for row in rows} == {1}


def test_a_pretrained_shadow_of_another_depth_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    base, config = load_base(str(tiny_base)), ShadowConfig(num_layers=1)
    save_shadow(tmp_path, Shadow(config, ShadowNetwork.cut(base, config)), base)
    run = Run("intents", "shadow", 1, start="pretrained")
    with pytest.raises(ShadowIntentError, match="holds 1 blocks"):
        Candidate(run, Settings(pretrained=tmp_path), base, 3)


def test_latency_is_measured_on_one_thread_and_the_rest_is_not() -> None:
    torch.set_num_threads(2)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_a_name_tells_the_run() -> None:
    assert Run("intents", "LoRA", 2, 20).name == "intents-20shot-LoRA-seed2"
    assert Run("replies", "shadow", 1, update=False).name == "replies-full-shadow-seed1-cut-noupdate-r16-a1"
