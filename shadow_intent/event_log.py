"""Every utterance, decision, skill outcome and reply as a rosbag2 folder that holds one MCAP file, without ROS.

Records are not chunked and each is flushed, so a process that is killed loses none (https://mcap.dev/spec, Message).
The message types are those of msg/*.msg; their definitions travel inside the file, so that any MCAP reader reads it.
"""

from __future__ import annotations

import re
import shutil
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from mcap.exceptions import EndOfFile, McapError
from mcap.records import Channel, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.base import TypesysError
from rosbags.typesys.store import Typestore

from shadow_intent.bag import METADATA, Bag, in_use
from shadow_intent.errors import InputError
from shadow_intent.intent import Event
from shadow_intent.resources import PACKAGE, share_path

TYPES = {
    "voice_command": "VoiceCommand",
    "intent": "Intent",
    "reply": "Reply",
    "skill_command": "SkillCommand",
    "skill_status": "SkillStatus",
}
"""What is logged: topic and message type, as in nodes/interfaces.py."""
_SEPARATOR = "=" * 80 + "\nMSG: "
_TORN = (EndOfFile, struct.error, UnicodeDecodeError)
"""What mcap raises where a file ends in the middle of a record."""
_RUN = re.compile(r"(\d{8}T\d{6}Z)(?:_(\d+))?")
"""The name of a run's folder: UTC time, and a number when there are several of one second."""


def run_folder(directory: Path) -> Path:
    """A folder name for a run that starts now, in `directory`: UTC time, with a number when it is taken."""
    name = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    taken = [number for stamp, number, _ in _runs(directory) if stamp == name]
    return directory / (f"{name}_{max(taken) + 1}" if taken else name)


def make_room(directory: Path, limit: int) -> None:
    """Removes the oldest runs in `directory` until all take at most `limit` bytes.

    A run that any process still writes stays, and so does whatever is not called and made as `EventLog` does in a
    `run_folder`.
    """
    runs = [(folder / f"{folder.name}_0.mcap", folder / METADATA) for _, _, folder in _runs(directory)]
    sizes = {files: sum(map(_size, files)) for files in runs}
    total = sum(sizes.values())
    for files, size in sizes.items():
        if total <= limit:
            return
        if not in_use(files[0]):
            with suppress(OSError):  # of another user, or with something else in it
                for file in files:
                    file.unlink(missing_ok=True)
                total -= size
                files[0].parent.rmdir()


def _runs(directory: Path) -> list[tuple[str, int, Path]]:
    """Start, number and folder of each run in `directory`, oldest first."""
    folders = [path for path in directory.glob("*Z*") if path.is_dir() and not path.is_symlink()]
    named = ((_RUN.fullmatch(folder.name), folder) for folder in folders)
    return sorted((match[1], int(match[2] or 0), folder) for match, folder in named if match)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # not there, or being removed by another node
        return 0


class EventLog:
    """The one writer of a run's log. Its methods may be called from several threads."""

    def __init__(self, folder: Path, redact: bool = False, namespace: str = "") -> None:
        """Makes `folder`, which must not hold a log yet. `redact` leaves every `text` field empty; `namespace` is the
        ROS one of the topics. Raises InputError when the folder cannot be written, OSError when the disk is full."""
        self.folder = Path(folder)
        self._redact = redact
        self._lock = threading.Lock()
        self._store = _typestore()
        self._bag = Bag(self.folder)
        self._channels: dict[str, int] = {}
        for topic, name in TYPES.items():
            kind = f"{PACKAGE}/msg/{name}"
            schema = self._bag.writer.register_schema(kind, "ros2msg", _definition(self._store, kind).encode())
            self._channels[topic] = self._bag.channel(
                f"{namespace.rstrip('/')}/{topic}", kind, schema, self._store.hash_rihs01(kind)
            )
        self._bag.flush()

    @property
    def size(self) -> int:
        """Bytes in the file; 0 once it is closed."""
        return self._bag.size

    def append(self, topic: str, message: Any, stamp_ns: int) -> None:
        """Writes one message of a topic of `TYPES`. When it returns, the record survives the end of the process.

        `message` is a ROS message, or a mapping or object with the fields of the topic's type; `stamp_ns` is when it
        was seen, nanoseconds since the epoch. After `close` nothing is written. Raises InputError when a field is
        missing or of a wrong type, and OSError, once, when the disk is full: the log ends there.
        """
        if topic not in TYPES:
            raise InputError(f"topic {topic!r} is not logged; expected one of {', '.join(TYPES)}")
        kind = f"{PACKAGE}/msg/{TYPES[topic]}"
        record = _record(self._store, kind, message)
        if self._redact and hasattr(record, "text"):
            record = replace(record, text="")
        try:
            data = bytes(self._store.serialize_cdr(record, kind))
        except (struct.error, AttributeError, TypeError) as error:
            raise InputError(f"{topic}: a field has the wrong type: {error}") from error
        with self._lock:
            self._bag.write(self._channels[topic], stamp_ns, stamp_ns, data)

    def close(self) -> None:
        """Completes the file and writes metadata.yaml; a second call does nothing. Raises OSError, once."""
        with self._lock:
            self._bag.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RotatingLog:
    """The logs of a node in one directory, of bounded size: one `EventLog` after another. For one thread."""

    def __init__(
        self, directory: Path, file_bytes: int, total_bytes: int, redact: bool = False, namespace: str = ""
    ) -> None:
        """A log of `file_bytes` is followed by a new one, and all in `directory` take about `total_bytes` at most.
        `redact`, `namespace`: of `EventLog`."""
        self._directory, self._file_bytes, self._total_bytes = directory, file_bytes, total_bytes
        self._redact, self._namespace = redact, namespace
        self._log: EventLog | None = None

    @property
    def folder(self) -> Path:
        """Of the newest log."""
        return self._log.folder if self._log else self._directory

    def begin(self) -> None:
        """Begins a new log, for which the oldest make room. Raises as `EventLog` does."""
        make_room(self._directory, self._total_bytes - self._file_bytes)
        self._log = EventLog(run_folder(self._directory), self._redact, self._namespace)

    def append(self, topic: str, message: Any, stamp_ns: int) -> None:
        """As of `EventLog`, before `begin` nothing. Raises OSError, once, also when no new log can be begun."""
        if self._log is None:
            return
        self._log.append(topic, message, stamp_ns)
        if self._log.size < self._file_bytes:
            return
        self._log.close()
        try:
            self.begin()
        except InputError as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        """As of `EventLog`."""
        if self._log:
            self._log.close()


def read_events(path: Path) -> Iterator[Event]:
    """The events of a log folder or MCAP file, oldest first as written; a torn file yields what is whole.

    A topic is given without its namespace. Raises InputError when there is no log or it is not MCAP.
    """
    file = _mcap_file(Path(path))
    try:
        yield from _events(file)
    except (SerdeError, TypesysError, UnicodeDecodeError, KeyError) as error:
        raise InputError(f"{file}: a record is damaged, or not of a ROS 2 message: {error!r}") from error


def _events(file: Path) -> Iterator[Event]:
    store = get_typestore(Stores.EMPTY)
    channels: dict[int, Channel] = {}
    schemas: dict[int, Schema] = {}
    for record in _records(file):
        if isinstance(record, Schema):
            schemas[record.id] = record
            new = get_types_from_msg(record.data.decode(), record.name)
            store.register({name: fields for name, fields in new.items() if name not in store.fielddefs})
        elif isinstance(record, Channel):
            channels[record.id] = record
        elif isinstance(record, Message):
            channel = channels[record.channel_id]
            kind = schemas[channel.schema_id].name
            fields = _fields(store, kind, store.deserialize_cdr(record.data, kind))
            yield Event(channel.topic.rsplit("/", 1)[-1], record.log_time, fields)


def recover(folder: Path) -> int:
    """Completes the log of a process that was killed, so that rosbag2 reads it; returns the number of its messages.

    `folder`: of the log, or its MCAP file. Only for a log nobody writes any more; a torn last record is dropped.
    """
    torn = _mcap_file(folder)
    folder = torn.parent
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # of a recovery that was interrupted
    bag = Bag(draft)
    channels: dict[int, int] = {}
    schemas: dict[int, tuple[str, int]] = {}
    for record in _records(torn):
        if isinstance(record, Schema) and record.id not in schemas:
            schemas[record.id] = record.name, bag.writer.register_schema(record.name, record.encoding, record.data)
        elif isinstance(record, Channel) and record.id not in channels:
            kind, schema = schemas[record.schema_id]
            channels[record.id] = bag.channel(record.topic, kind, schema, record.metadata.get("topic_type_hash", ""))
        elif isinstance(record, Message):
            bag.write(channels[record.channel_id], record.log_time, record.publish_time, record.data)
    bag.close(file_name=torn.name)
    bag.file.replace(torn)
    (draft / METADATA).replace(folder / METADATA)
    draft.rmdir()
    return sum(channel.messages for channel in bag.channels.values())


@cache
def _typestore() -> Typestore:
    """ROS's common types and ours."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    for path in sorted(share_path("msg", "Intent.msg").parent.glob("*.msg")):
        store.register(get_types_from_msg(path.read_text(encoding="utf-8"), f"{PACKAGE}/msg/{path.stem}"))
    return store


def _definition(store: Typestore, kind: str) -> str:
    """Schema text: the definition, then each it depends on; ours with their comments, which hold the units."""
    parts = store.generate_msgdef(kind, ros_version=2)[0].split(_SEPARATOR)
    texts = [_source(kind) or parts[0]]
    for part in parts[1:]:
        name, body = part.split("\n", 1)
        package, stem = name.split("/")
        texts.append(f"{name}\n{_source(f'{package}/msg/{stem}') or body}")
    return _SEPARATOR.join(texts)


def _source(kind: str) -> str:
    package, _, name = kind.split("/")
    return share_path("msg", f"{name}.msg").read_text(encoding="utf-8") if package == PACKAGE else ""


def _record(store: Typestore, kind: str, source: Any) -> Any:
    """`source` as an object of the type store."""
    values = {}
    for name, (_, argument) in store.fielddefs[kind][1]:
        try:
            value = source[name] if isinstance(source, Mapping) else getattr(source, name)
        except (KeyError, AttributeError):
            raise InputError(f"{kind}: field {name} is missing in {source!r}") from None
        values[name] = _record(store, argument, value) if isinstance(argument, str) else value
    return store.types[kind](**values)


def _fields(store: Typestore, kind: str, message: Any) -> dict[str, Any]:
    """The inverse of `_record`: field name to value."""
    values = ((name, argument, getattr(message, name)) for name, (_, argument) in store.fielddefs[kind][1])
    return {n: _fields(store, argument, value) if isinstance(argument, str) else value for n, argument, value in values}


def _mcap_file(path: Path) -> Path:
    files = sorted(path.glob("*.mcap")) if path.is_dir() else [path]
    if len(files) != 1 or not files[0].is_file():
        raise InputError(f"{path}: expected a log folder with one .mcap file, or such a file")
    return files[0]


def _records(file: Path) -> Iterator[McapRecord]:
    """Records up to the end or to the first torn one."""
    with file.open("rb") as stream:
        try:
            yield from StreamReader(stream).records
        except _TORN:
            return
        except (McapError, TypesysError) as error:
            raise InputError(f"{file}: {error}") from error
