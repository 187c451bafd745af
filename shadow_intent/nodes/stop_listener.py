"""The shortest way from a spoken stop to StopMove: no model, no guard, no queue behind other messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from rclpy.node import Node
from std_msgs.msg import String

from shadow_intent import msg, stop
from shadow_intent.intent import Route
from shadow_intent.jobs import FAST_PATH
from shadow_intent.nodes import interfaces


class Stoppable(Protocol):
    """What the listener needs of its owner, a Node."""

    def stop_now(self, label: str, utterance_id: str = "") -> None:
        """Sends stop or damp. Called from the listener's thread."""
        ...

    def heard(self, text: str) -> None:
        """An utterance, stop or not."""
        ...


class StopListener(Node):
    """Hears stop and damp on every topic that may carry them: it works while intent_node is busy or down.

    A stop that comes both as text and as intent is sent twice, which is harmless.
    """

    def __init__(self, owner: Any) -> None:
        """Follows the owner's namespace and remappings; global arguments would rename this node too."""
        super().__init__(
            f"{owner.get_name()}_stop",
            namespace=owner.get_namespace(),
            context=owner.context,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._owner: Stoppable = owner
        for topic, callback in (
            (interfaces.VOICE_COMMAND, self._on_voice_command),
            (interfaces.VOICE_TEXT, self._on_voice_text),
            (interfaces.INTENT, self._on_intent),
            (interfaces.SKILL_COMMAND, self._on_skill_command),
        ):
            replace(topic, name=owner.resolve_topic_name(topic.name)).subscribe(self, callback)

    def _hear(self, text: str) -> None:
        label = stop.match(text)
        if label is not None:
            self._owner.stop_now(label)
        self._owner.heard(text)

    def _on_voice_command(self, message: msg.VoiceCommand) -> None:
        self._hear(message.text)

    def _on_voice_text(self, message: String) -> None:
        self._hear(message.data)

    def _on_intent(self, message: msg.Intent) -> None:
        if message.decision == Route.SKILL.value and message.label in FAST_PATH:
            self._owner.stop_now(message.label, message.utterance_id)

    def _on_skill_command(self, message: msg.SkillCommand) -> None:
        if message.step == 0 and message.label in FAST_PATH:
            self._owner.stop_now(message.label, message.utterance_id)
