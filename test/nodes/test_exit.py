"""Every node process ends when it is told to, at whatever moment and however often it is told."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import ROOT, wait_for

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")

from shadow_intent.nodes.run import EXIT_S

NODES = ("mock_go2", "stop_node", "skill_node", "intent_node")
PATIENCE_S = 30.0
"""An end that is certain shows on a loaded machine too; the bound itself is `EXIT_S`."""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def start(domain: int, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`start(*arguments)`: a Python process in this test's ROS domain, killed after the test if it still runs."""
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_LOG_DIR": str(tmp_path)}
    with ExitStack() as stack:

        def begin(*arguments: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, *arguments]
            process = stack.enter_context(subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE))
            stack.callback(process.kill)
            return process

        yield begin


def catches(process: subprocess.Popen[bytes]) -> bool:
    """The process handles SIGTERM itself (proc(5), SigCgt)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return bool(int(status.split("SigCgt:")[1].split()[0], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("name", NODES)
def test_it_ends_well_at_any_moment_and_when_told_many_times(
    start: Callable[..., subprocess.Popen[bytes]], name: str
) -> None:
    parameters = ["-p", "robot:=mock"] if name in ("stop_node", "skill_node") else []
    process = start("-m", f"shadow_intent.nodes.{name}", "--ros-args", *parameters)
    wait_for(lambda: catches(process), PATIENCE_S)
    time.sleep(random.uniform(0.0, 0.8))  # into the making of the node, or into its spinning
    for _ in range(50):
        process.send_signal(random.choice((signal.SIGINT, signal.SIGTERM)))
    assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["-p", "robot:=nothing"], "parameter robot"), (["--params-file", "broken.yaml"], "broken.yaml")],
)
def test_what_is_wrongly_configured_says_so_in_its_exit_status(
    start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    arguments = [str(tmp_path / "broken.yaml") if argument == "broken.yaml" else argument for argument in arguments]
    process = start("-m", "shadow_intent.nodes.stop_node", "--ros-args", *arguments)
    assert process.wait(PATIENCE_S) == os.EX_CONFIG
    said = process.stderr.read().decode() if process.stderr else ""
    assert re.search(f"^ConfigError: .*{words}", said, re.MULTILINE) and "Traceback" not in said


def test_a_callback_that_never_returns_is_shown_and_cut_off(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    program = """
import sys, time
from rclpy.node import Node
from shadow_intent.nodes import run
run.EXIT_S = 1.0
class Stuck(Node):
    def __init__(self):
        super().__init__("stuck")
        self.create_timer(0.01, self.stick)
    def stick(self):
        print("stuck", file=sys.stderr, flush=True)
        time.sleep(1e6)
    def close(self):
        pass
run.run(Stuck, [])
"""
    process = start("-c", program)
    assert process.stderr is not None and process.stderr.readline() == b"stuck\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 1
    said = process.stderr.read()
    assert b"Timeout" in said and b"in stick" in said


def test_the_bound_is_below_the_one_after_which_others_kill() -> None:
    assert EXIT_S < 5.0, "ros2 launch sends SIGTERM 5 s after SIGINT"
