"""stop_node: the robot's sport service hears nothing but through it, and it hears stop itself.

A process of its own, ahead of all others: a spoken stop or damp goes from the topic straight to the robot, without
model, queue, guard or network, whatever else hangs or died. What skill_node asks of the sport service passes through
here, so that no Move can follow the StopMove that ends it, and when velocities stop coming it ends them itself.
A stop the robot does not answer or refuses goes out again: DDS drops what could not be delivered in time, and a stop
must not be dropped.
"""

from __future__ import annotations

import sys
import time
from itertools import count
from typing import Any

from rclpy.clock import Clock, ClockType
from unitree_api.msg import Request, Response

from shadow_intent import msg, stop
from shadow_intent.echo import RECOGNISED_S, Echo
from shadow_intent.errors import RobotError
from shadow_intent.gate import FAST_PATH, Gate, begins_anew, takes_fast_path
from shadow_intent.intent import Route
from shadow_intent.nodes import interfaces, priority
from shadow_intent.nodes.convert import request_to_msg
from shadow_intent.nodes.dds import unsafe_reason
from shadow_intent.nodes.diagnose import diagnostics
from shadow_intent.nodes.params import Parameters, StopParams
from shadow_intent.nodes.run import Urgent, run
from shadow_intent.robot import DAMP, MOVE, OK, STOP_MOVE
from shadow_intent.robot import Request as Call

STATE_PERIOD_S = 0.1
"""Of `stop_state` while nothing happens, seconds."""
REPEAT_S = 0.5
"""A stop without an answer goes out again after so long: the robot answers within milliseconds."""


class StopNode(Urgent):
    """Not a lifecycle node: from its construction to its end it can stop the robot."""

    def __init__(self, urgency: str = "as the process that made it", **options: Any) -> None:
        """`urgency`: what `priority.hurry` said; `options` go to rclpy's Node. Raises ConfigError or RobotError."""
        super().__init__("stop_node", automatically_declare_parameters_from_overrides=True, **options)
        values = Parameters(self, StopParams).read()
        if values.robot == "real" and (reason := unsafe_reason()) is not None:
            raise RobotError(reason)
        began = time.monotonic_ns()
        self._gate, self._ids, self._urgency = Gate(began), count(began), urgency
        self._state = msg.StopState(epoch=began, cause=msg.StopState.START)
        self._real, self._echo = values.robot == "real", Echo()
        self._stops = self._repeats = self._refusal = 0
        self._unanswered: dict[int, Request] = {}
        """By API id, the last StopMove and Damp that the robot has not carried out yet."""
        self._robot = interfaces.REQUESTS["sport"].publisher(self)
        self._states = interfaces.STOP_STATE.publisher(self)
        self._diagnostics = interfaces.DIAGNOSTICS.publisher(self)
        interfaces.VOICE_COMMAND.subscribe(self, lambda command: self._hear(command.text))
        interfaces.VOICE_TEXT.subscribe(self, lambda text: self._hear(text.data))
        interfaces.REPLY.subscribe(self, lambda reply: self._echo.said(reply.text, time.monotonic()))
        interfaces.INTENT.subscribe(self, self._on_intent)
        interfaces.SKILL_COMMAND.subscribe(self, self._on_skill_command)
        interfaces.SPORT_REQUEST.subscribe(self, self._on_request)
        interfaces.RESPONSES["sport"].subscribe(self, self._on_response)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # a stop waits for no simulation
        self.create_timer(STATE_PERIOD_S, self._tell, clock=steady)
        self.create_timer(1.0 / values.diagnostics_hz, self._diagnose, clock=steady)
        self._lease = self.create_timer(values.lease_s, self._lease_over, clock=steady)
        self._lease.cancel()
        self._repeat = self.create_timer(REPEAT_S, self._stop_again, clock=steady)
        self._repeat.cancel()

    def close(self) -> None:
        """Stops a moving robot."""
        if self._gate.moving:
            self._stop(msg.StopState.LEASE, STOP_MOVE)

    def _stop(self, cause: str, api_id: int, utterance_id: str = "") -> None:
        """The request first, everything else after it."""
        call = Call(next(self._ids), "sport", api_id)
        request = request_to_msg(call)
        self._robot.publish(request)
        self._gate.stopped()
        if api_id == DAMP:  # a robot that is to go limp has nothing else to carry out
            self._unanswered.clear()
        self._unanswered[api_id] = request
        self._stops += 1
        self._repeats = self._refusal = 0
        self._lease.cancel()
        self._repeat.reset()
        self._state = msg.StopState(epoch=self._gate.epoch, cause=cause, utterance_id=utterance_id, request_id=call.id)
        self._tell()

    def _hear(self, text: str) -> None:
        label = stop.match(text)
        if label is None:
            return
        if label == "damp" and self._echo.repeats(text, time.monotonic(), RECOGNISED_S):
            label = "stop"  # what the robot says itself may stop it, not make it limp
        self._stop(label, FAST_PATH[label])

    def _on_intent(self, message: msg.Intent) -> None:
        if message.decision == Route.SKILL.value and takes_fast_path(
            message.label, spoken=message.source != msg.Intent.SOURCE_CLOUD
        ):
            self._stop(message.label, FAST_PATH[message.label], message.utterance_id)

    def _on_skill_command(self, message: msg.SkillCommand) -> None:
        if takes_fast_path(message.label, spoken=False, step=message.step):
            self._stop(message.label, FAST_PATH[message.label], message.utterance_id)

    def _on_request(self, request: Request) -> None:
        header, api_id = request.header, request.header.identity.api_id
        if self._gate.passes(header.lease.id, api_id):
            header.lease.id = 0  # ours; the robot knows leases of its own
            self._robot.publish(request)
            if api_id == MOVE:
                self._lease.reset()
            if begins_anew(api_id, request.parameter):  # a person wanted it since
                self._unanswered.clear()
                self._repeat.cancel()

    def _on_response(self, response: Response) -> None:
        identity = response.header.identity
        request = self._unanswered.get(identity.api_id)
        if request is None or request.header.identity.id != identity.id:
            return
        self._refusal = response.header.status.code
        if self._refusal == OK:
            del self._unanswered[identity.api_id]
            if not self._unanswered:
                self._repeat.cancel()

    def _stop_again(self) -> None:
        self._repeats += 1
        for api_id in sorted(self._unanswered, reverse=True):  # Damp last
            self._robot.publish(self._unanswered[api_id])
        if self._repeats == 1:
            self.get_logger().error("the robot does not carry out a stop: repeating it until it does")

    def _lease_over(self) -> None:
        self._lease.cancel()
        if self._gate.moving:
            self.get_logger().warning("velocities stopped coming: StopMove")
            self._stop(msg.StopState.LEASE, STOP_MOVE)

    def _tell(self) -> None:
        self._state.header.stamp = self.get_clock().now().to_msg()
        self._states.publish(self._state)

    def _problem(self) -> str:
        if self._repeats and not self._repeat.is_canceled():
            what = f"refuses a stop with code {self._refusal} for" if self._refusal else "has not answered a stop for"
            return f"the robot {what} {self._repeats * REPEAT_S:.1f} s"
        if self.count_publishers(self._states.topic_name) > 1:
            return "another stop_node runs: end all but one"
        if self._real and self._urgency.startswith(priority.ORDINARY):
            return "ordinary priority: a stop is only as fast as the other programs let it be"
        return ""

    def _diagnose(self) -> None:
        """Warns; a robot that refuses to stop is an error."""
        values = {
            "priority": self._urgency,
            "moving": self._gate.moving,
            "stops": self._stops,
            "last_cause": self._state.cause,
            "dropped": self._gate.dropped,
        }
        refused = self._refusal != OK and not self._repeat.is_canceled()
        status = diagnostics(self, "stop", self._problem(), "listening for stop", values, grave=refused)
        self._diagnostics.publish(status)


def main() -> int:
    """Entry point of the executable."""
    urgency = priority.hurry()  # before the DDS threads start, so that they inherit it
    return run(lambda: StopNode(urgency))


if __name__ == "__main__":
    sys.exit(main())
