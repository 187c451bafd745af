"""The server as a process: how it starts, what it says, how it ends, and what it refuses."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
import yaml
from support import ROOT

from shadow_intent.cloud import intent_pb2, intent_pb2_grpc
from shadow_intent.cloud.config import CloudConfig
from shadow_intent.cloud.server import require_free, serve
from shadow_intent.errors import ConfigError

COMMAND = [sys.executable, "-m", "shadow_intent.cloud.server"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=100)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_when_told(
    artefacts: tuple[Path, Path], number: signal.Signals, tmp_path: Path
) -> None:
    base, bundle = artefacts
    config = changed(tmp_path, base=str(base), bundle=str(bundle), read_clauses=False)
    arguments = ["--config", str(config), "--address", "127.0.0.1:0", "--threads", "1"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:")
        with grpc.insecure_channel(line.split()[-1]) as channel:
            request = intent_pb2.Request(utterance_id="u", text="sit then wave")
            answer = intent_pb2_grpc.IntentServiceStub(channel).Resolve(request, timeout=30)
        process.send_signal(number)
        assert process.wait(20) == 0
    assert [step.label for step in answer.plan] == ["sit", "hello"]


def test_a_bundle_that_is_not_there_is_named() -> None:
    result = run("--bundle", "nowhere")
    assert result.returncode == 2
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stderr


def test_help_explains_the_options() -> None:
    result = run("--help")
    assert result.returncode == 0
    for option in ("--config", "--address", "--base", "--bundle", "--tls-certificate", "--tls-key", "--log-level"):
        assert option in result.stdout


def changed(tmp_path: Path, **values: object) -> Path:
    """The shipped settings with other values."""
    settings = yaml.safe_load((ROOT / "config" / "cloud.yaml").read_text(encoding="utf-8")) | values
    path = tmp_path / "cloud.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def test_the_shipped_settings_are_read() -> None:
    config = CloudConfig.load()
    assert config.address.startswith("127.0.0.1:")
    assert config.base_languages == ("en",)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("colour", "red"),
        ("threads", -1),
        ("threads", True),
        ("max_new_tokens", "many"),
        ("read_clauses", "sometimes"),
        ("prepack", 1),
        ("max_waiting", 1.5),
        ("dtype", "int3"),
        ("base", 7),
        ("base_languages", []),
        ("base_languages", "en"),
        ("tls_client_ca", 7),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path: Path, key: str, value: object) -> None:
    path = changed(tmp_path, **{key: value})
    with pytest.raises(ConfigError, match=key) as caught:
        CloudConfig.load(path)
    assert str(path) in str(caught.value)


def test_a_wrong_option_is_not_blamed_on_the_file() -> None:
    with pytest.raises(ConfigError, match=r"^option threads: expected a whole number >= 0, got -1"):
        CloudConfig.load(threads=-1)


def test_a_busy_port_is_found_before_the_base_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"cannot listen on {address}"):
            serve(CloudConfig.load(address=address, base="nowhere"))
    require_free(address)
    require_free(address)  # it gave the port back


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "\x00"])
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cloud\.yaml"):
        CloudConfig.load(path)
