"""Drives lifecycle nodes of other processes, whose answers may be lost.

A node that answers before DDS has told it of the asker's reader is never heard (ros2/rmw_fastrtps issue 842): who gets
no answer to a change of state asks for the state.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node

STATE_S = 1.0
"""A node tells its state this fast, or is busy or not there, seconds."""
ANSWER_S = 5.0
"""Without an answer to a change for so long, the state is asked for, seconds."""
AFTER = {
    Transition.TRANSITION_CONFIGURE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_ACTIVATE: State.PRIMARY_STATE_ACTIVE,
    Transition.TRANSITION_DEACTIVATE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_CLEANUP: State.PRIMARY_STATE_UNCONFIGURED,
}
"""State after each transition."""

Wait = Callable[[Callable[[], bool], float], bool]
"""`wait(condition, seconds)`: whether the condition came true in time, while `node` is spun."""


def ask(client: Any, request: Any, wait: Wait, seconds: float) -> Any:
    """A service's answer; None when it was not there, or did not answer, for so long."""
    if not wait(client.service_is_ready, seconds):
        return None
    future = client.call_async(request)
    if wait(future.done, seconds):
        return future.result()
    client.remove_pending_request(future)
    return None


class LifecycleClient:
    """Of one lifecycle node."""

    def __init__(self, node: Node, name: str, wait: Wait) -> None:
        """`node`: whoever asks; `name`: of the lifecycle node, relative to it."""
        self._node, self._wait = node, wait
        self._state: Any = node.create_client(GetState, f"{name}/get_state")
        self._change: Any = node.create_client(ChangeState, f"{name}/change_state")

    def close(self) -> None:
        """Destroys the clients."""
        for client in (self._state, self._change):
            self._node.destroy_client(client)

    def state(self, seconds: float = STATE_S) -> State | None:
        """None when it is busy or not there for so long."""
        answer = ask(self._state, GetState.Request(), self._wait, seconds)
        return None if answer is None else answer.current_state

    def change(self, transition: int, seconds: float) -> bool | None:
        """Whether the node took the transition; None when it does not tell within `seconds`."""
        end = time.monotonic() + seconds
        if not self._wait(self._change.service_is_ready, seconds):
            return None
        future = self._change.call_async(ChangeState.Request(transition=Transition(id=transition)))
        while not self._wait(future.done, min(ANSWER_S, max(0.0, end - time.monotonic()))):
            state = self.state()
            done = state is not None and state.id == AFTER[transition]
            if done or time.monotonic() > end:
                self._change.remove_pending_request(future)
                return True if done else None
        return bool(future.result().success)
