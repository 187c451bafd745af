"""A rosbag2 folder with one MCAP file, written record by record."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml
from mcap.writer import CompressionType, Writer

from shadow_intent.errors import InputError
from shadow_intent.resources import PACKAGE

METADATA = "metadata.yaml"
METADATA_VERSION = 8
"""Of rosbag2_storage's BagMetadata: the newest in which offered_qos_profiles is text, as which Humble and Iron read it
whatever the version. Jazzy and later read both."""


@dataclass(slots=True)
class Channel:
    """What metadata.yaml tells about a topic."""

    topic: str
    kind: str
    type_hash: str
    messages: int = 0


class Bag:
    """A rosbag2 folder under construction."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder. Raises InputError when it cannot be written or holds a log already."""
        self.folder = folder
        self.file = folder / f"{folder.name}_0.mcap"
        self.channels: dict[int, Channel] = {}
        self._span: tuple[int, int] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stream: IO[bytes] = self.file.open("xb")
        except OSError as error:
            raise InputError(f"log {self.file} cannot be written: {error.strerror}; choose another folder") from error
        self.writer = Writer(self._stream, use_chunking=False, compression=CompressionType.NONE)
        self.writer.start(profile="ros2", library=PACKAGE)

    def channel(self, topic: str, kind: str, schema: int, type_hash: str) -> int:
        """Registers a topic; returns the number to write with."""
        metadata = {"offered_qos_profiles": "", "topic_type_hash": type_hash}
        number = self.writer.register_channel(topic, "cdr", schema, metadata)
        self.channels[number] = Channel(topic, kind, type_hash)
        return int(number)

    def write(self, channel: int, log_ns: int, publish_ns: int, data: bytes) -> None:
        """Adds a record and flushes it. Does nothing once closed. Raises OSError, once, when there is no room."""
        if self._stream.closed:
            return
        info = self.channels[channel]
        try:
            self.writer.add_message(channel, log_ns, data, publish_ns, info.messages)
            self.flush()
        except OSError:
            self._abandon()
            raise
        info.messages += 1
        first, last = self._span or (log_ns, log_ns)
        self._span = min(first, log_ns), max(last, log_ns)

    def flush(self) -> None:
        """Hands what was written to the operating system: from there it survives the end of the process."""
        self._stream.flush()

    def _abandon(self) -> None:
        """Closes the file as it is; `recover` completes it once there is room."""
        with suppress(OSError):
            self._stream.close()

    def close(self, file_name: str = "") -> None:
        """Completes file and folder. `file_name`: what the file will be called, when that is not its present name."""
        if self._stream.closed:
            return
        self.writer.finish()
        self._stream.close()
        information = {"rosbag2_bagfile_information": self._metadata(file_name or self.file.name)}
        text = yaml.safe_dump(information, sort_keys=False)
        (self.folder / METADATA).write_text(text, encoding="utf-8")

    def _metadata(self, file_name: str) -> dict[str, Any]:
        """Fields of rosbag2_storage/bag_metadata.hpp."""
        first, last = self._span or (0, 0)
        times = {
            "duration": {"nanoseconds": last - first},
            "starting_time": {"nanoseconds_since_epoch": first},
            "message_count": sum(channel.messages for channel in self.channels.values()),
        }
        topics = [
            {
                "topic_metadata": {
                    "name": channel.topic,
                    "type": channel.kind,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": "",
                    "type_description_hash": channel.type_hash,
                },
                "message_count": channel.messages,
            }
            for channel in self.channels.values()
        ]
        return {
            "version": METADATA_VERSION,
            "storage_identifier": "mcap",
            **times,
            "topics_with_message_count": topics,
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [file_name],
            "files": [{"path": file_name, **{key: dict(v) if isinstance(v, dict) else v for key, v in times.items()}}],
            "custom_data": None,
            "ros_distro": "",
        }
