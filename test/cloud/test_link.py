"""Client and server over real gRPC on loopback: every call ends, and nothing the cloud says is trusted."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support import wait_for

from benchmarks.liar import served
from shadow_intent.cloud import intent_pb2, intent_pb2_grpc
from shadow_intent.cloud.client import UNAVAILABLE, CloudAnswer, CloudClient, request_of
from shadow_intent.cloud.engine import Engine
from shadow_intent.cloud.plan import Answer, Step
from shadow_intent.cloud.server import create_server
from shadow_intent.errors import CloudError, CloudUnavailable, PlanError
from shadow_intent.intent import NO_SLOTS, Decision, Route, Source, Utterance

Serve = Callable[[Any], str]
Connect = Callable[..., CloudClient]
Ask = Callable[..., intent_pb2.Request]
WAVE = (Step("sit", NO_SLOTS), Step("hello", NO_SLOTS))


class Script(intent_pb2_grpc.IntentServiceServicer):
    """A real server that answers as its script says, true or not."""

    def __init__(self, answer: Callable[[intent_pb2.Request], intent_pb2.Answer]) -> None:
        self._answer = answer

    def Resolve(self, request: intent_pb2.Request, context: grpc.ServicerContext) -> intent_pb2.Answer:
        return self._answer(request)

    def Converse(self, request: intent_pb2.Request, context: grpc.ServicerContext) -> Iterator[intent_pb2.Chunk]:
        yield intent_pb2.Chunk(utterance_id=request.utterance_id, answer=self._answer(request))


def scripted(answer: Callable[[intent_pb2.Request], intent_pb2.Answer]) -> AbstractContextManager[str]:
    """Address of a running server with `Script(answer)`."""
    return served(Script(answer))


@contextmanager
def back_at(address: str, text: str) -> Iterator[None]:
    """A server at an address where one was before; it answers `text`."""
    server = grpc.server(ThreadPoolExecutor(2))
    script = Script(lambda request: intent_pb2.Answer(utterance_id=request.utterance_id, text=text))
    intent_pb2_grpc.add_IntentServiceServicer_to_server(script, server)
    server.add_insecure_port(address)
    server.start()
    try:
        yield
    finally:
        server.stop(0).wait()


def engine_that(answer: Callable[..., Answer]) -> Any:
    """What the servicer needs of an engine, with this behaviour."""
    return SimpleNamespace(answer=answer, bundle=SimpleNamespace(bundle_id="b1"))


def converse(client: CloudClient, request: intent_pb2.Request) -> tuple[list[str], CloudAnswer | CloudError]:
    parts: list[str] = []
    done: queue.Queue[CloudAnswer | CloudError] = queue.Queue()
    client.converse(request, parts.append, done.put)
    return parts, done.get(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_resolve_brings_reply_and_plan(serve: Serve, connect: Connect, engine: Engine, ask: Ask) -> None:
    answer = connect(serve(engine)).resolve(ask("sit then wave"))
    assert (answer.utterance_id, answer.reply, answer.language) == ("u1", "Sitting down.", "en")
    assert answer.steps == WAVE
    assert answer.bundle_id == engine.bundle.bundle_id
    assert answer.latency_ms > 0


def test_slots_cross_the_wire_exactly(serve: Serve, connect: Connect, engine: Engine, ask: Ask) -> None:
    (step,) = connect(serve(engine)).resolve(ask("walk two")).steps
    assert step.slots.as_dict() == {"distance_m": 2.0, "speed": "slow"}


def test_converse_streams_the_reply_and_then_the_plan(serve: Serve, connect: Connect, engine: Engine, ask: Ask) -> None:
    parts, answer = converse(connect(serve(engine)), ask("sit then wave"))
    assert isinstance(answer, CloudAnswer)
    assert answer.steps == WAVE
    assert len(parts) > 3
    assert all(answer.reply.startswith(part) for part in parts)


def test_only_the_last_chunk_holds_a_plan(channel: grpc.Channel, ask: Ask) -> None:
    *rest, last = intent_pb2_grpc.IntentServiceStub(channel).Converse(ask("sit then wave"), timeout=20)
    assert rest
    assert not any(chunk.HasField("answer") for chunk in rest)
    assert [step.label for step in last.answer.plan] == ["sit", "hello"]


def test_chinese_over_the_wire(serve: Serve, connect: Connect, engine: Engine, ask: Ask) -> None:
    answer = connect(serve(engine)).resolve(ask("坐下再打招呼"))
    assert answer.steps == WAVE
    assert answer.language == "zh"


def test_a_decision_becomes_a_request() -> None:
    utterance = Utterance("天为什么蓝", utterance_id="x", session_id="s")
    request = request_of(Decision(utterance, Route.REMOTE, "remote", 0.75, "", Source.EDGE))
    assert (request.utterance_id, request.text, request.language) == ("x", "天为什么蓝", "zh")
    assert (request.session_id, request.label, request.probability) == ("s", "remote", 0.75)


@pytest.mark.parametrize("text", ["", "   ", "x" * 1001])
def test_texts_nobody_can_answer_are_invalid(channel: grpc.Channel, ask: Ask, text: str) -> None:
    stub = intent_pb2_grpc.IntentServiceStub(channel)
    for call in (lambda: stub.Resolve(ask(text), timeout=20), lambda: list(stub.Converse(ask(text), timeout=20))):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_health_tells_that_it_serves(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "shadow_intent.v1.IntentService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_the_service(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=10)
    names = {service.name for service in answer.list_services_response.service}
    assert {"shadow_intent.v1.IntentService", "grpc.health.v1.Health"} <= names


def test_no_server_is_told_at_once(connect: Connect, ask: Ask) -> None:
    client = connect(f"127.0.0.1:{free_port()}", deadline_s=5.0)
    start = time.monotonic()
    with pytest.raises(CloudUnavailable):
        client.resolve(ask("why blue"))
    _, result = converse(client, ask("why blue"))
    assert isinstance(result, CloudUnavailable)
    assert time.monotonic() - start < 4


def test_a_proxy_is_not_asked_for_this_machine(connect: Connect, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with scripted(lambda r: intent_pb2.Answer(utterance_id=r.utterance_id, text="here")) as address:
        assert connect(address).resolve(ask("hi")).reply == "here"


def test_a_server_that_comes_back_is_found(connect: Connect, ask: Ask) -> None:
    with scripted(lambda request: intent_pb2.Answer(utterance_id=request.utterance_id, text="one")) as address:
        client = connect(address)
        assert client.resolve(ask("hi")).reply == "one"
    with pytest.raises(CloudUnavailable):
        client.resolve(ask("hi"))
    with back_at(address, "two"):
        assert wait_for(lambda: reply_or_none(client, ask("hi")), 30) == "two"


def test_a_new_client_does_not_wait_for_an_old_ones_backoff(connect: Connect, ask: Ask) -> None:
    with scripted(lambda request: intent_pb2.Answer(utterance_id=request.utterance_id, text="one")) as address:
        pass
    old = connect(address)
    for _ in range(3):
        assert reply_or_none(old, ask("hi")) is None
    with back_at(address, "two"):
        assert connect(address).resolve(ask("hi")).reply == "two"


def test_health_is_told_while_everybody_waits(connect: Connect, ask: Ask) -> None:
    release = threading.Event()

    def slow(*_: Any) -> Answer:
        release.wait(30)
        return Answer("late", ())

    server, port = create_server("127.0.0.1:0", engine_that(slow), max_waiting=11)
    server.start()
    client, heard = connect(f"127.0.0.1:{port}"), threading.Semaphore(0)
    try:
        for _ in range(12):
            client.converse(ask("hi"), lambda _: None, lambda _: heard.release())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as other:
            reply = health_pb2_grpc.HealthStub(other).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        release.set()
        for _ in range(12):
            assert heard.acquire(timeout=20)
        server.stop(0).wait()


def reply_or_none(client: CloudClient, request: intent_pb2.Request) -> str | None:
    try:
        return client.resolve(request).reply
    except CloudUnavailable:
        return None


def test_a_server_that_hangs_costs_the_deadline_and_no_more(connect: Connect, ask: Ask) -> None:
    release = threading.Event()

    def hang(request: intent_pb2.Request) -> intent_pb2.Answer:
        release.wait(30)
        return intent_pb2.Answer(utterance_id=request.utterance_id, text="too late")

    with scripted(hang) as address:
        client = connect(address, deadline_s=0.5)
        start = time.monotonic()
        with pytest.raises(CloudUnavailable, match="deadline"):
            client.resolve(ask("why blue"))
        _, result = converse(client, ask("why blue"))
        elapsed = time.monotonic() - start
        release.set()
    assert isinstance(result, CloudUnavailable)
    assert 0.9 < elapsed < 3


def step(label: str, **slots: Any) -> intent_pb2.Step:
    return intent_pb2.Step(label=label, slots=intent_pb2.Slots(**slots))


@pytest.mark.parametrize(
    "plan",
    [
        [step("self_destruct")],
        [step("affirm")],
        [step("remote")],
        [step("sit"), step("")],
        [step("sit", distance_m=1.0)],
        [step("move_forward", distance_m=900.0)],
        [step("move_forward", distance_m=-1.0)],
        [step("move_forward", distance_m=float("nan"))],
        [step("move_forward", distance_m=float("inf"))],
        [step("move_forward", speed="warp")],
        [step("hello", count=0)],
        [step("hello", count=4_000_000_000)],
        [step("sit")] * 9,
    ],
    ids=str,
)
def test_a_lying_server_moves_nothing(connect: Connect, ask: Ask, plan: list[intent_pb2.Step]) -> None:
    with scripted(lambda r: intent_pb2.Answer(utterance_id=r.utterance_id, text="sure", plan=plan)) as address:
        client = connect(address)
        with pytest.raises(PlanError):
            client.resolve(ask("hi"))
        _, result = converse(client, ask("hi"))
        assert isinstance(result, PlanError)


def test_an_answer_to_somebody_else_is_refused(connect: Connect, ask: Ask) -> None:
    with scripted(lambda _: intent_pb2.Answer(utterance_id="another", text="sure", plan=[step("sit")])) as address:
        client = connect(address)
        with pytest.raises(PlanError, match="another"):
            client.resolve(ask("hi"))
        assert isinstance(converse(client, ask("hi"))[1], PlanError)


def test_a_reply_is_cut_and_cleaned_before_anyone_speaks_it(connect: Connect, ask: Ask) -> None:
    text = "a\x00b\n" + "c" * 5000
    with scripted(lambda r: intent_pb2.Answer(utterance_id=r.utterance_id, text=text)) as address:
        reply = connect(address).resolve(ask("hi")).reply
    assert reply.startswith("a b c")
    assert len(reply) == 400


def test_a_flood_of_bytes_is_an_error_and_not_a_memory_problem(connect: Connect, ask: Ask) -> None:
    with (
        scripted(lambda r: intent_pb2.Answer(utterance_id=r.utterance_id, text="x" * 10_000_000)) as address,
        pytest.raises(CloudError),
    ):
        connect(address).resolve(ask("hi"))


def test_cancelling_reaches_the_engine(serve: Serve, connect: Connect, ask: Ask) -> None:
    ended = threading.Event()

    def endless(text: str, on_text: Callable[[str], None], cancelled: Callable[[], bool]) -> Answer:
        while not cancelled():
            on_text("so far")
            time.sleep(0.005)
        ended.set()
        raise CloudUnavailable("cancelled")

    client = connect(serve(engine_that(endless)))
    parts: list[str] = []
    done: queue.Queue[CloudAnswer | CloudError] = queue.Queue()
    cancel = client.converse(ask("talk on"), parts.append, done.put)
    wait_for(lambda: parts)
    cancel()
    assert ended.wait(10)
    assert isinstance(done.get(timeout=10), CloudUnavailable)
    assert done.empty()


def test_a_passed_deadline_reaches_the_engine(serve: Serve, connect: Connect, ask: Ask) -> None:
    ended = threading.Event()

    def slow(text: str, on_text: Callable[[str], None], cancelled: Callable[[], bool]) -> Answer:
        while not cancelled():
            time.sleep(0.005)
        ended.set()
        raise CloudUnavailable("cancelled")

    with pytest.raises(CloudUnavailable, match="deadline"):
        connect(serve(engine_that(slow)), deadline_s=0.3).resolve(ask("hi"))
    assert ended.wait(10)


def test_a_full_server_says_so(serve: Serve, connect: Connect, ask: Ask) -> None:
    def full(*_: Any) -> Answer:
        raise CloudUnavailable("5 requests are being answered; try again")

    address = serve(engine_that(full))
    with pytest.raises(CloudUnavailable, match="try again"):
        connect(address).resolve(ask("hi"))
    with grpc.insecure_channel(address) as other, pytest.raises(grpc.RpcError) as caught:
        intent_pb2_grpc.IntentServiceStub(other).Resolve(ask("hi"), timeout=10)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_crash_is_internal_and_tells_nothing_of_itself(
    serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def crash(*_: Any) -> Answer:
        raise RuntimeError("weights at /secret/place are broken")

    with grpc.insecure_channel(serve(engine_that(crash))) as channel, pytest.raises(grpc.RpcError) as caught:
        intent_pb2_grpc.IntentServiceStub(channel).Resolve(ask("hi"), timeout=10)
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in (caught.value.details() or "")


def test_the_fallback_is_there_in_both_languages() -> None:
    assert set(UNAVAILABLE) == {"en", "zh"}
