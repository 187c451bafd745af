"""Stands beside the robot and writes down what reaches it and how it moves: `python -m benchmarks.soak.observer FILE`.

It belongs to no part of the product and lives in the robot's network, so it sees what arrives there and nothing else.
A line of FILE is ["request", sent, received, service, api id, parameter] or ["pose", sent, x, y, yaw], times in seconds
since the epoch as DDS stamped them. From SIGUSR1 until SIGUSR2 it repeats the robot's last state, stamp and all: a
bridge whose robot has died.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from unitree_go.msg import SportModeState

from benchmarks.soak.taking import Taker
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.dds import use_safe_profile

STATE_S = 0.02
FLUSH_S = 0.2
REPEAT = {signal.SIGUSR1: True, signal.SIGUSR2: False}


class Observer:
    """Writes lines."""

    def __init__(self, node: Node, stream: Any) -> None:
        self._stream, self._last = stream, SportModeState()
        self.taker = Taker(node)
        for service, topic in interfaces.REQUESTS.items():
            self.taker.subscribe(topic, partial(self._on_request, service))
        self.taker.subscribe(interfaces.SPORT_STATE, self._on_state)
        self._states = node.create_publisher(SportModeState, interfaces.SPORT_STATE.name, interfaces.COMMANDS)

    def _on_request(self, service: str, message: Any, sent: float, received: float) -> None:
        self._write(["request", sent, received, service, message.header.identity.api_id, message.parameter])

    def _on_state(self, message: SportModeState, sent: float, received: float) -> None:
        if message.stamp != self._last.stamp:  # not one of its own repetitions
            self._last = message
            x, y = (round(float(v), 5) for v in message.position[:2])
            self._write(["pose", sent, x, y, round(float(message.imu_state.rpy[2]), 5)])

    def _write(self, row: list[Any]) -> None:
        self._stream.write(json.dumps(row) + "\n")

    def repeat(self) -> None:
        """The last state once more."""
        self._states.publish(self._last)


def main() -> int:
    wanted = {"repeat": False, "end": False}
    for number in REPEAT:
        signal.signal(number, lambda caught, _frame: wanted.update(repeat=REPEAT[signal.Signals(caught)]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: wanted.update(end=True))
    use_safe_profile()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("observer")
    with Path(sys.argv[1]).open("a", encoding="utf-8") as stream:
        observer = Observer(node, stream)
        next_state = next_flush = 0.0
        while not wanted["end"]:
            if not observer.taker.take():
                time.sleep(0.002)
            now = time.monotonic()
            if wanted["repeat"] and now >= next_state:
                next_state = now + STATE_S
                observer.repeat()
            if now >= next_flush:
                next_flush = now + FLUSH_S
                stream.flush()
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
