from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

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


def test_a_run_with_other_texts_or_a_damaged_state_is_refused_without_a_traceback(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").mkdir()
    story = tmp_path / "text" / "story.txt"
    story.write_text("The robot walks to the door and waits for the dog. " * 20)
    command = ["pretrain", "--text", str(tmp_path / "text"), "--base", str(tiny_base), "--run", str(tmp_path / "run")]
    command += ["--layers", "1", "--batch-size", "1", "--steps", "1", "--limit", "1", "--threads", "1"]

    def told() -> str:
        monkeypatch.setattr(sys, "argv", [*command, "--length", "12"])
        status, error = pretrain.main(), capsys.readouterr().err
        assert (status == 1) == ("error:" in error)
        assert "Traceback" not in error
        return error.partition("error:")[2]

    assert told() == ""
    story.write_text("Another story. " * 70)
    assert "other settings (texts.source=1 files of 1020 bytes" in told()
    (tmp_path / "run" / "pretrain.pt").write_bytes(b"no state")
    assert "pretrain.pt is damaged (UnpicklingError" in told()


def test_text_that_is_not_there_is_said(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["pretrain", "--text", str(tmp_path / "no"), "--base", str(tiny_base), "--run", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", command)
    assert pretrain.main() == 1
    assert "expected files .txt" in capsys.readouterr().err


@pytest.mark.parametrize("source", [["--sample"], ["--dataset", "stories:short"]], ids=lambda x: x[0])
def test_text_may_come_from_the_base_itself_or_from_a_dataset(
    source: list[str], tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load_dataset(path: str, name: str | None, *, split: str, streaming: bool) -> Iterator[dict[str, str]]:
        asked.append((path, name, split, streaming))
        return iter([{"text": "The robot walks to the door and waits for the dog."}] * 8)

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    command = ["pretrain", *source, "--base", str(tiny_base), "--run", str(tmp_path / "run"), "--layers", "1"]
    command += ["--length", "12", "--batch-size", "2", "--steps", "1", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", command)
    assert pretrain.main() == 0
    base = load_base(str(tiny_base))
    trained = load_shadow(tmp_path / "run", base).network.backbone.state_dict()
    assert any(not torch.equal(trained[f"layers.{name}"], w) for name, w in base.model.layers[:1].named_parameters())
    assert set(asked) == ({("stories", "short", "train", True)} if "--dataset" in source else set())


def test_a_dataset_that_cannot_be_had_or_read_is_said(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["pretrain", "--dataset", "nobody/nothing", "--base", str(tiny_base), "--run", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", command)

    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("Dataset 'nobody/nothing' doesn't exist on the Hub")  # as DatasetNotFoundError is

    for module, told in (
        (None, "pip install datasets"),
        (SimpleNamespace(load_dataset=missing), "dataset 'nobody/nothing', split 'train', cannot be read: Dataset"),
        (SimpleNamespace(load_dataset=lambda *_, **__: [{"body": ""}]), "rows have no field 'text', only body"),
    ):
        monkeypatch.setitem(sys.modules, "datasets", module)
        assert pretrain.main() == 1
        assert told in capsys.readouterr().err


def test_a_run_folder_that_cannot_be_made_is_said(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    command = ["pretrain", "--sample", "--base", str(tiny_base), "--run", str(tmp_path / "file" / "run")]
    monkeypatch.setattr(sys, "argv", [*command, "--steps", "1", "--length", "4", "--batch-size", "1"])
    assert pretrain.main() == 1
    assert "error: [Errno" in capsys.readouterr().err
