"""What the tests of intent_node hold."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")


from shadow_intent import msg
from shadow_intent.bundle import Bundle
from shadow_intent.cloud.plan import Answer, Step
from shadow_intent.event_log import read_events
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.intent_node import IntentNode
from shadow_intent.nodes.witness import Story, Witness

SECOND = 1_000_000_000
NOTHING_LISTENS = "127.0.0.1:1"


class ScriptedCloud:
    """The engine of a real server: answers what the test wants, when it wants."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.chunks: list[str] = []
        self.steps: tuple[Step, ...] = ()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked: list[str] = []
        self.cancelled = False
        self.address = ""

    def answer(self, text: str, on_text: Callable[[str], None], cancelled: Callable[[], bool]) -> Answer:
        self.asked.append(text)
        for chunk in self.chunks:
            on_text(chunk)
        while not self.may_answer.wait(0.02):
            self.cancelled = self.cancelled or cancelled()
        return Answer("".join(self.chunks[-1:]) or "Fine.", self.steps)


class Ear:
    """What the tests hold: the node, a witness, and the log folder."""

    def __init__(self, node: IntentNode, witness: Witness, logs: Path) -> None:
        self.node, self.witness, self.logs = node, witness, logs

    def say(self, text: str, **fields: Any) -> Story:
        story = self.witness.say(text, **fields)
        wait_for(lambda: story.intents)
        return story

    def publish(self, **fields: Any) -> msg.Intent:
        """A voice command as it is; returns its intent."""
        seen: list[msg.Intent] = []
        subscription = interfaces.INTENT.subscribe(self.witness, seen.append)
        wait_for(lambda: self.node.count_subscribers(interfaces.INTENT.name) > 1)
        self.witness._voice.publish(msg.VoiceCommand(**fields))
        wait_for(lambda: seen)
        self.witness.destroy_subscription(subscription)
        return seen[0]

    def events(self) -> list[Any]:
        (folder,) = self.logs.iterdir()
        return list(read_events(folder))
