"""Two robots in one graph hear only their own people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from person import parameters
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from std_msgs.msg import String
from support import wait_for
from unitree_api.msg import Request

from shadow_intent.nodes import interfaces
from shadow_intent.nodes.mock_go2 import MockGo2
from shadow_intent.nodes.skill_node import SkillNode
from shadow_intent.nodes.stop_node import StopNode
from shadow_intent.skill_rules import SERVICES

STOP_MOVE, HELLO = 1003, 1016


class Dog:
    """One robot with its nodes, and what reaches it."""

    def __init__(self, ros: Callable[..., Any], name: str) -> None:
        rules = [word for a, b in interfaces.robot_remappings(f"/{name}") for word in ("-r", f"{a}:={b}")]
        place = {"namespace": f"/{name}", "cli_args": ["--ros-args", *rules]}
        ros(MockGo2, **place, **parameters(time_scale=5.0))
        ros(StopNode, **place, **parameters(robot="mock"))
        self.skills = ros(SkillNode, **place, **parameters(robot="mock"))
        assert self.skills.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert self.skills.trigger_activate() == TransitionCallbackReturn.SUCCESS
        self.person = ros(Node, "person", **place)
        self.sent: list[int] = []
        interfaces.REQUESTS["sport"].subscribe(self.person, self._on_request)
        self.intent = interfaces.INTENT.publisher(self.person)
        self.text = interfaces.VOICE_TEXT.publisher(self.person)
        wait_for(lambda: self.skills.ready)
        wait_for(lambda: self.intent.get_subscription_count() == 2 and self.text.get_subscription_count() == 1)
        wait_for(lambda: all(self.person.count_publishers(f"/{name}/api/{service}/request") for service in SERVICES))

    def _on_request(self, request: Request) -> None:
        self.sent.append(request.header.identity.api_id)

    def say(self, label: str) -> None:
        message = interfaces.INTENT.type(label=label, decision="skill", source="edge", utterance_id=label)
        message.header.stamp = self.person.get_clock().now().to_msg()
        self.intent.publish(message)


def test_each_robot_hears_its_own_people_only(ros):
    rex, fido = Dog(ros, "rex"), Dog(ros, "fido")
    rex.say("hello")
    wait_for(lambda: rex.sent == [HELLO])
    fido.text.publish(String(data="stop"))
    wait_for(lambda: fido.sent == [STOP_MOVE])
    assert rex.sent == [HELLO]
    names = {name for name, _ in rex.person.get_topic_names_and_types()}
    assert not {topic.name for topic in interfaces.REQUESTS.values()} & names
    assert {"/rex/api/sport/request", "/fido/api/sport/request"} <= names


def test_without_a_prefix_the_robots_names_stay_as_they_are():
    assert interfaces.robot_remappings("") == []
    assert ("/sportmodestate", "/rex/sportmodestate") in interfaces.robot_remappings("/rex")
