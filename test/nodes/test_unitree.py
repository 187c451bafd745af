"""Against Unitree's own SDK on CycloneDDS in a second process: what we send arrives whole, its answers come back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from person import Person, parameters
from support import wait_for

pytest.importorskip("unitree_sdk2py", reason="pip install cyclonedds; pip install --no-deps unitree-sdk2py-dimos")

from shadow_intent.intent import Slots
from shadow_intent.nodes.dds import unsafe_reason
from shadow_intent.nodes.skill_node import SkillNode
from shadow_intent.nodes.stop_node import StopNode

pytestmark = pytest.mark.timeout(90)

SCRIPT = Path(__file__).with_name("unitree_robot.py")
BATTERY = 64
START_S = 60.0
"""Importing the SDK takes seconds on a busy machine."""


class UnitreeRobot:
    """The process, and the requests it received."""

    def __init__(self, domain: int, layout: str) -> None:
        mixed = ("LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")  # what ROS's wheels set for this process
        environment = {k: v for k, v in os.environ.items() if k not in mixed}
        command = [sys.executable, str(SCRIPT), str(domain), layout]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        self.requests: list[dict[str, Any]] = []
        self.ready = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                values = json.loads(line)
                if "ready" in values:
                    self.ready.set()
                else:
                    self.requests.append(values)

    def received(self, service: str, api_id: int) -> list[dict[str, Any]]:
        """The requests of one call so far."""
        return [r for r in self.requests if (r["service"], r["api_id"]) == (service, api_id)]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()


@pytest.fixture(params=["long", "short"])
def unitree(request: pytest.FixtureRequest, domain: int) -> Iterator[UnitreeRobot]:
    """`long`: SportModeState as in the SDK; `short`: as in unitree_ros2."""
    robot = UnitreeRobot(domain, request.param)
    try:
        assert robot.ready.wait(START_S)
        yield robot
    finally:
        robot.end()


@pytest.fixture
def node(unitree: UnitreeRobot, ros: Callable[..., Any], person: Person) -> SkillNode:
    """skill_node behind stop_node, as on a real robot: it knows the state that CycloneDDS publishes."""
    assert unsafe_reason() is None
    ros(StopNode, **parameters(robot="real"))
    node = ros(SkillNode, **parameters(robot="real"))
    node.trigger_configure(), node.trigger_activate()
    wait_for(person.matched)
    wait_for(lambda: node.ready and node.guard.world.battery is not None, 20)
    return node


def test_requests_arrive_whole_and_answers_and_states_come_back(unitree, node, person):
    world = node.guard.world
    assert (world.state.posture, world.state.error_code, world.battery) == ("standing", 1013, BATTERY)

    light = person.say("light_on")
    assert person.outcome(light).state == "succeeded"
    (brightness,) = wait_for(lambda: unitree.received("vui", 1005))
    assert json.loads(brightness["parameter"]) == {"brightness": 10}

    walk = person.say("move_forward", Slots(distance_m=0.3))
    assert person.outcome(walk).state == "succeeded"
    assert world.state.x == pytest.approx(0.3, abs=0.1)
    stops = wait_for(lambda: unitree.received("sport", 1003))  # a line on a pipe may come after the answer over DDS
    moves = unitree.received("sport", 1008)
    assert all(r["noreply"] and set(json.loads(r["parameter"])) == {"x", "y", "z"} for r in moves)
    assert [json.loads(r["parameter"]) for r in stops] == [{}] and not stops[0]["noreply"]
    assert unitree.requests[-1] is stops[0]

    person.shout("motors off")
    wait_for(lambda: unitree.received("sport", 1001))
    person.say("recover")
    wait_for(lambda: unitree.received("sport", 1006))

    for request in unitree.requests:
        assert (request["lease"], request["priority"], request["binary"]) == (0, 0, []), request
    ids = [request["id"] for request in unitree.requests]
    assert len(set(ids)) == len(ids) and all(i > 0 for i in ids)
