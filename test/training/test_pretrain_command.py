from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from shadow_intent.cloud.base import load_base
from shadow_intent.shadow import load_shadow
from training import pretrain


def test_a_run_is_interrupted_goes_on_and_leaves_a_shadow(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "story.txt").write_text("The robot walks to the door and waits for the dog. " * 20)
    command = ["pretrain", "--text", str(tmp_path / "text"), "--base", str(tiny_base), "--run", str(tmp_path / "run")]
    command += ["--layers", "1", "--length", "16", "--batch-size", "2", "--steps", "2", "--limit", "3"]
    command += ["--threads", "1"]
    monkeypatch.setattr(sys, "argv", command)
    assert pretrain.main() == 0
    base = load_base(str(tiny_base))
    first = load_shadow(tmp_path / "run", base).network.state_dict()
    assert pretrain.main() == 0
    second = load_shadow(tmp_path / "run", base).network.state_dict()
    assert any(not torch.equal(first[name], second[name]) for name in first)
    assert pretrain.main() == 0  # done already
    third = load_shadow(tmp_path / "run", base).network.state_dict()
    assert all(torch.equal(second[name], third[name]) for name in second)


def test_text_that_is_not_there_is_said(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["pretrain", "--text", str(tmp_path / "no"), "--base", str(tiny_base), "--run", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", command)
    assert pretrain.main() == 1
    assert "expected files .txt" in capsys.readouterr().err
