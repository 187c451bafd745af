"""The lifecycle nodes give back what they take, and follow a simulated clock when told to."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from person import Person, parameters
from rclpy.lifecycle import TransitionCallbackReturn
from rosgraph_msgs.msg import Clock
from support import wait_for

from shadow_intent.intent import Utterance
from shadow_intent.nodes.intent_node import IntentNode
from shadow_intent.nodes.skill_node import SkillNode

CYCLES, WARM_UP = 100, 3
GROWTH_MIB = 20.0
"""Resident memory that may come in all those cycles; ONNX Runtime keeps some. Models that stayed would take 1000."""

pytestmark = pytest.mark.timeout(300)


def held(node: Any) -> dict[str, int]:
    """What a node and its process hold."""
    gc.collect()
    kinds = ("publishers", "subscriptions", "timers", "services", "clients", "waitables", "guards")
    counts = {kind: len(list(getattr(node, kind))) for kind in kinds}
    return {**counts, "threads": threading.active_count(), "files": len(os.listdir("/proc/self/fd"))}


def resident_mib() -> float:
    """Without what malloc keeps for the next time."""
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cycle(operator: Any, times: int) -> None:
    """By service: then the node's own thread makes and destroys what that thread waits for."""
    for _ in range(times):
        for name in ("CONFIGURE", "ACTIVATE", "DEACTIVATE", "CLEANUP"):
            transition = Transition(id=getattr(Transition, f"TRANSITION_{name}"))
            answer = operator.call_async(ChangeState.Request(transition=transition))
            wait_for(answer.done, 30)
            assert answer.result().success


@pytest.mark.parametrize("kind", [SkillNode, IntentNode])
def test_a_hundred_cycles_leave_nothing_behind(
    ros: Callable[..., Any], person: Person, tmp_path: Path, kind: type
) -> None:
    values = {"robot": "mock"} if kind is SkillNode else {"cloud_address": "", "log_directory": str(tmp_path / "log")}
    node = ros(kind, **parameters(**values))
    operator = person.create_client(ChangeState, f"{node.get_name()}/change_state")
    wait_for(operator.service_is_ready)
    cycle(operator, WARM_UP)
    before, memory = held(node), resident_mib()
    cycle(operator, CYCLES)
    assert held(node) == before
    assert resident_mib() - memory < GROWTH_MIB


def test_a_cleaned_up_node_lets_go_of_its_model_at_once(ros: Callable[..., Any], tmp_path: Path) -> None:
    node = ros(IntentNode, **parameters(cloud_address="", log_directory=str(tmp_path / "log")))
    node.trigger_configure()
    for text in ("turn left", "sit down"):
        node.classifier.add(Utterance(text))
    wait_for(lambda: not node.classifier.waiting)
    model = weakref.ref(node.classifier.pipeline)
    gc.disable()
    try:
        node.trigger_cleanup()
        wait_for(lambda: model() is None)
    finally:
        gc.enable()


def broken(*_: object, **__: object) -> None:
    raise ZeroDivisionError("a bug")


@pytest.mark.parametrize(
    ("kind", "last"),
    [(SkillNode, "shadow_intent.nodes.skill_node.RobotLink"), (IntentNode, "shadow_intent.nodes.intent_node.Recorder")],
)
def test_a_bug_in_configuring_is_shown_and_leaves_nothing_behind(ros, tmp_path, monkeypatch, capfd, kind, last) -> None:
    values = {"robot": "mock"} if kind is SkillNode else {"cloud_address": "", "log_directory": str(tmp_path / "log")}
    node = ros(kind, **parameters(**values))
    before = held(node)
    with monkeypatch.context() as patch:
        patch.setattr(last, broken)
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    shown = capfd.readouterr().err
    assert "cannot configure:" in shown and "Traceback" in shown and "ZeroDivisionError: a bug" in shown
    assert held(node) == before
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_a_bug_late_in_configuring_gives_back_what_was_made_before(ros, tmp_path, monkeypatch, capfd) -> None:
    node = ros(IntentNode, **parameters(cloud_address="", log_directory=str(tmp_path / "log")))
    before = held(node)
    monkeypatch.setattr(node.entities, "timer", broken)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "ZeroDivisionError: a bug" in capfd.readouterr().err
    assert held(node) == before and not hasattr(node, "classifier")
    assert [path.name for path in (tmp_path / "log").glob("*/metadata.yaml")] == ["metadata.yaml"]


@pytest.mark.parametrize("transition", ["deactivate", "shutdown"])
def test_a_bug_in_a_later_transition_is_shown_and_the_node_is_unconfigured(ros, monkeypatch, capfd, transition) -> None:
    node = ros(SkillNode, **parameters(robot="mock"))
    before = held(node)
    assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    with monkeypatch.context() as patch:
        patch.setattr(node, "stand_down", broken)
        assert getattr(node, f"trigger_{transition}")() == TransitionCallbackReturn.ERROR
    shown = capfd.readouterr().err
    assert "Traceback" in shown and "ZeroDivisionError: a bug" in shown
    assert held(node) == before and not node.active
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_under_a_simulated_clock_ages_and_pauses_are_simulated(robot, skills, person):
    """... which this test turns."""
    robot(state_hz=100.0)
    node = skills(use_sim_time=True, state_timeout_s=2.0)
    clock = person.create_publisher(Clock, "/clock", 10)
    now = 1000.0

    def turn(seconds: float) -> None:
        nonlocal now
        now += seconds
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(round(now * 1e9), 10**9)
        clock.publish(message)

    wait_for(clock.get_subscription_count)
    timer = person.create_timer(0.01, lambda: turn(0.01))
    wait_for(lambda: node.get_clock().now().nanoseconds > 1e12 and node.ready)  # the first turn made all it knew old
    old = person.say("light_on", age_s=time.time() - now + 60.0)
    assert "seconds old" in person.outcome(old).reason
    assert person.outcome(person.say("light_off", age_s=time.time() - now)).state == "succeeded"
    timer.cancel()
