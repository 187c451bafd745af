"""No node of ours joins a real robot's network with a DDS that crashes it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from person import parameters
from rclpy.lifecycle import TransitionCallbackReturn
from support import ROOT

from shadow_intent.errors import ConfigError, RobotError
from shadow_intent.nodes import dds
from shadow_intent.nodes.skill_node import SkillNode

UNSAFE = (
    '<dds><profiles><participant is_default_profile="{default}"><rtps><propertiesPolicy><properties>{entry}'
    "</properties></propertiesPolicy></rtps></participant></profiles></dds>"
)
ENTRY = "<property><name>fastdds.type_propagation</name><value>{}</value></property>"


def test_shipped_profile_is_safe(monkeypatch):
    monkeypatch.setenv(dds.PROFILE_VARIABLE, str(ROOT / "config" / "fastdds.xml"))
    assert dds.unsafe_reason() is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("<dds>", "cannot be read"),
        (UNSAFE.format(default="true", entry=""), "type_propagation = unset"),
        (UNSAFE.format(default="true", entry=ENTRY.format("enabled")), "type_propagation = enabled"),
        (UNSAFE.format(default="true", entry=ENTRY.format("minimal_bandwidth")), "minimal_bandwidth"),
        (UNSAFE.format(default="false", entry=ENTRY.format("disabled")), "type_propagation = unset"),
    ],
    ids=["missing", "torn", "unset", "enabled", "minimal", "not the default profile"],
)
def test_skill_node_refuses_a_real_robot_under_an_unsafe_profile(ros, monkeypatch, capfd, tmp_path, content, words):
    path = tmp_path / "profile.xml"
    if content is not None:
        path.write_text(content)
    node = ros(SkillNode, **parameters(robot="real"))
    monkeypatch.setenv(dds.PROFILE_VARIABLE, str(path))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert words in capfd.readouterr().err


def test_skill_node_refuses_a_real_robot_without_a_profile(ros, monkeypatch, capfd):
    node = ros(SkillNode, **parameters(robot="real"))
    monkeypatch.delenv(dds.PROFILE_VARIABLE)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "use_safe_profile" in capfd.readouterr().err


@pytest.mark.parametrize(("rmw", "safe"), [("rmw_cyclonedds_cpp", True), ("rmw_zenoh_cpp", False)])
def test_other_middleware(monkeypatch, rmw, safe):
    monkeypatch.delenv(dds.PROFILE_VARIABLE, raising=False)
    monkeypatch.setattr(dds.rclpy, "get_rmw_implementation_identifier", lambda: rmw)
    assert (dds.unsafe_reason() is None) == safe


def test_profile_after_rclpy_init_is_an_error(ros, monkeypatch):
    monkeypatch.delenv(dds.PROFILE_VARIABLE)
    with pytest.raises(ConfigError, match=r"before rclpy\.init"):
        dds.use_safe_profile()


@pytest.mark.parametrize(
    ("node", "reach"),
    [("stop_node", "LOCALHOST"), ("stop_node", "SUBNET"), ("skill_node", "SUBNET"), ("intent_node", "SUBNET")],
)
def test_no_process_starts_beside_a_robot_under_an_unsafe_profile(domain, tmp_path, node, reach):
    """On the robot's network before anything is announced, elsewhere before the robot is spoken to."""
    profile = tmp_path / "profile.xml"
    profile.write_text("<dds/>")
    settings = {"ROS_AUTOMATIC_DISCOVERY_RANGE": reach, "ROS_DOMAIN_ID": str(domain)}
    environment = {**os.environ, **settings, dds.PROFILE_VARIABLE: str(profile)}
    command = [sys.executable, "-m", f"shadow_intent.nodes.{node}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == os.EX_CONFIG
    assert done.stderr.startswith("RobotError: ") and "type_propagation = unset" in done.stderr


@pytest.mark.parametrize(
    ("settings", "alone"),
    [
        ({}, False),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "ROS_DISTRO": "jazzy"}, False),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, True),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF", "ROS_DISTRO": "kilted"}, True),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_STATIC_PEERS": "192.168.123.161"}, False),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_DISTRO": "humble"}, False),
        ({"ROS_LOCALHOST_ONLY": "1", "ROS_DISTRO": "humble"}, True),
        ({"ROS_LOCALHOST_ONLY": "0", "ROS_DISTRO": "humble"}, False),
    ],
)
def test_an_unsafe_profile_passes_only_where_this_distribution_stays_on_this_machine(
    monkeypatch, tmp_path, settings, alone
):
    profile = tmp_path / "profile.xml"
    profile.write_text("<dds/>")
    for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", "ROS_STATIC_PEERS", "ROS_DISTRO"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**settings, dds.PROFILE_VARIABLE: str(profile)}.items():
        monkeypatch.setenv(name, value)
    if alone:
        dds.use_safe_profile()
    else:
        with pytest.raises(RobotError, match="type_propagation = unset"):
            dds.use_safe_profile()


def test_a_fresh_process_chooses_the_profile_itself():
    code = "from shadow_intent.nodes import dds; dds.use_safe_profile(); print(dds.unsafe_reason())"
    environment = {k: v for k, v in os.environ.items() if k != dds.PROFILE_VARIABLE}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
