"""Every utterance, decision, skill outcome and reply as a rosbag2 folder that holds one MCAP file, without ROS.

Records are not chunked and each is flushed, so a process that is killed loses none (https://mcap.dev/spec, Message).
The message types are those of msg/*.msg; their definitions travel inside the file, so that any MCAP reader reads it.
"""

from __future__ import annotations

import shutil
import struct
import threading
from collections.abc import Iterator, Mapping
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

from shadow_intent.bag import METADATA, Bag
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


def run_folder(directory: Path) -> Path:
    """A folder name for a run that starts now, in `directory`: UTC time, with a number when it is taken."""
    name = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    taken = len(list(directory.glob(f"{name}*"))) if directory.is_dir() else 0
    return directory / (f"{name}_{taken}" if taken else name)


class EventLog:
    """The one writer of a run's log. Its methods may be called from several threads."""

    def __init__(self, folder: Path, redact: bool = False, namespace: str = "") -> None:
        """Makes `folder`, which must not hold a log yet. `redact` leaves every `text` field empty; `namespace` is the
        ROS one of the topics. Raises InputError when the folder cannot be written."""
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
        """Completes the file and writes metadata.yaml; a second call does nothing."""
        with self._lock:
            self._bag.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
