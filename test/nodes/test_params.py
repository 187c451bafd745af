"""config/go2.yaml and the parameter dataclasses say the same; wrong values keep a node from configuring."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest
import yaml
from person import parameters
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from support import ROOT

from shadow_intent.errors import ConfigError
from shadow_intent.nodes.mock_go2 import MockGo2
from shadow_intent.nodes.params import IntentParams, MockParams, Parameters, SimParams, SkillParams, StopParams
from shadow_intent.nodes.skill_node import SkillNode
from shadow_intent.nodes.stop_node import STATE_PERIOD_S

KINDS = {
    "/**/intent_node": IntentParams,
    "/**/skill_node": SkillParams,
    "/**/stop_node": StopParams,
    "/**/mock_go2": MockParams,
    "/**/sim_go2": SimParams,
}
DOCUMENT = yaml.safe_load((ROOT / "config" / "go2.yaml").read_text())


def test_yaml_names_every_node():
    assert set(DOCUMENT) == set(KINDS)


@pytest.mark.parametrize("node", KINDS)
def test_yaml_holds_every_parameter_with_its_default(node):
    assert DOCUMENT[node]["ros__parameters"] == asdict(KINDS[node]())


@pytest.mark.parametrize("kind", KINDS.values())
def test_every_number_has_a_range_that_holds_its_default(kind):
    for item in fields(kind):
        numeric = isinstance(item.default, (int, float)) and not isinstance(item.default, bool)
        assert (item.metadata["low"] is not None) == numeric, item.name
        assert item.metadata["meaning"]


def test_no_two_parameters_can_be_set_so_that_a_healthy_robot_does_not_move():
    lowest = {item.name: item.metadata["low"] for kind in (SkillParams, StopParams) for item in fields(kind)}
    assert lowest["lease_s"] >= 2 / lowest["move_rate_hz"]
    assert lowest["state_timeout_s"] >= 2 * STATE_PERIOD_S


@pytest.mark.parametrize(("kind", "name"), [(StopParams, "lease_s"), (SkillParams, "state_timeout_s")])
def test_a_time_too_short_for_what_it_waits_for_is_refused(kind, name):
    with pytest.raises(ConfigError, match=rf"parameter {name}: expected 0\.2 to"):
        kind(**{name: 0.1})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"confirm_windw_s": 8.0}, "confirm_windw_s: unknown"),
        ({"confirm_window_s": 80.0}, "confirm_window_s"),
        ({"confirm_window_s": "soon"}, "confirm_window_s"),
        ({"robot": "toy"}, "robot: expected one of ('real', 'mock'), got 'toy'"),
        ({"skills_file": "/nowhere/skills.yaml"}, "/nowhere/skills.yaml"),
    ],
)
def test_wrong_parameter_keeps_skill_node_from_configuring_and_is_named(ros, capfd, values, words):
    node = ros(SkillNode, **parameters(**values))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert words in capfd.readouterr().err


def test_mock_go2_names_a_wrong_parameter(ros):
    with pytest.raises(ConfigError, match="state_hz"):
        ros(MockGo2, **parameters(state_hz=0.0))


@pytest.mark.parametrize("namespace", ["", "/dogs/rex"])
def test_yaml_applies_in_any_namespace(ros, namespace):
    path = str(ROOT / "config" / "go2.yaml")
    options = {"namespace": namespace, "cli_args": ["--ros-args", "--params-file", path]}
    node = ros(Node, "skill_node", automatically_declare_parameters_from_overrides=True, **options)
    assert node.get_parameter("response_timeout_s").value == 1.0
    assert Parameters(node, SkillParams).read() == SkillParams()


def test_parameters_carry_their_meaning_and_range(ros):
    node = ros(SkillNode)
    descriptor = node.describe_parameter("confirm_window_s")
    assert "confirmation" in descriptor.description
    assert (descriptor.floating_point_range[0].from_value, descriptor.floating_point_range[0].to_value) == (1.0, 30.0)
    assert not descriptor.read_only
    assert node.describe_parameter("robot").read_only
