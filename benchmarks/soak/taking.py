"""Messages taken from DDS without an executor: many of them cheaply, each with the times DDS stamped it with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile

from shadow_intent.nodes.interfaces import Topic

DEPTH = 5000
"""Of our own queues: who counts must not lose what it counts."""
Callback = Callable[[Any, float, float], None]
"""(message, sent, received), seconds since the epoch."""


class _Ours(CallbackGroup):
    """An executor that spins the node leaves these alone."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass


class Taker:
    """Subscriptions of one node."""

    def __init__(self, node: Node) -> None:
        self._node, self._group = node, _Ours()
        self._inlets: list[tuple[Any, Any, Callback]] = []

    def subscribe(self, topic: Topic, callback: Callback) -> None:
        """As the product's own readers, with a longer queue."""
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=DEPTH,
            reliability=topic.qos.reliability,
            durability=topic.qos.durability,
        )
        made = self._node.create_subscription(topic.type, topic.name, lambda _: None, qos, callback_group=self._group)
        self._inlets.append((made, topic.type, callback))

    def take(self) -> int:
        """Hands on all that has arrived; returns how many."""
        count = 0
        for made, kind, callback in self._inlets:
            with made.handle:
                while (taken := made.handle.take_message(kind, False)) is not None:
                    message, information = taken
                    sent, received = (information[f"{name}_timestamp"] * 1e-9 for name in ("source", "received"))
                    callback(message, sent, received)
                    count += 1
        return count
