"""A speaker that also watches: says things on voice_command and follows what every part makes of them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeGuard

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Header
from unitree_api.msg import Request

from shadow_intent import msg
from shadow_intent.api_names import api_name
from shadow_intent.errors import ShadowIntentError
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import stamp_from_ns
from shadow_intent.nodes.dds import use_safe_profile
from shadow_intent.nodes.lifecycle import LifecycleClient
from shadow_intent.nodes.run import Spinner
from shadow_intent.robot import QUERIES

SETTLE_S = 0.2
"""Topics are not ordered among each other: a story is over when nothing came for this long."""
POLL_S = 0.01
_FOLLOWERS = 3
"""Of intents: skill_node, stop_node, and the witness."""
_OPEN = (msg.SkillStatus.ACCEPTED, msg.SkillStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request on its way to the robot."""

    service: str
    api_id: int
    parameter: str
    """JSON."""
    at: float
    """When it was seen, seconds of time.monotonic()."""

    @property
    def name(self) -> str:
        """Unitree's name of the call."""
        return api_name(self.service, self.api_id)

    @property
    def values(self) -> dict[str, Any]:
        """The parameter, without the axes along which a Move does not move."""
        return {k: v for k, v in json.loads(self.parameter or "{}").items() if v != 0.0 or self.name != "Move"}

    def __str__(self) -> str:
        values = ", ".join(f"{key}={value}" for key, value in self.values.items())
        return f"{self.name}({values})" if values else self.name


@dataclass(slots=True)
class Story:
    """One utterance and all that was published until the next one."""

    text: str
    stamp_ns: int
    """Of the voice command, nanoseconds since the epoch; its intents carry the same."""
    began: float = field(default_factory=time.monotonic)
    """Seconds of time.monotonic()."""
    intents: list[msg.Intent] = field(default_factory=list)
    commands: list[msg.SkillCommand] = field(default_factory=list)
    statuses: list[msg.SkillStatus] = field(default_factory=list)
    replies: list[msg.Reply] = field(default_factory=list)
    requests: list[Sent] = field(default_factory=list)
    first_at: float | None = None
    """When the first request or reply was seen, seconds of time.monotonic()."""
    last_at: float = field(default_factory=time.monotonic)
    """When the last message of any kind was."""

    @property
    def decision(self) -> msg.Intent | None:
        """What the robot decided on its own."""
        return next((i for i in self.intents if i.source != msg.Intent.SOURCE_CLOUD), None)

    @property
    def closing(self) -> msg.Intent | None:
        """How a request to the cloud ended."""
        return next((i for i in self.intents if i.source == msg.Intent.SOURCE_CLOUD), None)

    @property
    def awaited(self) -> str:
        """What is missing until nothing more is expected or a question waits for its answer; "" when nothing is."""
        decision = self.decision
        if decision is None:
            return "intent_node's decision"
        if decision.decision == msg.Intent.DECISION_REMOTE and self.closing is None:
            return "the cloud's answer"
        mine = [s for s in self.statuses if s.utterance_id == decision.utterance_id]
        skill = decision.decision == msg.Intent.DECISION_SKILL
        expected = [decision.label] if skill else [command.label for command in self.commands]
        finished = [s.label for s in mine if s.state not in _OPEN]
        asked = bool(mine) and mine[-1].state == msg.SkillStatus.ACCEPTED and bool(self.said)
        if len(finished) >= len(expected) or asked:
            return ""
        return "skill_node's word on how this ends: " + ", ".join(x for x in expected if x not in finished)

    @property
    def said(self) -> list[str]:
        """The complete replies."""
        return [reply.text for reply in self.replies if reply.final]

    def effect_ms(self) -> float | None:
        """From speaking to the first request or reply, milliseconds; None before that."""
        return None if self.first_at is None else (self.first_at - self.began) * 1e3


class Witness(Node):
    """The node. `say` begins a story; the story fills while the node spins."""

    def __init__(
        self, watch: Callable[[Story, object], None] | None = None, namespace: str = "", robot_prefix: str = ""
    ) -> None:
        """`namespace`: of the nodes it follows; `robot_prefix`: as in launch/go2.launch.py."""
        super().__init__("witness", namespace=namespace, cli_args=interfaces.remapped(robot_prefix))
        self.story: Story | None = None
        self.watch = watch
        """Called as `watch(story, message)` for every message of the current story, in the node's thread."""
        self._running: set[str] = set()
        self._lifecycles: dict[str, LifecycleClient] = {}
        self.voice = interfaces.VOICE_COMMAND.publisher(self)
        """For voice commands that `say` would not say."""
        self._diagnosed: dict[str, dict[str, Any]] = {}
        self._watched = [  # with how many publish it when everybody is there
            (interfaces.INTENT.subscribe(self, partial(self._add, "intents")), 1),
            (interfaces.SKILL_COMMAND.subscribe(self, partial(self._add, "commands")), 1),
            (interfaces.SKILL_STATUS.subscribe(self, self._on_status), 1),
            (interfaces.REPLY.subscribe(self, partial(self._add, "replies")), 2),
            *((t.subscribe(self, partial(self._on_request, service)), 1) for service, t in interfaces.REQUESTS.items()),
        ]
        interfaces.DIAGNOSTICS.subscribe(self, self._on_diagnostics)

    def ready(self, robot: bool = False) -> bool:
        """intent_node is active, and everybody who will take part in a story is matched with everybody.

        With `robot`, skill_node must be there too and follow the robot. What others are matched with is read from their
        diagnostics.
        """
        intents, body = self._diagnosed.get("intents"), self._diagnosed.get("robot")
        if not _active(intents) or (robot and not (_active(body) and body["level"] == DiagnosticStatus.OK)):
            return False
        hearers = self.count_subscribers(interfaces.VOICE_COMMAND.name)
        followers = max(self.count_subscribers(interfaces.INTENT.name), _FOLLOWERS if robot else 1)
        heard = self.voice.get_subscription_count() >= max(hearers, 1)
        followed = int(intents["intent_listeners"]) >= followers
        return heard and followed and all(self._matched(s, least if robot else 0) for s, least in self._watched)

    def _matched(self, subscription: Any, least: int) -> bool:
        """As many publishers as the graph knows; ROS 2 before Jazzy cannot tell, there the graph has to do."""
        known = self.count_publishers(subscription.topic_name)
        return bool(getattr(subscription, "get_publisher_count", lambda: known)() >= max(known, least))

    def say(self, text: str, language: str = "", session_id: str = "witness") -> Story:
        """Publishes a voice command."""
        stamp_ns = time.time_ns()
        self.story = Story(text, stamp_ns)
        self.voice.publish(
            msg.VoiceCommand(
                header=Header(stamp=stamp_from_ns(stamp_ns)),
                text=text,
                language=language,
                asr_confidence=math.nan,
                session_id=session_id,
            )
        )
        return self.story

    def over(self, story: Story) -> bool:
        """The story ended, no skill runs any more, and it has been quiet since."""
        return not story.awaited and not self._running and time.monotonic() - story.last_at > SETTLE_S

    def awaited(self, story: Story) -> str:
        """What `over` still waits for, in words."""
        running = ", ".join(sorted(job.split()[-1] for job in self._running))
        return story.awaited or (f"the end of what still runs: {running}" if running else "silence")

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Polls from another thread than the node's; False when `seconds` passed."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(POLL_S)
        return True

    def change_state(self, name: str, transition: int, seconds: float = 60.0) -> None:
        """Drives a lifecycle node. Raises ShadowIntentError when it refuses or does not answer in time."""
        if name not in self._lifecycles:
            self._lifecycles[name] = LifecycleClient(self, name, self.wait)
        changed = self._lifecycles[name].change(transition, seconds)
        if changed is None:
            raise ShadowIntentError(f"{name} did not come up, or did not answer, within {seconds:g} s")
        if not changed:
            raise ShadowIntentError(f"{name} refused to change its state; its own output says why")

    def activate(self, name: str) -> None:
        """Configures and activates a lifecycle node. Raises ShadowIntentError."""
        self.change_state(name, Transition.TRANSITION_CONFIGURE)
        self.change_state(name, Transition.TRANSITION_ACTIVATE)

    def _add(self, kind: str, message: object) -> None:
        story = self.story
        if story is None:
            return
        if isinstance(message, msg.Intent) and not self._belongs(story, message):
            return
        getattr(story, kind).append(message)
        story.last_at = time.monotonic()
        if kind in ("requests", "replies") and story.first_at is None:
            story.first_at = story.last_at
        if self.watch is not None:
            self.watch(story, message)

    @staticmethod
    def _belongs(story: Story, intent: msg.Intent) -> bool:
        """An intent of this utterance: stamps are unique to the nanosecond."""
        return bool(intent.header.stamp == stamp_from_ns(story.stamp_ns))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        """Of the nodes in this namespace: every robot of a graph tells on the same topic."""
        for status in message.status:
            node, _, what = status.name.rpartition(": ")
            if node.rpartition("/")[0] == self.get_namespace().rstrip("/"):
                self._diagnosed[what] = {**{pair.key: pair.value for pair in status.values}, "level": status.level}

    def _on_status(self, message: msg.SkillStatus) -> None:
        running = message.state == msg.SkillStatus.RUNNING
        (self._running.add if running else self._running.discard)(f"{message.utterance_id} {message.label}")
        self._add("statuses", message)

    def _on_request(self, service: str, message: Request) -> None:
        if (service, message.header.identity.api_id) not in QUERIES:
            self._add("requests", Sent(service, message.header.identity.api_id, message.parameter, time.monotonic()))


def _active(diagnosed: dict[str, Any] | None) -> TypeGuard[dict[str, Any]]:
    return diagnosed is not None and diagnosed["active"] == "True"


@contextmanager
def witness(
    watch: Callable[[Story, object], None] | None = None, namespace: str = "", robot_prefix: str = ""
) -> Iterator[Witness]:
    """A witness that spins in a thread of its own, in this process's ROS domain."""
    use_safe_profile()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = Witness(watch, namespace, robot_prefix)
        with Spinner(node):
            yield node
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
