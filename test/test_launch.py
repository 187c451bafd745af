"""launch/go2.launch.py: read everywhere, started for real wherever ROS's launch is installed."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from support import ROOT, wait_for

from shadow_intent.errors import ConfigError, ShadowIntentError

LAUNCH_FILE = ROOT / "launch" / "go2.launch.py"
ARGUMENTS = ["namespace", "robot_prefix", "params_file", "cloud_address", "use_mock_robot", "use_sim"]
ARGUMENTS += ["use_sim_time", "log_level"]
ROS2 = shutil.which("ros2", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
HAS_LAUNCH = ROS2 is not None and importlib.util.find_spec("launch_ros") is not None


def calls(name: str) -> list[ast.Call]:
    """Every call of a function or class called `name` in the launch file."""
    tree = ast.parse(LAUNCH_FILE.read_text(encoding="utf-8"))
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [node for node in nodes if isinstance(node.func, ast.Name) and node.func.id == name]


def test_the_launch_file_compiles():
    compile(LAUNCH_FILE.read_text(encoding="utf-8"), str(LAUNCH_FILE), "exec")


def test_it_declares_where_and_how_and_describes_each_argument():
    declared = {
        ast.literal_eval(call.args[0]): {k.arg for k in call.keywords} for call in calls("DeclareLaunchArgument")
    }
    assert list(declared) == ARGUMENTS
    assert all({"default_value", "description"} <= given for given in declared.values())


def test_it_starts_the_three_nodes_and_a_robot_that_is_none():
    started_nodes = {ast.literal_eval(call.args[0]) for call in calls("robot_node")}
    assert started_nodes == {"stop_node", "skill_node", "intent_node", "mock_go2", "sim_go2"}


def test_a_dds_profile_is_chosen_before_any_node():
    profile, nodes = calls("SetEnvironmentVariable"), calls("OpaqueFunction")
    assert len(profile) == 1
    assert profile[0].lineno < nodes[0].lineno


def start_nodes(
    monkeypatch: pytest.MonkeyPatch, on_exit: Callable[..., object] = SimpleNamespace, **chosen: str
) -> list[str]:
    """The nodes that the launch file starts with these arguments; what belongs to ROS's launch is a stand-in."""
    pytest.importorskip("shadow_intent.msg", reason="messages are not built")
    modules = [*(f"launch{part}" for part in ("", ".actions", ".event_handlers", ".events", ".events.process"))]
    modules += ["launch.logging", "launch.substitutions", "launch_ros", "launch_ros.actions"]
    modules += [f"launch_ros.{part}" for part in ("parameter_descriptions", "ros_adapters", "substitutions")]
    for name in modules:
        monkeypatch.setitem(sys.modules, name, MagicMock())
    spec = importlib.util.spec_from_file_location("go2_launch", LAUNCH_FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.LaunchConfiguration = lambda name: SimpleNamespace(perform=lambda context: chosen.get(name, ""))
    module.OnProcessExit = on_exit
    names: list[str] = []

    def node(executable: str, **_: object) -> SimpleNamespace:
        names.append(executable)
        return SimpleNamespace(executable=executable)

    module.Node = node
    module.start_nodes(None)
    return names


@pytest.mark.parametrize(
    ("reach", "chosen"), [("SUBNET", {}), ("SUBNET", {"use_mock_robot": "true"}), ("LOCALHOST", {"use_sim": "true"})]
)
def test_under_an_unsafe_profile_nothing_starts_that_may_reach_a_robot(monkeypatch, tmp_path, reach, chosen):
    profile = tmp_path / "profile.xml"
    profile.write_text("<dds/>")
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", reach)
    monkeypatch.delenv("RMW_IMPLEMENTATION", raising=False)
    if reach == "LOCALHOST":
        assert "sim_go2" in start_nodes(monkeypatch, **chosen)
    else:
        with pytest.raises(ShadowIntentError, match="type_propagation = unset"):
            start_nodes(monkeypatch, **chosen)


def test_under_the_shipped_profile_everything_starts_on_any_network(monkeypatch):
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(ROOT / "config" / "fastdds.xml"))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    assert set(start_nodes(monkeypatch)) == {"stop_node", "skill_node", "intent_node"}


def test_what_cannot_start_as_configured_ends_the_launch_and_what_crashed_does_not(monkeypatch):
    handlers = {}

    def on_exit(target_action, on_exit):
        handlers[target_action.executable] = on_exit

    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(ROOT / "config" / "fastdds.xml"))
    start_nodes(monkeypatch, on_exit, use_mock_robot="true")
    assert set(handlers) == {
        "stop_node",
        "mock_go2",
    }  # the others live to say what is wrong, and stop_node outlives them
    running, over = SimpleNamespace(is_shutdown=False), SimpleNamespace(is_shutdown=True)
    for name, handler in handlers.items():
        wrong = SimpleNamespace(returncode=os.EX_CONFIG, process_name=f"{name}-1")
        with pytest.raises(ConfigError, match=f"{name}-1 cannot start as it is configured"):
            handler(wrong, running)
        assert handler(wrong, over) is None
        for status in (0, 1, -signal.SIGKILL, -signal.SIGSEGV):
            assert handler(SimpleNamespace(returncode=status, process_name=name), running) is None


def active(log: Path) -> list[str]:
    """The nodes that the launch file reported active, in order."""
    return re.findall(r"\[go2\.launch\]: /(\w+) is active", log.read_text())


def started(log: Path, executable: str) -> list[int]:
    """Process ids that launch reported for an executable, in order."""
    return [
        int(pid) for pid in re.findall(rf"\[{executable}-\d+\]: process started with pid \[(\d+)\]", log.read_text())
    ]


if HAS_LAUNCH:  # it comes with a ROS 2 distribution; there are no wheels of it

    def test_for_real_both_nodes_become_active_again_after_a_crash_and_ctrl_c_ends_all(tmp_path: Path, domain: int):
        log = tmp_path / "launch.log"
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_LOG_DIR": str(tmp_path)}
        command = [str(ROS2), "launch", str(LAUNCH_FILE), "use_mock_robot:=true"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
            try:
                wait_for(lambda: active(log) == ["skill_node", "intent_node"], 60)
                os.kill(started(log, "skill_node")[0], signal.SIGKILL)
                wait_for(lambda: active(log) == ["skill_node", "intent_node", "skill_node"], 60)
            finally:
                process.send_signal(signal.SIGINT)
                status = process.wait(30)
        assert status == 0, log.read_text()
        assert len(started(log, "mock_go2")) == 1
