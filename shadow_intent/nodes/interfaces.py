"""Every topic of the product: its name, type and quality of service, once.

Names without a leading slash follow the node's namespace. /diagnostics is absolute, as its readers expect, and so are
Unitree's: each robot has them on a network of its own. Where several robots share a graph, `robot_remappings` puts a
prefix in front of them.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from unitree_api.msg import Request, Response
from unitree_go.msg import LowState, SportModeState

from shadow_intent.msg import Intent, Reply, SkillCommand, SkillStatus, StopState, VoiceCommand
from shadow_intent.skill_rules import SERVICES


def _qos(depth: int, reliability: ReliabilityPolicy) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=DurabilityPolicy.VOLATILE
    )


COMMANDS = _qos(10, ReliabilityPolicy.RELIABLE)
"""Commands and Unitree calls: none may be lost, none replayed to a late node. Unitree's SDK uses depth 10."""
EVENTS = _qos(50, ReliabilityPolicy.RELIABLE)
"""Outcomes: a burst (a plan, a streamed reply) must reach the log and the speaker whole."""
STATE = _qos(1, ReliabilityPolicy.BEST_EFFORT)
"""Robot state: only the newest sample counts. Matches a reliable and a best-effort writer."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic."""

    name: str
    """Relative to the node's namespace unless it begins with a slash."""
    type: Any
    """Message class."""
    qos: QoSProfile
    lifespan_s: float = 0.0
    """What a reader has not received so long after it was sent, it never does; 0: no limit."""

    def publisher(self, node: Node) -> Any:
        """A publisher of `node`."""
        qos = copy(self.qos)
        if self.lifespan_s:
            qos.lifespan = Duration(seconds=self.lifespan_s)
        return node.create_publisher(self.type, self.name, qos)

    def subscribe(self, node: Node, callback: Callable[[Any], None], raw: bool = False) -> Any:
        """A subscription of `node`; `callback` takes the message, or its serialised bytes when `raw`."""
        return node.create_subscription(self.type, self.name, callback, self.qos, raw=raw)


VOICE_COMMAND = Topic("voice_command", VoiceCommand, COMMANDS)
VOICE_TEXT = Topic("voice_text", String, COMMANDS)
INTENT = Topic("intent", Intent, EVENTS)
REPLY = Topic("reply", Reply, EVENTS)
SKILL_COMMAND = Topic("skill_command", SkillCommand, COMMANDS)
SKILL_STATUS = Topic("skill_status", SkillStatus, EVENTS)
SPORT_REQUEST = Topic("sport_request", Request, COMMANDS)
"""From skill_node to stop_node, which passes it on; header.lease.id holds the epoch of `STOP_STATE`."""
STOP_STATE = Topic("stop_state", StopState, COMMANDS)
DIAGNOSTICS = Topic("/diagnostics", DiagnosticArray, COMMANDS)

CALL_LIFESPAN_S = 4.0
"""After a break in the network nothing may happen that was asked for before it. More than the 3 s after which a Fast
DDS writer looks for what was lost on the way, so that a single lost datagram is still repaired."""
REQUESTS = {service: Topic(f"/api/{service}/request", Request, COMMANDS, CALL_LIFESPAN_S) for service in SERVICES}
"""Unitree calls, by service."""
RESPONSES = {service: Topic(f"/api/{service}/response", Response, COMMANDS) for service in SERVICES}
"""Their answers, by service."""
SPORT_STATE = Topic("/sportmodestate", SportModeState, STATE)
LOW_STATE = Topic("/lf/lowstate", LowState, STATE)
"""Battery and hand controller, at the low rate; /lowstate carries the same at 500 Hz."""


def robot_remappings(prefix: str) -> list[tuple[str, str]]:
    """Remapping rules, (from, to), that put `prefix`, such as "/rex", in front of the names that the robot fixed."""
    topics = (*REQUESTS.values(), *RESPONSES.values(), SPORT_STATE, LOW_STATE)
    return [(topic.name, f"{prefix}{topic.name}") for topic in topics] if prefix else []


def remapped(prefix: str) -> list[str] | None:
    """The same as `cli_args` of a node."""
    rules = [f"{old}:={new}" for old, new in robot_remappings(prefix)]
    return ["--ros-args", *(item for rule in rules for item in ("-r", rule))] if rules else None
