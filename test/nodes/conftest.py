"""A robot and a person for the node tests, over real DDS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")

from person import Person, parameters
from rclpy.lifecycle import TransitionCallbackReturn
from support import wait_for

from shadow_intent.nodes import interfaces
from shadow_intent.nodes.mock_go2 import MockGo2
from shadow_intent.nodes.skill_node import SkillNode
from shadow_intent.nodes.stop_node import StopNode
from shadow_intent.world import LONG_AGO


@pytest.fixture
def person(ros: Callable[..., Any]) -> Person:
    return ros(Person)


@pytest.fixture
def robot(ros: Callable[..., Any]) -> Callable[..., MockGo2]:
    """`robot(**parameters)` starts a mock Go2, five times quicker than a real one."""
    return lambda **values: ros(MockGo2, **parameters(**{"time_scale": 5.0, **values}))


@pytest.fixture
def skills(ros: Callable[..., Any], person: Person) -> Callable[..., SkillNode]:
    """`skills(**parameters)` starts stop_node and an active skill_node that knows the robot's state, if any."""

    def start(**values: Any) -> SkillNode:
        ros(StopNode, **parameters(robot="mock"))
        node = ros(SkillNode, **parameters(**{"robot": "mock", "state_timeout_s": 2.0, **values}))
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        wait_for(person.matched)
        wait_for(lambda: node.guard.world.stop_node_at > LONG_AGO)
        if node.count_publishers(interfaces.SPORT_STATE.name):
            wait_for(lambda: node.ready)
        return node

    return start
