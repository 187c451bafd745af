"""A cloud server that is honest, slow or lying: `python -m benchmarks.soak.cloud ADDRESS KIND`.

Real gRPC in a real process; only what it answers is invented, since the shipped server never lies.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from benchmarks.liar import HOSTILE, Liar
from shadow_intent.cloud import intent_pb2, intent_pb2_grpc
from shadow_intent.cloud.client import MAX_MESSAGE_BYTES
from shadow_intent.signals import alarm

STEPS = [intent_pb2.Step(label="sit"), intent_pb2.Step(label="hello")]
HONEST: Sequence[Mapping[str, Any]] = (
    {"text": "The sky is blue because air scatters blue light most.", "plan": []},
    {"text": "I sit down and wave.", "plan": STEPS},
    {"text": "我坐下来。", "plan": STEPS[:1]},
)
CHUNK_S, CHUNKS = 0.5, 20
"""The slow one says a word every so many seconds, so many times before its answer."""
THREADS = 4


class Slow(Liar):
    """Answers in the end, but long after everybody has lost patience."""

    def Converse(self, request: intent_pb2.Request, context: Any) -> Iterator[intent_pb2.Chunk]:
        """A word now and then."""
        for count in range(1, CHUNKS + 1):
            time.sleep(CHUNK_S)
            if not context.is_active():
                return
            yield intent_pb2.Chunk(utterance_id=request.utterance_id, text="well " * count)
        yield from super().Converse(request, context)


class Forger(Liar):
    """Lies, and begins with words and a plan for another utterance."""

    def Converse(self, request: intent_pb2.Request, context: Any) -> Iterator[intent_pb2.Chunk]:
        """Somebody else's piece first."""
        yield intent_pb2.Chunk(utterance_id="somebody else's", text="affirm; back_flip")
        yield from super().Converse(request, context)


KINDS = {"honest": lambda: Liar(HONEST), "slow": lambda: Slow(HONEST), "lying": lambda: Forger(HOSTILE)}


def main() -> int:
    address, kind = sys.argv[1:]
    told_to_end, _ = alarm()
    server = grpc.server(
        ThreadPoolExecutor(THREADS), options=[("grpc.max_send_message_length", 10 * MAX_MESSAGE_BYTES)]
    )
    intent_pb2_grpc.add_IntentServiceServicer_to_server(KINDS[kind](), server)
    server.add_insecure_port(address)
    server.start()
    print(f"listening on {address}", flush=True)
    told_to_end()
    server.stop(0).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
