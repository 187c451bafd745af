"""The other side of skill_node in the tests."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String
from support import wait_for
from unitree_api.msg import Request

from shadow_intent import msg
from shadow_intent.intent import NO_SLOTS, Slots, Source
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import slots_to_msg
from shadow_intent.robot import QUERIES


class Person(Node):
    """Publishes what a person or intent_node would, and keeps everything it hears."""

    def __init__(self) -> None:
        super().__init__("person")
        self.statuses: list[Any] = []
        self.replies: list[str] = []
        self.requests: list[Request] = []
        interfaces.SKILL_STATUS.subscribe(self, self.statuses.append)
        interfaces.REPLY.subscribe(self, lambda message: self.replies.append(message.text))
        for service, topic in interfaces.REQUESTS.items():
            topic.subscribe(self, partial(self._on_request, service))
        self._intent = interfaces.INTENT.publisher(self)
        self._command = interfaces.SKILL_COMMAND.publisher(self)
        self._text = interfaces.VOICE_TEXT.publisher(self)
        self._spoken = 0

    def _on_request(self, service: str, request: Request) -> None:
        """Commands; what skill_node only asks is none."""
        if (service, request.header.identity.api_id) not in QUERIES:
            self.requests.append(request)

    def matched(self) -> bool:
        """True once skill_node hears and is heard."""
        # stop_node subscribes to intent and skill_command as well
        heard = self._intent.get_subscription_count() == 2 and self._command.get_subscription_count() == 2
        topics = (interfaces.SKILL_STATUS, interfaces.REPLY, *interfaces.REQUESTS.values())
        return heard and self._text.get_subscription_count() == 1 and all(self.count_publishers(t.name) for t in topics)

    def say(self, label: str, slots: Slots = NO_SLOTS, text: str = "", age_s: float = 0.0, **fields: Any) -> str:
        """Publishes an accepted intent; returns its utterance id."""
        message = msg.Intent(label=label, decision="skill", source=Source.EDGE.value, text=text, probability=1.0)
        return self._publish(self._intent, message, slots, age_s, fields)

    def plan(self, *steps: tuple[str, Slots], source: str = Source.CLOUD.value) -> str:
        """Publishes a plan; returns its utterance id."""
        utterance = f"plan{self._spoken}"
        for step, (label, slots) in enumerate(steps):
            message = msg.SkillCommand(label=label, source=source, step=step)
            self._publish(self._command, message, slots, 0.0, {"utterance_id": utterance})
        return utterance

    def shout(self, text: str) -> None:
        """Publishes on voice_text."""
        self._text.publish(String(data=text))

    def _publish(self, publisher: Any, message: Any, slots: Slots, age_s: float, fields: dict[str, Any]) -> str:
        self._spoken += 1
        message.utterance_id = f"u{self._spoken}"
        stamp = self.get_clock().now().nanoseconds - round(age_s * 1e9)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        message.slots = slots_to_msg(slots)
        for name, value in fields.items():
            setattr(message, name, value)
        publisher.publish(message)
        return message.utterance_id

    def states(self, utterance: str, label: str = "") -> list[str]:
        """The states an utterance went through so far."""
        wanted = [s for s in self.statuses if s.utterance_id == utterance and label in ("", s.label)]
        return [s.state for s in wanted]

    def outcome(self, utterance: str, label: str = "", seconds: float = 10.0) -> Any:
        """Waits for the last status of an utterance."""
        final = ("succeeded", "refused", "preempted", "timed_out")

        def find() -> Any:
            wanted = (s for s in self.statuses if s.utterance_id == utterance and label in ("", s.label))
            return next((s for s in wanted if s.state in final), None)

        return wait_for(find, seconds)

    def sent(self, service_api: int) -> list[Any]:
        """The parameters of every request of an API id so far."""
        return [json.loads(r.parameter) for r in self.requests if r.header.identity.api_id == service_api]


def parameters(**values: Any) -> dict[str, Any]:
    """The keyword of rclpy's Node for parameter values."""
    return {"parameter_overrides": [Parameter(name, value=value) for name, value in values.items()]}
