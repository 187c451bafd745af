"""The log of intent_node: every message as it comes; a new folder when the node is configured or a file is full."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from rclpy.node import Node

from shadow_intent import msg
from shadow_intent.event_log import RotatingLog
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.entities import Entities
from shadow_intent.nodes.params import IntentParams

DEFAULT_LOG = "~/.ros/shadow_intent"
MB = 1_000_000
HEARD = (interfaces.REPLY, interfaces.SKILL_COMMAND, interfaces.SKILL_STATUS)
"""What other nodes publish too, so it is logged as it is heard."""


class Recorder:
    """Used from the node's thread only. A full disk ends the log, not the node."""

    def __init__(self, node: Node, entities: Entities, values: IntentParams) -> None:
        """Begins the log. Raises InputError for a wrong folder."""
        self._node = node
        self.problem = ""
        """Why nothing more is logged; "" while it is."""
        directory = Path(values.log_directory or DEFAULT_LOG).expanduser()
        self.log = RotatingLog(
            directory, values.log_file_mb * MB, values.log_total_mb * MB, values.redact_text, node.get_namespace()
        )
        try:
            self.log.begin()
        except OSError as error:
            self._ended(error)
        for topic in HEARD:
            entities.subscribe(topic, partial(self.record, topic.name))

    def record(self, topic: str, message: Any) -> None:
        """Logs; of a reply only its complete text."""
        if self.problem or (isinstance(message, msg.Reply) and not message.final):
            return
        try:
            self.log.append(topic, message, self._node.get_clock().now().nanoseconds)
        except OSError as error:
            self._ended(error)

    def close(self) -> None:
        """The log is complete."""
        try:
            self.log.close()
        except OSError as error:
            self._ended(error)

    def _ended(self, error: OSError) -> None:
        self.problem = f"nothing more is logged: {error}"
        self._node.get_logger().error(self.problem)
