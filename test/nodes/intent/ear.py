"""What the tests of intent_node hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")

from rclpy.parameter import Parameter

from shadow_intent import msg
from shadow_intent.bundle import Bundle
from shadow_intent.cloud.plan import Answer, Step
from shadow_intent.event_log import read_events
from shadow_intent.guard import SOONEST_YES_S
from shadow_intent.intent import Event
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.intent_node import IntentNode
from shadow_intent.nodes.witness import Story, Witness


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
        self.intents: list[msg.Intent] = []
        """Every one, also those that answer no story."""
        interfaces.INTENT.subscribe(witness, self.intents.append)
        self.held = threading.Event()
        """Set when the classifier works on what `hold` keeps."""

    def say(self, text: str) -> Story:
        """Says it and waits for the first intent."""
        story = self.witness.say(text)
        wait_for(lambda: story.intents)
        return story

    def answer(self, text: str) -> Story:
        """The same, when a question has just been asked: a yes that comes at once answers none."""
        time.sleep(SOONEST_YES_S)
        return self.say(text)

    def publish(self, **fields: Any) -> msg.Intent:
        """A voice command as it is; returns its intent."""
        before = len(self.intents)
        self.witness.voice.publish(msg.VoiceCommand(**fields))
        wait_for(lambda: len(self.intents) > before)
        return self.intents[before]

    def set(self, **parameters: Any) -> None:
        """Changes parameters while the node runs."""
        for result in self.node.set_parameters([Parameter(name, value=value) for name, value in parameters.items()]):
            assert result.successful, result.reason

    def hold(self, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
        """Keeps the classifier busy with its next utterance until the event is set, 30 seconds at most."""
        pipeline, free = self.node.classifier.pipeline, threading.Event()
        hear = pipeline.hear
        monkeypatch.setattr(pipeline, "hear", lambda utterance: (self.held.set(), free.wait(30), hear(utterance))[2])
        return free

    def events(self) -> list[Event]:
        """The log so far."""
        (folder,) = self.logs.iterdir()
        return list(read_events(folder))
