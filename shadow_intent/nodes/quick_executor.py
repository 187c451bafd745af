"""An executor for one node that has to answer at once.

For every callback rclpy's executors gather all entities anew, build a wait set, a task and a coroutine: a millisecond
on a busy core, several times what the callback itself takes. Here all that is made once. The calls are those of
`rclpy.wait_for_message`. Left out is what such a node does not need: clients, actions, QoS events, coroutines, and
entities made after the spinning has begun.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.task import Future


class QuickExecutor:
    """Has the methods of rclpy's executors that `run.Spinner` uses."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._wake = node.create_guard_condition(lambda: None)

    def shutdown(self, timeout_sec: float | None = None) -> None:
        """Nothing to give back."""

    def spin_until_future_complete(self, future: Future[Any]) -> None:
        """Serves subscriptions in the order they were made, then timers and services."""
        future.add_done_callback(lambda _: self._wake.trigger())
        node = self._node
        sources = (
            ("subscription", list(node.subscriptions), _take_message),
            ("timer", list(node.timers), _call_timer),
            ("service", list(node.services), _answer),
        )
        subscriptions, timers, services = (entities for _, entities, _ in sources)
        with ExitStack() as alive:
            for entity in (node.context, self._wake, *subscriptions, *timers, *services):
                alive.enter_context(entity.handle)
            counts = (len(subscriptions), 1, len(timers), 0, len(services), 0)
            wait_set: Any = rclpy_implementation.WaitSet(*counts, node.context.handle)  # type: ignore[arg-type]
            while not future.done() and node.context.ok():
                wait_set.clear_entities()
                wait_set.add_guard_condition(self._wake.handle)
                for kind, entities, _ in sources:
                    add = getattr(wait_set, f"add_{kind}")
                    for entity in entities:
                        add(entity.handle)
                wait_set.wait(-1)
                for kind, entities, serve in sources:
                    _serve(wait_set.get_ready_entities(kind), entities, serve)


def _serve(ready: list[int], entities: list[Any], serve: Callable[[Any], None]) -> None:
    for entity in entities if ready else ():
        if entity.handle.pointer in ready:
            serve(entity)


def _take_message(subscription: Any) -> None:
    taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
    if taken is not None:
        subscription.callback(taken[0])


def _call_timer(timer: Any) -> None:
    if timer.handle.is_timer_ready():  # not cancelled since
        timer.handle.call_timer()
        timer.callback()


def _answer(service: Any) -> None:
    request, header = service.handle.service_take_request(service.srv_type.Request)
    if header is not None:
        service.send_response(service.callback(request, service.srv_type.Response()), header)
