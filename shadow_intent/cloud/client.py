"""The robot's side of the gRPC link: every call has a deadline, every answer is checked before anyone sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import grpc

from shadow_intent.cloud import intent_pb2, intent_pb2_grpc
from shadow_intent.cloud.plan import MAX_STEPS, Step, checked_step, clean
from shadow_intent.errors import CloudError, CloudUnavailable, InputError, PlanError
from shadow_intent.intent import Decision, Slots, is_chinese
from shadow_intent.skills import SkillTable, load_skills

MAX_MESSAGE_BYTES = 64 * 1024
UNAVAILABLE = {
    "en": "I cannot reach my cloud right now, so I can only do the skills I know.",
    "zh": "我现在连不上云端，只能做我会的动作。",
}
"""What the robot says when the cloud is away, by language."""


@dataclass(frozen=True, slots=True)
class CloudAnswer:
    """A checked answer."""

    utterance_id: str
    reply: str
    """One paragraph."""
    language: str
    """"en" or "zh"."""
    steps: tuple[Step, ...]
    """Plannable skills with bounded slots, in order."""
    bundle_id: str
    latency_ms: float
    """In the server, milliseconds."""


OnText = Callable[[str], None]
OnDone = Callable[["CloudAnswer | CloudError"], None]


def request_of(decision: Decision) -> intent_pb2.Request:
    """What is sent about a decision to ask the cloud."""
    utterance = decision.utterance
    return intent_pb2.Request(
        utterance_id=utterance.utterance_id,
        text=utterance.text,
        language=utterance.language or ("zh" if is_chinese(utterance.text) else "en"),
        session_id=utterance.session_id,
        label=decision.label,
        probability=decision.probability,
    )


def is_loopback(address: str) -> bool:
    """Whether host:port is on this machine, where nobody listens in."""
    return address.startswith(("127.", "localhost:", "[::1]:"))


class CloudClient:
    """One channel to one server. Thread-safe; `close` ends running calls."""

    def __init__(
        self,
        address: str,
        deadline_s: float,
        skills: SkillTable | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """`address`: host:port. `deadline_s`: of every call, seconds. `credentials`: see `tls`; None: plaintext."""
        options = [
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.use_local_subchannel_pool", 1),  # a new client is a new connection
        ]
        if is_loopback(address):
            options.append(("grpc.enable_http_proxy", 0))  # a proxy is for other machines
        if credentials is not None:
            self._channel = grpc.secure_channel(address, credentials, options)
        else:
            self._channel = grpc.insecure_channel(address, options)
        self._stub = intent_pb2_grpc.IntentServiceStub(self._channel)
        self._deadline_s = deadline_s
        self._skills = skills or load_skills()

    def resolve(self, request: intent_pb2.Request) -> CloudAnswer:
        """The whole answer, waiting at most the deadline. Raises CloudUnavailable or PlanError."""
        try:
            return self._checked(request, self._stub.Resolve(request, timeout=self._deadline_s))
        except grpc.RpcError as error:
            raise _cloud_error(error) from error

    def converse(self, request: intent_pb2.Request, on_text: OnText, on_done: OnDone) -> Callable[[], None]:
        """Asks without waiting; returns a function that cancels.

        `on_text` gets the reply so far, then `on_done` exactly once the answer or what went wrong; both are called from
        a thread of their own and must hand over to the caller's.
        """
        call = self._stub.Converse(request, timeout=self._deadline_s)
        arguments = (request, call, on_text, on_done)
        threading.Thread(target=self._follow, args=arguments, name="cloud-answer", daemon=True).start()
        return lambda: call.cancel()

    def close(self) -> None:
        """Ends every running call and the channel."""
        self._channel.close()

    def _follow(
        self, request: intent_pb2.Request, call: Iterator[intent_pb2.Chunk], on_text: OnText, on_done: OnDone
    ) -> None:
        result: CloudAnswer | CloudError = PlanError("the stream ended without an answer")
        try:
            for chunk in call:
                if chunk.HasField("answer"):
                    result = self._checked(request, chunk.answer)
                elif chunk.utterance_id == request.utterance_id and (text := clean(chunk.text)):
                    on_text(text)
        except grpc.RpcError as error:
            result = _cloud_error(error)
        except CloudError as error:
            result = error
        on_done(result)

    def _checked(self, request: intent_pb2.Request, answer: intent_pb2.Answer) -> CloudAnswer:
        """Nothing the cloud says is trusted: ids, lengths, skills and bounds are checked here again."""
        if answer.utterance_id != request.utterance_id:
            raise PlanError(f"answer to utterance {answer.utterance_id[:32]!r}, expected {request.utterance_id!r}")
        if len(answer.plan) > MAX_STEPS:
            raise PlanError(f"{len(answer.plan)} steps, at most {MAX_STEPS}")
        reply = clean(answer.text)
        return CloudAnswer(
            utterance_id=answer.utterance_id,
            reply=reply,
            language="zh" if is_chinese(reply) else "en",
            steps=tuple(checked_step(step.label, slots_from(step.slots), self._skills) for step in answer.plan),
            bundle_id=clean(answer.bundle_id)[:64],
            latency_ms=answer.latency_ms,
        )


def slots_from(message: intent_pb2.Slots) -> Slots:
    """The quantities that are set. Raises PlanError on impossible ones."""
    values = {field.name: value for field, value in message.ListFields() if field.name != "little"}
    try:
        return replace(Slots.from_dict(values), little=message.little)
    except InputError as error:
        raise PlanError(str(error)) from error


def _cloud_error(error: grpc.RpcError) -> CloudError:
    code, details = error.code(), clean(error.details() or "")
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return CloudUnavailable("no answer before the deadline")
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED):
        return CloudUnavailable(f"{code.name.lower()}: {details[:200]}")
    return CloudError(f"{code.name.lower()}: {details[:200]}")
