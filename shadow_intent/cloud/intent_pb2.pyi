from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Slots(_message.Message):
    __slots__ = ("distance_m", "angle_deg", "duration_s", "count", "speed", "little")
    DISTANCE_M_FIELD_NUMBER: _ClassVar[int]
    ANGLE_DEG_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    LITTLE_FIELD_NUMBER: _ClassVar[int]
    distance_m: float
    angle_deg: float
    duration_s: float
    count: int
    speed: str
    little: bool
    def __init__(self, distance_m: _Optional[float] = ..., angle_deg: _Optional[float] = ..., duration_s: _Optional[float] = ..., count: _Optional[int] = ..., speed: _Optional[str] = ..., little: _Optional[bool] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("label", "slots")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    label: str
    slots: Slots
    def __init__(self, label: _Optional[str] = ..., slots: _Optional[_Union[Slots, _Mapping]] = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ("utterance_id", "text", "language", "session_id", "label", "probability")
    UTTERANCE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    utterance_id: str
    text: str
    language: str
    session_id: str
    label: str
    probability: float
    def __init__(self, utterance_id: _Optional[str] = ..., text: _Optional[str] = ..., language: _Optional[str] = ..., session_id: _Optional[str] = ..., label: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("utterance_id", "text", "language", "plan", "bundle_id", "latency_ms")
    UTTERANCE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_ID_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    utterance_id: str
    text: str
    language: str
    plan: _containers.RepeatedCompositeFieldContainer[Step]
    bundle_id: str
    latency_ms: float
    def __init__(self, utterance_id: _Optional[str] = ..., text: _Optional[str] = ..., language: _Optional[str] = ..., plan: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., bundle_id: _Optional[str] = ..., latency_ms: _Optional[float] = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ("utterance_id", "text", "answer")
    UTTERANCE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    utterance_id: str
    text: str
    answer: Answer
    def __init__(self, utterance_id: _Optional[str] = ..., text: _Optional[str] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ...) -> None: ...
