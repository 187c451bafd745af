"""A rosbag2 folder with one MCAP file, written record by record."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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

DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
"""The disk is full or broken: another folder on it would not help."""


def in_use(file: Path) -> bool:
    """True while a `Bag` of any process of this machine writes this MCAP file; False where files cannot be locked."""
    try:
        with file.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


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
        """Makes the folder. Raises InputError when it cannot be written or holds a log already, OSError when the disk
        is full or broken."""
        self.folder = folder
        self.file = folder / f"{folder.name}_0.mcap"
        self.channels: dict[int, Channel] = {}
        self._span: tuple[int, int] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stream: IO[bytes] = self.file.open("xb")
        except OSError as error:
            if error.errno in DISK_TROUBLE:
                raise
            raise InputError(f"log {self.file} cannot be written: {error.strerror}; choose another folder") from error
        with suppress(OSError):  # not every file system can
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.writer = Writer(self._stream, use_chunking=False, compression=CompressionType.NONE)
        self.writer.start(profile="ros2", library=PACKAGE)

    @property
    def size(self) -> int:
        """Bytes in the file; 0 once it is closed."""
        return 0 if self._stream.closed else self._stream.tell()

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
        with self._abandoned_on_error():
            self.writer.add_message(channel, log_ns, data, publish_ns, info.messages)
            self._stream.flush()
        info.messages += 1
        first, last = self._span or (log_ns, log_ns)
        self._span = min(first, log_ns), max(last, log_ns)

    def flush(self) -> None:
        """Hands what was written to the operating system: from there it survives the end of the process.

        Raises OSError, once, when there is no room."""
        with self._abandoned_on_error():
            self._stream.flush()

    @contextmanager
    def _abandoned_on_error(self) -> Iterator[None]:
        """After an OSError the file is closed as it is; `recover` completes it once there is room."""
        try:
            yield
        except OSError:
            with suppress(OSError):
                self._stream.close()
            raise

    def close(self, file_name: str = "") -> None:
        """Completes file and folder. `file_name`: what the file will be called, when that is not its present name.

        Raises OSError, once, when there is no room."""
        if self._stream.closed:
            return
        with self._abandoned_on_error():
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
