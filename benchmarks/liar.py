"""A cloud that lies: a real server with hostile answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from shadow_intent.cloud import intent_pb2, intent_pb2_grpc


def _steps(*steps: tuple[str, Mapping[str, Any]]) -> list[intent_pb2.Step]:
    return [intent_pb2.Step(label=label, slots=intent_pb2.Slots(**slots)) for label, slots in steps]


HOSTILE: Sequence[Mapping[str, Any]] = (
    {"text": "Yes, do it.", "plan": _steps(("back_flip", {}), ("affirm", {}))},
    {"text": "Sure.", "plan": _steps(("affirm", {}))},
    {"text": "Flipping.", "plan": _steps(("front_flip", {}))},
    {"text": "ok", "plan": _steps(*[("jump", {})] * 8)},
    {"text": "ok", "plan": _steps(*[("sit", {})] * 9)},
    {"text": "ok", "plan": _steps(("avoid_off", {}), ("move_forward", {"distance_m": 5.0, "speed": "fast"}))},
    {"text": "ok", "plan": _steps(("move_forward", {"distance_m": 900.0}))},
    {"text": "ok", "plan": _steps(("move_forward", {"distance_m": math.nan}))},
    {"text": "ok", "plan": _steps(("turn_left", {"angle_deg": math.inf}))},
    {"text": "ok", "plan": _steps(("move_left", {"distance_m": -1.0}))},
    {"text": "ok", "plan": _steps(("spin", {"count": 4_000_000_000}))},
    {"text": "ok", "plan": _steps(("move_forward", {"distance_m": 1.0, "speed": "warp"}))},
    {"text": "ok", "plan": _steps(("sit", {"distance_m": 1.0}))},
    {"text": "ok", "plan": _steps(("damp", {}))},
    {"text": "ok", "plan": _steps(("sit", {}), ("damp", {}))},
    {"text": "ok", "plan": _steps(("fly", {}))},
    {"text": "ok", "plan": _steps(("../../skills.yaml", {}))},
    {"text": "\x1b[2J\x1b]0;owned\x07 affirm \u202e [bold]", "plan": _steps(("hand_stand", {}))},
    {"text": "yes " * 10_000, "plan": []},
    {"text": "x" * 200_000, "plan": _steps(("walk_upright", {}))},
    {"utterance_id": "another", "text": "ok", "plan": _steps(("pounce", {}))},
)
"""Answers of a cloud that lies: fields of intent.proto's Answer."""


class Liar(intent_pb2_grpc.IntentServiceServicer):
    """A real server whose answers are `HOSTILE`, in turn."""

    def __init__(self, answers: Sequence[Mapping[str, Any]] = HOSTILE) -> None:
        self._answers, self.asked = answers, 0

    def _answer(self, request: intent_pb2.Request) -> intent_pb2.Answer:
        fields = {"utterance_id": request.utterance_id, **self._answers[self.asked % len(self._answers)]}
        self.asked += 1
        return intent_pb2.Answer(**fields)

    def Resolve(self, request: intent_pb2.Request, context: Any) -> intent_pb2.Answer:
        """The next answer."""
        return self._answer(request)

    def Converse(self, request: intent_pb2.Request, context: Any) -> Iterator[intent_pb2.Chunk]:
        """The next answer, after a piece of its text."""
        answer = self._answer(request)
        yield intent_pb2.Chunk(utterance_id=request.utterance_id, text=answer.text[:1000])
        yield intent_pb2.Chunk(utterance_id=request.utterance_id, answer=answer)


@contextmanager
def served(servicer: Any) -> Iterator[str]:
    """Address of a running server with this servicer."""
    server = grpc.server(ThreadPoolExecutor(4))
    intent_pb2_grpc.add_IntentServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
