from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest
import torch
from datasets import Dataset

from shadow_intent.cloud.base import load_base
from shadow_intent.shadow import load_shadow
from shadow_intent.shadow.texts import dataset_texts
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
    assert (tmp_path / "run" / pretrain.COMMAND).read_text().startswith("python -m training.pretrain --text ")


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


STORY = "The robot walks to the door and waits for the dog."
CONFIGS = """---
configs:
- {config_name: lines, data_files: lines.jsonl}
- {config_name: bodies, data_files: bodies.jsonl}
- {config_name: torn, data_files: torn.jsonl}
---
"""


@pytest.fixture
def stories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Datasets as the Hub has them: a folder with several configurations, and one with a table. Where they are."""

    def connect(*_: object) -> None:
        pytest.fail("nothing here needs the network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    folder, table = tmp_path / "stories", tmp_path / "table" / "train.parquet"
    folder.mkdir()
    Dataset.from_dict({"text": [STORY] * 8}).to_parquet(table)
    (folder / "README.md").write_text(CONFIGS)
    (folder / "lines.jsonl").write_text(f"{json.dumps({'text': STORY})}\n" * 8)
    (folder / "bodies.jsonl").write_text(json.dumps({"body": STORY}))
    (folder / "torn.jsonl").write_text('{"text": "The rob')
    return tmp_path


@pytest.mark.parametrize("source", ["--sample", "table", "stories:lines"])
def test_text_may_come_from_the_base_itself_or_from_a_dataset(
    source: str, stories: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["pretrain", *([source] if source == "--sample" else ["--dataset", str(stories / source)])]
    command += ["--base", str(tiny_base), "--run", str(tmp_path / "run"), "--layers", "1"]
    command += ["--length", "12", "--batch-size", "2", "--steps", "1", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", command)
    assert pretrain.main() == 0
    base = load_base(str(tiny_base))
    trained = load_shadow(tmp_path / "run", base).network.backbone.state_dict()
    assert any(not torch.equal(trained[f"layers.{name}"], w) for name, w in base.model.layers[:1].named_parameters())


def test_a_dataset_gives_the_texts_of_its_rows(stories: Path) -> None:
    for name in ("table", "stories:lines"):
        assert list(dataset_texts(str(stories / name))) == [STORY] * 8
    assert list(dataset_texts(str(stories / "stories:bodies"), field="body")) == [STORY]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere", "nowhere', split 'train', cannot be read: Couldn't find any data file"),
        ("stories", "Config name is missing"),
        ("stories:long", "'long' not found. Available: ['lines', 'bodies', 'torn']"),
        ("stories:bodies", "row 1 has no text in a field 'text'; its fields are body"),
        ("stories:torn", "stories:torn', split 'train', cannot be read: JSON parse error"),
    ],
)
def test_a_dataset_that_cannot_be_had_or_read_is_said(
    name: str,
    told: str,
    stories: Path,
    tiny_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["pretrain", "--dataset", str(stories / name), "--base", str(tiny_base), "--run", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", command)
    assert pretrain.main() == 1
    assert told in capsys.readouterr().err


def test_without_the_package_a_dataset_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match="pip install datasets"):
        next(iter(dataset_texts("stories")))


def test_a_run_folder_that_cannot_be_made_is_said(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    command = ["pretrain", "--sample", "--base", str(tiny_base), "--run", str(tmp_path / "file" / "run")]
    monkeypatch.setattr(sys, "argv", [*command, "--steps", "1", "--length", "4", "--batch-size", "1"])
    assert pretrain.main() == 1
    assert "error: [Errno" in capsys.readouterr().err
