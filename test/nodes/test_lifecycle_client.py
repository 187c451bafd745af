"""Who drives a lifecycle node learns how that went even when the answer never comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.node import Node

from shadow_intent.nodes import lifecycle
from shadow_intent.nodes.lifecycle import LifecycleClient

CONFIGURE = Transition.TRANSITION_CONFIGURE


class Picky(LifecycleNode):
    """Lets itself be configured once."""

    def __init__(self) -> None:
        super().__init__("driven")
        self.times = 0

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        self.times += 1
        return TransitionCallbackReturn.SUCCESS if self.times == 1 else TransitionCallbackReturn.FAILURE


class Told(Node):
    """Tells a state when asked, and has a service for changes."""

    def __init__(self, state: int) -> None:
        super().__init__("told")
        self.state = state
        self.asked = 0
        self.create_service(GetState, "driven/get_state", self._tell)

    def _tell(self, request: GetState.Request, response: GetState.Response) -> GetState.Response:
        self.asked += 1
        response.current_state = State(id=self.state)
        return response


def poll(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


@pytest.fixture
def unheard(ros: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Told]]:
    """A node in the given state whose changes are never answered: the node that offers them is not spun."""
    monkeypatch.setattr(lifecycle, "ANSWER_S", 0.1)
    silent = Node("silent")
    silent.create_service(ChangeState, "driven/change_state", lambda request, response: response)
    yield lambda state: ros(Told, state)
    silent.destroy_node()


def client_of(ros: Callable[..., Any]) -> LifecycleClient:
    return LifecycleClient(ros(lambda: Node("asks")), "driven", poll)


def test_an_answer_tells_whether_the_node_took_it(ros: Callable[..., Any]) -> None:
    ros(Picky)
    client = client_of(ros)
    assert client.change(CONFIGURE, 30) is True
    assert client.change(Transition.TRANSITION_CLEANUP, 30) is True
    assert client.change(CONFIGURE, 30) is False
    state = client.state(30)
    assert state is not None and state.id == State.PRIMARY_STATE_UNCONFIGURED


def test_a_lost_answer_is_made_good_by_the_state(ros: Callable[..., Any], unheard: Callable[[int], Told]) -> None:
    told = unheard(State.PRIMARY_STATE_INACTIVE)
    assert client_of(ros).change(CONFIGURE, 60) is True
    assert told.asked == 1


def test_a_node_that_stays_as_it_was_has_not_told(ros: Callable[..., Any], unheard: Callable[[int], Told]) -> None:
    told = unheard(State.PRIMARY_STATE_UNCONFIGURED)
    assert client_of(ros).change(CONFIGURE, 1) is None
    assert told.asked > 1


def test_nobody_there(ros: Callable[..., Any]) -> None:
    client = client_of(ros)
    assert client.state(0.1) is None and client.change(CONFIGURE, 0.1) is None
