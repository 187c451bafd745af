"""The command line as a process: what goes in, what comes out, which exit status."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

from shadow_intent.event_log import EventLog

FIELDS = ["text", "label", "probability", "decision", "reason", "slots", "latency_ms"]
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "shadow_intent", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, env={**os.environ, **environment}, timeout=60)


@pytest.fixture
def predict(bundle_folder: Path) -> Callable[..., tuple[list[dict[str, Any]], int]]:
    """`predict(stdin, *options)` -> rows, exit status"""

    def call(stdin: bytes, *options: str) -> tuple[list[dict[str, Any]], int]:
        process = run("predict", "--bundle", str(bundle_folder), *options, stdin=stdin)
        assert b"Traceback" not in process.stderr, process.stderr.decode()
        return [json.loads(line) for line in process.stdout.splitlines()], process.returncode

    return call


def test_predict_answers_every_line_in_order(predict: Any) -> None:
    texts = ["go forward two metres", "why is the sky blue", "stop", "", "向左转九十度", "he told me to sit down"]
    rows, status = predict("\n".join(texts).encode())
    assert status == 0
    assert [row["text"] for row in rows] == texts
    assert all(list(row) == FIELDS for row in rows)
    assert [row["decision"] for row in rows] == ["skill", "remote", "skill", "ignore", "skill", "ignore"]
    assert rows[0]["slots"] == {"distance_m": 2.0} and rows[4]["slots"] == {"angle_deg": 90.0}
    assert re.fullmatch(r"p = [01]\.\d+ ≥ 0\.\d+", rows[0]["reason"])
    assert re.search(r"open request: p = [01]\.\d\d$", rows[1]["reason"])
    assert rows[2]["reason"] == "matched stop phrase: stop"
    assert rows[3]["reason"] == "no words in the text"
    assert all(row["latency_ms"] > 0 for row in rows)


def test_predict_reads_json_lines(predict: Any) -> None:
    rows, status = predict('{"text": "坐下"}\n{"text": "sit\\ndown"}\r\n'.encode(), "--jsonl")
    assert status == 0
    assert [(row["text"], row["label"]) for row in rows] == [("坐下", "sit"), ("sit\ndown", "sit")]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"sit down", "not JSON"),
        (b"", "not JSON"),
        (b"[]", 'expected an object {"text": "..."}'),
        (b"{}", 'expected an object {"text": "..."}'),
        (b'{"text": 3}', "text must be a string, got int"),
        (b'{"text": null}', "text must be a string, got NoneType"),
        (b'{"text": "sit", "volume": 11}', "unknown field 'volume'"),
        (b'{"text": "\\ud800"}', "lone surrogate"),
        (b'{"text": "\xff\xfe"}', "not UTF-8 at byte 11"),
        (b"[" * 100_000, "not JSON"),
        (b'{"text": NaN}', "text must be a string, got float"),
    ],
)
def test_a_bad_json_line_is_named_and_the_next_is_read(predict: Any, line: bytes, error: str) -> None:
    rows, status = predict(b'{"text": "sit"}\n' + line + b'\n{"text": "stop"}\n', "--jsonl")
    assert status == 1
    assert [row["decision"] for row in rows] == ["skill", "ignore", "skill"]
    assert list(rows[1]) == [*FIELDS, "error"]
    assert rows[1]["error"].startswith("line 2: ") and error in rows[1]["error"]


def test_invalid_utf8_in_a_plain_line_is_named(predict: Any) -> None:
    rows, status = predict(b"sit\n\xff\xfe\nstop\n")
    assert status == 1 and len(rows) == 3
    assert rows[1]["error"] == "line 2: not UTF-8 at byte 1"


def test_10000_characters_are_ignored(predict: Any) -> None:
    ((row,), status) = predict(b"sit down " * 1200)
    assert status == 0 and row["decision"] == "ignore" and "at most 1000 are read" in row["reason"]


def test_predict_answers_while_the_input_is_still_open(bundle_folder: Path) -> None:
    command = [sys.executable, "-m", "shadow_intent", "predict", "--bundle", str(bundle_folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"sit\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["label"] == "sit"
        process.stdin.close()
        assert process.wait(10) == 0


def test_predict_ends_quietly_when_nobody_reads(bundle_folder: Path) -> None:
    command = [sys.executable, "-m", "shadow_intent", "predict", "--bundle", str(bundle_folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"sit\n" * 1000)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(10) == 1


def test_ctrl_c_ends_predict_quietly(bundle_folder: Path) -> None:
    command = [sys.executable, "-m", "shadow_intent", "predict", "--bundle", str(bundle_folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(b"sit\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr.read() == b""


def test_output_is_utf8_whatever_the_locale(bundle_folder: Path) -> None:
    environment = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    process = run("predict", "--bundle", str(bundle_folder), stdin="坐下\n".encode(), **environment)
    assert json.loads(process.stdout.decode("utf-8"))["text"] == "坐下"


def test_a_broken_bundle_is_one_line_and_status_2(bundle_folder: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(bundle_folder, tmp_path / "broken"))
    (broken / "model.onnx").write_bytes(b"not a model")
    for command in (("predict", "--bundle"), ("bundle", "verify"), ("bundle", "info")):
        process = run(*command, str(broken))
        assert process.returncode == 2
        assert process.stderr.decode().startswith("error: ") and process.stderr.count(b"\n") == 1
        assert b"the file was altered" in process.stderr


def test_bundle_verify_and_info(bundle_folder: Path) -> None:
    verified = run("bundle", "verify", str(bundle_folder))
    assert verified.returncode == 0
    assert "hashes    match\nlabels    42, each with a row in skills.yaml\nsamples " in verified.stdout.decode()
    info = run("bundle", "info", str(bundle_folder))
    assert info.returncode == 0
    assert [line.split()[0] for line in info.stdout.decode().splitlines() if not line.startswith(" ")] == [
        *("bundle", "size", "labels", "policy"),
        *("base", "shadow", "training", "metrics"),
    ]


def test_log_prints_events_without_ros(tmp_path: Path) -> None:
    header = {"stamp": {"sec": 1, "nanosec": 0}, "frame_id": ""}
    message = {"header": header, "text": "坐下", "language": "", "asr_confidence": float("nan"), "session_id": ""}
    with EventLog(tmp_path / "run") as log:
        log.append("voice_command", message, 42)
    process = run("log", str(tmp_path / "run"))
    assert process.returncode == 0
    assert json.loads(process.stdout) == {"topic": "voice_command", "stamp_ns": 42, **message, "asr_confidence": None}
    missing = run("log", str(tmp_path / "absent"))
    assert missing.returncode == 2 and b"expected a log folder" in missing.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("say",),
        ("bundle", "eat"),
        ("say", "sit", "--timeout", "-1"),
        ("predict", "--bundel"),
        ("demo", "--film", "x.mp4"),
    ],
)
def test_wrong_usage_is_status_2(arguments: tuple[str, ...]) -> None:
    process = run(*arguments)
    assert process.returncode == 2 and process.stderr.startswith(b"usage: ")


def test_every_option_of_every_command_has_a_help_text() -> None:
    folders = (ROOT / name for name in ("shadow_intent", "training", "benchmarks"))
    texts = {path: path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py")}
    trees = {path: ast.parse(text) for path, text in texts.items() if ".add_argument(" in text}
    calls = [(path, node) for path, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    options = [(path, node) for path, node in calls if getattr(node.func, "attr", "") == "add_argument"]
    assert len(options) > 50
    assert [f"{p}:{n.lineno}" for p, n in options if "help" not in {word.arg for word in n.keywords}] == []


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("fly", 2)])
def test_all_benchmarks_start_only_when_asked(argument: str, status: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", argument, "--out", str(tmp_path / "out")]
    process = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert process.returncode == status
    assert "edge" in process.stdout + process.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["predict", "say", "watch", "log", "bundle", "demo"])
def test_help_shows_an_example(command: str) -> None:
    process = run(command, "--help")
    assert process.returncode == 0
    assert f"  shadow-intent {command}" in process.stdout.decode() or f"| shadow-intent {command}" in str(
        process.stdout
    )


def test_say_without_the_nodes_says_where_it_looked(domain: int) -> None:
    pytest.importorskip("rclpy")
    process = run("say", "sit down", "--namespace", "rex", ROS_DOMAIN_ID=str(domain))
    assert process.returncode == 2
    assert f"no active intent_node hears /rex/voice_command in ROS domain {domain}: " in process.stderr.decode()


WITHOUT = """
import sys
from shadow_intent.cli import main

class Without:
    def __init__(self, finder):
        self.find = finder.find_spec
    def find_spec(self, name, path=None, target=None):
        return None if name in sys.argv[1].split() else self.find(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("rclpy shadow_intent.msg", "error: rclpy is not installed: pip install 'shadow_intent[ros]'\n"),
        ("shadow_intent.msg", "error: the ROS messages of this package are not built"),
    ],
)
@pytest.mark.parametrize("command", [("say", "sit"), ("watch",)])
def test_without_ros_say_and_watch_name_what_to_install(command: tuple[str, ...], missing: str, words: str) -> None:
    if "rclpy" not in missing:
        pytest.importorskip("rclpy")
    arguments = [sys.executable, "-c", WITHOUT, missing, *command]
    process = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert process.returncode == 2 and process.stderr.startswith(words)
