"""Between the guard and the robot: its requests go out, states, responses and stops come in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
from unitree_go.msg import TimeSpec

from shadow_intent import msg
from shadow_intent.gate import FAST_PATH, Epochs
from shadow_intent.guard import Guard
from shadow_intent.jobs import Action, Command
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import request_to_msg, robot_state_from_msg, sport_state_from_bytes, switch_from_json
from shadow_intent.nodes.entities import Entities
from shadow_intent.robot import AVOIDANCE_GET, Request, controller_in_use

Event = Callable[[Guard, float], "list[Action] | None"]
"""What happened to the guard, and when."""


class RobotLink:
    """Made and destroyed with the node's `Entities`. Everything that comes in is handed to `tell`."""

    def __init__(
        self,
        entities: Entities,
        tell: Callable[[Event], None],
        new_id: Callable[[], int],
        active: Callable[[], bool],
    ) -> None:
        """`tell(event)` calls `event(guard, now)` and carries out what it returns; `new_id`: of requests; `active`:
        whether the node is, so that it may stop the robot unasked."""
        self._tell, self._new_id, self._active = tell, new_id, active
        self._epochs, self._question = Epochs(), 0
        self._stamp: Any = None
        ways = {**interfaces.REQUESTS, "sport": interfaces.SPORT_REQUEST}  # only stop_node writes to the sport service
        self._publishers = {name: entities.publisher(topic) for name, topic in ways.items()}
        entities.subscribe(interfaces.STOP_STATE, self._on_stop_state)
        entities.subscribe(interfaces.SPORT_STATE, self._on_sport_state, raw=True)
        entities.subscribe(interfaces.LOW_STATE, self._on_low_state)
        for topic in interfaces.RESPONSES.values():
            entities.subscribe(topic, self._on_response)

    def send(self, request: Request) -> None:
        """Publishes a request; one to the sport service by way of stop_node, under the newest epoch."""
        message = request_to_msg(request)
        if request.service == "sport":
            message.header.lease.id = self._epochs.epoch
        self._publishers[request.service].publish(message)

    def ask_avoidance(self) -> None:
        """Asks whether the robot avoids obstacles."""
        self._question = self._new_id()
        self.send(Request(self._question, "obstacles_avoid", AVOIDANCE_GET))

    def flush(self, seconds: float) -> None:
        """Waits until stop_node has what was sent to it, `seconds` at most."""
        self._publishers["sport"].wait_for_all_acked(Duration(seconds=seconds))

    def _on_stop_state(self, message: msg.StopState) -> None:
        """The first one tells the epoch; another epoch later, that the robot was stopped."""
        news = self._epochs.news(message.epoch, time.monotonic())
        if news is None:
            return
        self._tell(lambda guard, now: guard.stop_node(now))
        if not news:
            return
        if message.cause in FAST_PATH:
            command = Command(message.utterance_id, message.cause)
            sent = Request(message.request_id, "sport", FAST_PATH[message.cause])
            self._tell(lambda guard, now: guard.stop(command, now, sent))
        else:
            began = message.cause == msg.StopState.START and self._active()
            self._tell(lambda guard, now: guard.halted(now, began))

    def _on_sport_state(self, data: bytes) -> None:
        """A sample that repeats the stamp of the one before is old: whoever repeats it has lost the robot."""
        message = sport_state_from_bytes(data)
        if message is None or (message.stamp == self._stamp and message.stamp != TimeSpec()):
            return
        self._stamp = message.stamp
        state = robot_state_from_msg(message)
        if state is not None:
            self._tell(lambda guard, now: guard.robot(state, now))

    def _on_low_state(self, message: Any) -> None:
        self._tell(lambda guard, now: guard.power(message.bms_state.soc))
        if controller_in_use(bytes(message.wireless_remote)):
            self._tell(lambda guard, now: guard.controller(now))

    def _on_response(self, message: Any) -> None:
        header = message.header
        if header.identity.id == self._question:
            on = switch_from_json(message.data)
            if on is not None:
                self._tell(lambda guard, now: guard.avoidance(on))
        else:
            self._tell(lambda guard, now: guard.response(header.identity.id, header.status.code, now))
