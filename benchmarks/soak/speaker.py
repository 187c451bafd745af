"""Says utterances to the robot as fast as it answers, and keeps what came of each."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from lifecycle_msgs.msg import Transition
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header

from benchmarks.soak.checks import Order, Status
from benchmarks.soak.taking import Taker
from shadow_intent import msg
from shadow_intent.errors import ShadowIntentError
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import slots_from_msg, stamp_from_ns, stamp_to_ns
from shadow_intent.nodes.lifecycle import LifecycleClient, ask

DATA = Path(__file__).resolve().parents[2] / "training" / "data"
IN_FLIGHT = 4
"""Utterances without a decision; the classifier drops from the fifth on."""
PATIENCE_S = 3.0
"""An utterance without a decision for so long will get none, seconds."""
SESSIONS = 3
ODD_STAMPS = 0.01
"""Share of the utterances whose stamp is wrong, half of them in the past."""
ODD_S = (3.0, 86_400.0)
"""How far wrong, seconds."""
SERVICE_S, CHANGE_S = 30.0, 10.0
IDLE_S = 0.001
CLOCK_S = 0.02
NANO = 1_000_000_000


def load_texts(seed: int) -> list[str]:
    """Every wording of the training and challenge sets, shuffled."""
    found = set()
    for path in sorted([*(DATA / "utterances").glob("*.txt"), *(DATA / "challenge").glob("*.txt")]):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith(("#", "[")):
                found |= {wording.partition("{")[0].strip() for wording in line.split(" | ")}
    texts = sorted(found - {""})
    random.Random(seed).shuffle(texts)
    return texts


@dataclass(slots=True)
class Said:
    """One utterance."""

    text: str
    at: float
    """Seconds of time.monotonic()."""
    odd: bool
    """Its stamp is far off: nothing may come of it."""
    excused: bool
    """intent_node was away or on its way back when it was said."""
    decision: str = ""
    """"" while there is none."""
    opened: bool = False
    """The cloud was to be asked."""
    closed: int = 0
    """How often it was told how that ended."""
    ending: str = ""
    """The reason it ended with."""
    utterance_id: str = ""
    wait_ms: float = 0.0


@dataclass(slots=True)
class Heard:
    """What the robot's nodes published about the skills."""

    orders: list[Order] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)


class Speaker:
    """Everything happens in the caller's thread, while it waits for something."""

    def __init__(self, node: Node, seed: int) -> None:
        self._node, self._taker, self._random = node, Taker(node), random.Random(seed)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._voice = interfaces.VOICE_COMMAND.publisher(node)
        self._clock = node.create_publisher(Clock, "/clock", 10)
        self._taker.subscribe(interfaces.INTENT, self._on_intent)
        self._taker.subscribe(interfaces.SKILL_COMMAND, self._on_command)
        self._taker.subscribe(interfaces.SKILL_STATUS, self._on_status)
        texts = load_texts(seed)
        self._texts: Iterator[str] = (texts[i % len(texts)] for i in count())
        self.said: dict[int, Said] = {}
        """By stamp, which is unique, nanoseconds."""
        self.heard = Heard()
        self.outcomes: Counter[str] = Counter()
        self.away = True
        """intent_node cannot be expected to answer."""
        self.offset_ns: int | None = None
        """Of the simulated clock from the system's, while there is one."""
        self.every: list[Callable[[], None]] = []
        """Called again and again meanwhile."""
        self._waiting: dict[int, Said] = {}
        self._open: dict[int, Said] = {}
        self._clients: dict[str, Any] = {}
        self._lifecycles: dict[str, LifecycleClient] = {}
        self._next_clock = 0.0

    # what is said

    def say(self, text: str, odd: bool = False) -> Said:
        """One utterance."""
        now = time.time_ns() + (self.offset_ns or 0)
        if odd:
            now += int(self._random.choice((-1, 1)) * self._random.uniform(*ODD_S) * NANO)
        while now in self.said:
            now += 1
        said = self.said[now] = self._waiting[now] = Said(text, time.monotonic(), odd, self.away)
        self._voice.publish(
            msg.VoiceCommand(
                header=Header(stamp=stamp_from_ns(now)),
                text=text,
                asr_confidence=math.nan,
                session_id=f"speaker {self._random.randrange(SESSIONS)}",
            )
        )
        return said

    def storm(self, wanted: Callable[[], bool]) -> None:
        """Utterances while `wanted()`, as fast as they are answered."""
        while wanted():
            while len(self._waiting) < IN_FLIGHT and wanted():
                self.say(next(self._texts), odd=self._random.random() < ODD_STAMPS)
            self.step()

    def storm_for(self, seconds: float) -> None:
        """Utterances for so long."""
        end = time.monotonic() + seconds
        self.storm(lambda: time.monotonic() < end)

    def wait(self, condition: Callable[[], Any], seconds: float) -> bool:
        """Says nothing until `condition()`; False when `seconds` passed."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self.step()
        return True

    def quiet(self, seconds: float) -> None:
        """Says nothing for so long."""
        self.wait(lambda: False, seconds)

    def step(self) -> None:
        """Takes what has arrived; rests a moment when that was nothing."""
        if not self._taker.take():
            time.sleep(IDLE_S)
        now = time.monotonic()
        if self.offset_ns is not None and now >= self._next_clock:
            self._next_clock = now + CLOCK_S
            self._clock.publish(Clock(clock=stamp_from_ns(time.time_ns() + self.offset_ns)))
        for stamp, said in [(k, v) for k, v in self._waiting.items() if now - v.at > PATIENCE_S]:
            del self._waiting[stamp]
            said.excused = said.excused or self.away
            self.outcomes["not heard"] += 1
        for action in self.every:
            action()

    def forget(self) -> None:
        """intent_node is gone, and with it what was under way there."""
        self.away = True
        for said in self._waiting.values():
            said.excused = True
            self.outcomes["not heard"] += 1
        for said in self._open.values():
            said.opened = False
        self._waiting.clear()
        self._open.clear()

    # what is heard

    def _on_intent(self, intent: msg.Intent, sent: float, received: float) -> None:
        stamp = stamp_to_ns(intent.header.stamp)
        said = self.said.get(stamp)
        if intent.decision == intent.DECISION_SKILL:
            order = Order(
                sent, intent.utterance_id, intent.label, slots_from_msg(intent.slots), said is None or said.odd
            )
            self.heard.orders.append(order)
        if said is None:
            self.outcomes["of nobody"] += 1
        elif intent.source == intent.SOURCE_CLOUD:
            said.closed += 1
            said.ending = intent.reason
            self._open.pop(stamp, None)
            self.outcomes[f"cloud {intent.reason.split()[0].strip(':')}"] += 1
        elif intent.source == intent.SOURCE_SPEAKER:
            self.outcomes["meant by the speaker"] += 1
        else:
            if self._waiting.pop(stamp, None) is None and not said.decision:
                self.outcomes["not heard"] -= 1
            said.decision, said.utterance_id = intent.decision, intent.utterance_id
            if intent.decision == intent.DECISION_REMOTE:
                said.opened = True
                self._open[stamp] = said
            said.wait_ms = (time.monotonic() - said.at) * 1e3
            what = {"stop": "stop"}.get(intent.source, intent.decision)
            odd = intent.reason.startswith(("stale", "stamp"))
            self.outcomes["wrong stamp" if odd else "dropped" if "newer utt" in intent.reason else what] += 1

    def _on_command(self, command: msg.SkillCommand, sent: float, received: float) -> None:
        slots = slots_from_msg(command.slots)
        self.heard.orders.append(Order(sent, command.utterance_id, command.label, slots, False))

    def _on_status(self, status: msg.SkillStatus, sent: float, received: float) -> None:
        self.heard.statuses.append(Status(sent, status.utterance_id, status.label, status.state, status.parameter))

    # services

    def change(self, name: str, *transitions: str) -> bool:
        """Lifecycle transitions, in order; False when the node refuses one. Raises ShadowIntentError.

        A node that was killed is in DDS's graph for a while: only who answers is there.
        """
        client = self._lifecycle(name)
        for transition in transitions:
            changed = client.change(getattr(Transition, f"TRANSITION_{transition.upper()}"), CHANGE_S)
            if changed is None:
                raise ShadowIntentError(f"{name} did not {transition} within {CHANGE_S:g} s")
            if not changed:
                return False
        return True

    def _lifecycle(self, name: str) -> LifecycleClient:
        """Of a lifecycle node that is there. Raises ShadowIntentError when it does not come up."""
        if name not in self._lifecycles:
            self._lifecycles[name] = LifecycleClient(self._node, name, self._served)
        end = time.monotonic() + SERVICE_S
        while self._lifecycles[name].state() is None:
            if time.monotonic() > end:
                raise ShadowIntentError(f"{name} did not come up within {SERVICE_S:g} s")
        return self._lifecycles[name]

    def set_sim_time(self, name: str, on: bool) -> None:
        """Whether a node follows /clock. Raises ShadowIntentError."""
        value = Parameter("use_sim_time", value=on).to_parameter_msg()
        self._need(SetParameters, f"{name}/set_parameters", SetParameters.Request(parameters=[value]))

    def _need(self, kind: Any, name: str, request: Any) -> Any:
        """The answer. Raises ShadowIntentError."""
        answer = self._call(kind, name, request, SERVICE_S)
        if answer is None:
            raise ShadowIntentError(f"{name} did not answer within {SERVICE_S:g} s")
        return answer

    def _call(self, kind: Any, name: str, request: Any, seconds: float) -> Any:
        """The answer, None when none came in time."""
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, name)
        return ask(self._clients[name], request, self._served, seconds)

    def _served(self, condition: Callable[[], bool], seconds: float) -> bool:
        """As `wait`, while answers of services are taken too."""

        def done() -> bool:
            self._executor.spin_once(timeout_sec=0)
            return condition()

        return self.wait(done, seconds)
