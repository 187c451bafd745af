"""Publishers, subscriptions and timers of a node, and giving them all back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from shadow_intent.nodes.interfaces import Topic


class Entities:
    """What a lifecycle node makes in on_configure and destroys in on_cleanup."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._destroyers: list[Callable[[], object]] = []

    def publisher(self, topic: Topic) -> Any:
        """A publisher of the node."""
        made = topic.publisher(self._node)
        self._destroyers.append(lambda: self._node.destroy_publisher(made))
        return made

    def subscribe(self, topic: Topic, callback: Callable[[Any], None], raw: bool = False) -> Any:
        """A subscription of the node; `raw`: the callback takes the serialised bytes."""
        made = topic.subscribe(self._node, callback, raw)
        self._destroyers.append(lambda: self._node.destroy_subscription(made))
        return made

    def timer(self, hz: float, callback: Callable[[], None]) -> Any:
        """A timer on the node's `pace`."""
        made = self._node.create_timer(1.0 / hz, callback, clock=pace(self._node))
        self._destroyers.append(lambda: self._node.destroy_timer(made))
        return made

    def destroy(self) -> None:
        """All of them, newest first."""
        while self._destroyers:
            self._destroyers.pop()()

    def __bool__(self) -> bool:
        """Something was made and is not destroyed."""
        return bool(self._destroyers)


def pace(node: Node) -> Clock:
    """The clock of timers and durations: a steady one that nobody can set, or simulated under use_sim_time."""
    simulated = bool(node.get_parameter("use_sim_time").value)
    return node.get_clock() if simulated else Clock(clock_type=ClockType.STEADY_TIME)


def seconds(clock: Clock) -> float:
    """Its time, seconds."""
    return float(clock.now().nanoseconds) * 1e-9
