"""The log of intent_node: one folder per configured life of the node, every message as it comes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from rclpy.node import Node

from shadow_intent import msg
from shadow_intent.event_log import EventLog, run_folder
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.entities import Entities

DEFAULT_LOG = "~/.ros/shadow_intent"
HEARD = (interfaces.REPLY, interfaces.SKILL_COMMAND, interfaces.SKILL_STATUS)
"""What other nodes publish too, so it is logged as it is heard."""


class Recorder:
    """Used from the node's thread only."""

    def __init__(self, node: Node, entities: Entities, directory: str, redact: bool) -> None:
        """`directory`: "" for `DEFAULT_LOG`; `redact` leaves what was said out. Raises ConfigError."""
        self._node = node
        self.log = EventLog(run_folder(Path(directory or DEFAULT_LOG).expanduser()), redact, node.get_namespace())
        for topic in HEARD:
            entities.subscribe(topic, partial(self.record, topic.name))

    def record(self, topic: str, message: Any) -> None:
        """Logs; of a reply only its complete text. A full disk ends the log, not the node."""
        if isinstance(message, msg.Reply) and not message.final:
            return
        try:
            self.log.append(topic, message, self._node.get_clock().now().nanoseconds)
        except OSError as error:
            self._node.get_logger().error(f"nothing more is logged: {error}")

    def close(self) -> None:
        """The log is complete."""
        self.log.close()
