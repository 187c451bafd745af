"""How other threads have the node's own thread do something."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Event

from rclpy.exceptions import InvalidHandle
from rclpy.node import Node

FINISH_S = 2.0
"""How long the end of a process waits for its node's thread, seconds."""


class Inbox:
    """Actions in the order they were posted."""

    def __init__(self, node: Node) -> None:
        self._actions: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._arrival = node.create_guard_condition(self._run)

    def post(self, action: Callable[[], None]) -> None:
        """Has the node's thread run `action`; any thread. Too late once the node is destroyed."""
        self._actions.put(action)
        with suppress(InvalidHandle):
            self._arrival.trigger()

    def finish(self, action: Callable[[], None], seconds: float = FINISH_S) -> None:
        """Posts `action` and waits until it is done, `seconds` at most. Not from the node's thread."""
        done = Event()
        self.post(action)
        self.post(done.set)
        done.wait(seconds)

    def _run(self) -> None:
        while not self._actions.empty():
            self._actions.get()()
