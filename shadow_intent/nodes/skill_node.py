"""skill_node: accepted intents become Unitree requests, as far as the guard allows.

Two threads. The node itself follows intents, plans, robot state and time. `StopListener`, a second node of the process,
calls `stop_now` from its own thread: StopMove first, then the guard. Both publish through the same writer, which keeps
StopMove behind the Move it ends.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from std_msgs.msg import Header

from shadow_intent import msg
from shadow_intent.errors import ConfigError, InputError, RobotError
from shadow_intent.guard import Guard
from shadow_intent.intent import NO_SLOTS, Route, is_chinese
from shadow_intent.jobs import FAST_PATH, Action, Command, Rules, Say, Send
from shadow_intent.motion import Ramps
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import (
    request_to_msg,
    robot_state_from_msg,
    say_to_msg,
    slots_from_msg,
    stamp_to_ns,
    status_to_msg,
)
from shadow_intent.nodes.dds import unsafe_reason
from shadow_intent.nodes.params import Parameters, SkillParams
from shadow_intent.nodes.run import run
from shadow_intent.nodes.stop_listener import StopListener
from shadow_intent.robot import Request, controller_in_use
from shadow_intent.skills import load_skills

LAST_WORDS_S = 0.2
"""How long a closing node waits for the robot to acknowledge its last StopMove, seconds."""


class SkillNode(LifecycleNode):
    """The lifecycle node. Commands are accepted only while it is active."""

    def __init__(self, **options: Any) -> None:
        """`options` go to rclpy's Node."""
        super().__init__("skill_node", automatically_declare_parameters_from_overrides=True, **options)
        self._declared = Parameters(self, SkillParams)
        self._lock = threading.Lock()  # the guard
        self._wire = threading.Lock()  # the robot's request topics
        self._halted = False
        self._active = False
        self._chinese = False
        self._entities: list[tuple[Any, Any]] = []
        self._stop_listener = StopListener(self)

    def helpers(self) -> Sequence[Node]:
        """Nodes to spin in threads of their own."""
        return (self._stop_listener,)

    def close(self) -> None:
        """Stops the robot if it moves."""
        if self._active:
            self._deactivate()

    @property
    def knows_robot(self) -> bool:
        """True while active and the robot's state is recent enough to act on."""
        return self._active and self._guard.world.fresh(time.monotonic())

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Reads parameters and skills; fails, naming the reason, when they are wrong or DDS is unsafe for a robot."""
        try:
            values = self._declared.read()
            if values.robot == "real" and (reason := unsafe_reason()) is not None:
                raise RobotError(reason)
            table = load_skills(Path(values.skills_file) if values.skills_file else None)
            ramps = Ramps(values.linear_acceleration, values.angular_acceleration)
            ids = itertools.count(time.monotonic_ns())  # unique, as in Unitree's SDK; safe to draw from in any thread
            self._guard = Guard(table, values.firmware or table.firmware, _rules(values), ramps, ids.__next__)
        except (ConfigError, RobotError) as error:
            self.get_logger().error(f"cannot configure: {error}")
            return TransitionCallbackReturn.FAILURE
        self._requests = {name: topic.publisher(self) for name, topic in interfaces.REQUESTS.items()}
        self._status = interfaces.SKILL_STATUS.publisher(self)
        self._reply = interfaces.REPLY.publisher(self)
        self._diagnostics = interfaces.DIAGNOSTICS.publisher(self)
        publishers = (*self._requests.values(), self._status, self._reply, self._diagnostics)
        listens = [
            interfaces.INTENT.subscribe(self, self._on_intent),
            interfaces.SKILL_COMMAND.subscribe(self, self._on_skill_command),
            interfaces.SPORT_STATE.subscribe(self, self._on_sport_state),
            interfaces.LOW_STATE.subscribe(self, self._on_low_state),
            *(topic.subscribe(self, self._on_response) for topic in interfaces.RESPONSES.values()),
        ]
        timers = [
            self.create_timer(1.0 / values.move_rate_hz, self._tick),
            self.create_timer(1.0 / values.diagnostics_hz, self._diagnose),
        ]
        self._entities = [(self.destroy_publisher, p) for p in publishers]
        self._entities += [(self.destroy_subscription, s) for s in listens] + [(self.destroy_timer, t) for t in timers]
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Commands are accepted from now on."""
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops the robot if it moves; commands are ignored from now on."""
        self._deactivate()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured."""
        for destroy, entity in self._entities:
            destroy(entity)
        self._entities = []
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops the robot if it moves, then lets go of everything."""
        self.close()
        return self.on_cleanup(state)

    def _deactivate(self) -> None:
        with self._wire:
            self._active = False
        with self._lock:
            self._carry_out(self._guard.shut_down(time.monotonic()))
        self._requests["sport"].wait_for_all_acked(Duration(seconds=LAST_WORDS_S))

    # Events. Each holds the guard's lock while it acts.

    def stop_now(self, label: str, utterance_id: str = "") -> None:
        """Sends stop or damp before anything else, then lets the guard end what was going on. Any thread."""
        with self._wire:
            if not self._active:
                return
            self._halted = True  # a velocity computed meanwhile must not follow the stop
            request = self._guard.stop_request(label)
            self._requests[request.service].publish(request_to_msg(request))
        command = Command(utterance_id, label, language=self._language(""))
        with self._lock:
            self._halted = False
            self._carry_out(self._guard.stop(command, time.monotonic(), sent=request))

    def heard(self, text: str) -> None:
        """Remembers the language to answer in."""
        self._chinese = is_chinese(text)

    def _on_intent(self, message: msg.Intent) -> None:
        if message.decision == Route.SKILL.value and message.label not in FAST_PATH:
            self._command(
                message, spoken=message.source != msg.Intent.SOURCE_CLOUD, language=self._language(message.text)
            )

    def _on_skill_command(self, message: msg.SkillCommand) -> None:
        if message.step > 0 or message.label not in FAST_PATH:
            self._command(message, spoken=False, language=self._language(""), step=message.step)

    def _command(self, message: Any, spoken: bool, language: str, step: int = 0) -> None:
        if not self._active:
            return
        age_s = (self.get_clock().now().nanoseconds - stamp_to_ns(message.header.stamp)) * 1e-9
        command = Command(message.utterance_id, message.label, NO_SLOTS, language, spoken, step, age_s)
        with self._lock:
            self._guard.world.rules = _rules(self._declared.read())
            try:
                command = replace(command, slots=slots_from_msg(message.slots))
            except InputError as error:
                self._carry_out(self._guard.reject(command, str(error)))
            else:
                self._carry_out(self._guard.command(command, time.monotonic()))

    def _on_response(self, message: Any) -> None:
        header = message.header
        with self._lock:
            self._carry_out(self._guard.response(header.identity.id, header.status.code, time.monotonic()))

    def _on_sport_state(self, message: Any) -> None:
        state = robot_state_from_msg(message)
        if state is not None:
            with self._lock:
                self._guard.robot(state, time.monotonic())

    def _on_low_state(self, message: Any) -> None:
        with self._lock:
            self._guard.power(message.bms_state.soc)
            if controller_in_use(bytes(message.wireless_remote)):
                self._guard.controller(time.monotonic())

    def _tick(self) -> None:
        with self._lock:
            self._carry_out(self._guard.tick(time.monotonic()))

    # Actions

    def _carry_out(self, actions: Sequence[Action]) -> None:
        """Publishes, in order."""
        header = Header(stamp=self.get_clock().now().to_msg())
        for action in actions:
            if isinstance(action, Send):
                self._send(action.request)
            elif isinstance(action, Say):
                self._reply.publish(say_to_msg(action, header))
            else:
                self._status.publish(status_to_msg(action, header))

    def _send(self, request: Request) -> None:
        with self._wire:
            if not (self._halted and request.service == "sport"):
                self._requests[request.service].publish(request_to_msg(request))

    def _language(self, text: str) -> str:
        """Of the answer; the text is empty in a plan step and under redaction, then the last utterance counts."""
        return "zh" if (is_chinese(text) if text else self._chinese) else "en"

    def _diagnose(self) -> None:
        """REP 107: one status, warning while the robot's state is stale."""
        world, now = self._guard.world, time.monotonic()
        fresh = world.fresh(now)
        values = {
            "active": self._active,
            "firmware": world.firmware,
            "state_age_s": f"{now - world.state_at:.3f}",
            "posture": world.state.posture,
            "battery_percent": world.battery,
            "moving": self._guard.moving,
            "jobs": self._guard.jobs,
            "hazardous_allowed": world.rules.allow_hazardous,
        }
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK if fresh else DiagnosticStatus.WARN,
            name=f"{self.get_fully_qualified_name()}: robot",
            message="following the robot" if fresh else f"no recent message on {interfaces.SPORT_STATE.name}",
            hardware_id="go2",
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        header = Header(stamp=self.get_clock().now().to_msg())
        self._diagnostics.publish(DiagnosticArray(header=header, status=[status]))


def _rules(values: SkillParams) -> Rules:
    return Rules(**{item.name: getattr(values, item.name) for item in fields(Rules)})


def main() -> int:
    """Entry point of the executable."""
    return run(SkillNode)


if __name__ == "__main__":
    sys.exit(main())
