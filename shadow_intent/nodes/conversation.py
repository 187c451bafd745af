"""Open requests: asked of the cloud, answered aloud, their plans sent on. One at a time, the newest.

What the robot is unsure about and the cloud cannot tell, the speaker is asked, and whether a plan is to be done that
the robot does not read in the words itself: see `clarify`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import grpc
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from shadow_intent import clarify, msg
from shadow_intent.clauses import DAMP, ClauseReader
from shadow_intent.cloud.client import UNAVAILABLE, CloudAnswer, CloudClient, is_loopback, request_of
from shadow_intent.cloud.plan import Step
from shadow_intent.cloud.tls import channel_credentials
from shadow_intent.echo import RECOGNISED_S
from shadow_intent.errors import CloudError, CloudUnavailable
from shadow_intent.guard import SOONEST_YES_S
from shadow_intent.intent import Decision, Route, Source, Utterance
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import slots_to_msg, stamp_to_ns
from shadow_intent.nodes.params import IntentParams
from shadow_intent.nodes.utterances import ignored
from shadow_intent.own_voice import OwnVoice
from shadow_intent.route import AFFIRM, DENY, STOP
from shadow_intent.skills import SkillTable
from shadow_intent.speech import sentence, speaking_s

UNUSABLE = {
    "en": "I did not get an answer I can use. Please say it differently.",
    "zh": "我没有得到可用的回答，请换个说法。",
}
"""What the robot says when the cloud answers nonsense, by language."""
LISTENING_S = 0.5
"""A yes so long after the robot spoke may still be a piece of what it said, seconds."""
AGAIN_S = 1.0
"""A yes within so long of one that was an answer is the same yes: it must not answer the question that follows."""


class Owner(Protocol):
    """What a conversation needs of its node."""

    def post(self, action: Callable[[], None]) -> None:
        """Has the node's thread run `action`; any thread."""
        ...

    def now(self) -> Time:
        """ROS time."""
        ...

    def publish(self, topic: interfaces.Topic, message: Any) -> None: ...

    def get_logger(self) -> Any:
        """rclpy's."""
        ...

    def announce(self, decision: Decision) -> None:
        """Publishes a decision as an intent."""
        ...

    def get_parameter(self, name: str) -> Any:
        """rclpy's."""
        ...


@dataclass(slots=True, eq=False)
class _Open:
    """A request without an answer yet."""

    decision: Decision
    began: float = field(default_factory=time.perf_counter)
    cancel: Callable[[], None] = lambda: None


class Conversations:
    """Used from the node's thread only; gRPC's threads come in through `Owner.post`."""

    def __init__(
        self,
        owner: Owner,
        address: str,
        skills: SkillTable,
        clauses: ClauseReader,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """`address`: host:port, "" when there is no cloud. `clauses`: makes plans to ask about when it is away.
        `credentials`: see `cloud.tls`; None: plaintext."""
        self._state = "not asked yet" if address else "off"
        """How the last request ended."""
        self.problem = ""
        """Why the last request failed, "" when it did not."""
        self._latency_ms = ""
        self._owner, self._address, self._skills, self._credentials = owner, address, skills, credentials
        self._clauses = clauses
        self._client: tuple[float, CloudClient] | None = None
        self._open: _Open | None = None
        self._question: tuple[clarify.Question | clarify.PlanQuestion, float] | None = None  # and when it was asked
        self._answered_at = -math.inf
        self._own_voice = OwnVoice()

    @classmethod
    def of(cls, owner: Owner, values: IntentParams, skills: SkillTable, clauses: ClauseReader) -> Conversations:
        """With the link that the parameters say; warns of one that others can read. Raises ConfigError."""
        tls = channel_credentials(values.cloud_ca_file, values.cloud_certificate_file, values.cloud_key_file)
        if tls is None and values.cloud_address and not is_loopback(values.cloud_address):
            owner.get_logger().warning(f"the link to {values.cloud_address} is plaintext: set cloud_ca_file")
        return cls(owner, values.cloud_address, skills, clauses, tls)

    def begin(self, decision: Decision, deadline_s: float) -> None:
        """Asks the cloud, without waiting; no answer in `deadline_s` is CloudUnavailable."""
        current = self._open = _Open(decision)
        if not self._address:
            self._finish(current, CloudUnavailable("no cloud_address is set"))
            return
        current.cancel = self._connect(deadline_s).converse(
            request_of(decision),
            lambda text: self._owner.post(partial(self._say_so_far, current, text)),
            lambda result: self._owner.post(partial(self._finish, current, result)),
        )

    def said(self, reply: msg.Reply) -> None:
        """The robot, this node or another, says something aloud."""
        self._own_voice.said(reply.text, stamp_to_ns(self._owner.now()) / 1e9)

    def heard(self, decision: Decision, window_s: float) -> Decision:
        """The decision as it is, or what it comes to as an answer to a question asked within `window_s`.

        The robot's own words come to nothing, unless they say stop. A yes while it speaks of a "yes or no" is its own.
        """
        if self._is_own(decision):
            return ignored(decision.utterance, "the robot's own words")
        if decision.label == AFFIRM and time.monotonic() - self._answered_at < AGAIN_S:
            return replace(decision, route=Route.IGNORE, reason="the yes or no before it was the answer")
        if self._question is None or self._question[0].decision.utterance.session_id != decision.utterance.session_id:
            return decision
        still, self._question = self._question, None
        (question, asked_at), asked = still, still[0].decision
        ago_s = max(0.0, (stamp_to_ns(self._owner.now()) - decision.utterance.stamp_ns) / 1e9)  # no clock is far ahead
        if time.monotonic() - asked_at > window_s + speaking_s(question.text(self._skills)):
            return decision
        soonest = asked_at + (SOONEST_YES_S if decision.label == AFFIRM else 0.0)
        if time.monotonic() - ago_s < soonest:  # said before it was asked
            self._question = still if decision.route is Route.IGNORE or decision.label == AFFIRM else None
            reason = "said before it was asked"
            return replace(decision, route=Route.IGNORE, reason=reason) if decision.label == AFFIRM else decision
        if isinstance(question, clarify.PlanQuestion):
            return self._answered(question, decision, asked_at)
        outcome, still_open = clarify.answer(question, decision, self._skills)
        if outcome is not decision and still_open is not question:
            self._answered_at = time.monotonic()
        if still_open is not None:
            self._question = still_open, asked_at if still_open is question else time.monotonic()
        if outcome.route is Route.SKILL and outcome.label in question.labels and outcome is not decision:
            reason = f"{outcome.reason}, carried out as {outcome.utterance.utterance_id}"
            meant = replace(asked, label=outcome.label, slots=outcome.slots, reason=reason, source=Source.SPEAKER)
            self._owner.announce(replace(meant, route=Route.IGNORE, probability=1.0))
        return outcome

    def _is_own(self, decision: Decision) -> bool:
        label, text, voice = decision.label, decision.utterance.text, self._own_voice
        at_s = min(decision.utterance.stamp_ns, stamp_to_ns(self._owner.now())) / 1e9
        if label == DAMP and voice.repeats(text, at_s, RECOGNISED_S):  # stop_node makes it a stop
            return True
        may_stop = decision.source is Source.STOP or STOP in (label, *decision.alternatives)
        if may_stop or not label:  # what has no label is ignored already, and may be very long
            return False
        if label == AFFIRM and voice.repeats(text, at_s, LISTENING_S):
            return True
        return voice.hears(text, at_s, short=label != DENY)

    def _answered(self, question: clarify.PlanQuestion, heard: Decision, asked_at: float) -> Decision:
        """Does the plan after a yes. What is no answer ends the question, unless it was not meant for the robot."""
        yes = clarify.yes_or_no(heard)
        if yes is None and heard.label == AFFIRM:  # nor may it answer a question of somebody else's
            self._question = question, asked_at
            return replace(heard, route=Route.IGNORE, reason="no clear yes or no to the plan")
        if yes is None:
            self._question = (question, asked_at) if heard.route is Route.IGNORE else None
            return heard
        spoken, self._answered_at = question.decision.utterance, time.monotonic()
        if yes:
            self._send_plan(spoken, question.steps, question.source)
            reason = f"yes to the plan of {spoken.utterance_id}"
            return replace(heard, route=Route.IGNORE, reason=reason, reply=question.reply)
        reply = sentence("cancelled", question.language)
        return replace(heard, route=Route.IGNORE, reason=f"no to the plan of {spoken.utterance_id}", reply=reply)

    def overtake(self, reason: str, which: Callable[[Utterance], bool] = lambda utterance: True) -> None:
        """Ends the request under way: nothing it still brings is said or done. A question asked is withdrawn.

        `which`: about which utterances.
        """
        if self._question is not None and which(self._question[0].decision.utterance):
            self._question = None
        current = self._open
        if current is not None and which(current.decision.utterance):
            self._open = None
            current.cancel()
            self._close(current, Route.IGNORE, reason)

    def values(self) -> dict[str, object]:
        """For diagnostics."""
        link = "none" if not self._address else "plaintext" if self._credentials is None else "TLS"
        return {"cloud": self._state, "cloud_link": link, "cloud_latency_ms": self._latency_ms}

    def close(self) -> None:
        """Ends the request under way and the connection."""
        self.overtake("overtaken by the end of the node")
        self._disconnect()

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client[1].close()
            self._client = None

    def _connect(self, deadline_s: float) -> CloudClient:
        """The connection; a changed deadline needs a new one."""
        if self._client is None or self._client[0] != deadline_s:
            self._disconnect()
            self._client = deadline_s, CloudClient(self._address, deadline_s, self._skills, self._credentials)
        return self._client[1]

    def _say_so_far(self, current: _Open, text: str) -> None:
        if current is self._open:
            self._reply(current, text, current.decision.utterance.answer_language, final=False)

    def _finish(self, current: _Open, result: CloudAnswer | CloudError) -> None:
        """The answer, unless something newer was said: then it must not move the robot."""
        if current is not self._open:
            return
        self._open = None
        if isinstance(result, CloudAnswer):
            self._state, self.problem = "answered", ""
            self._answer(current, result)
        else:
            self._state = self.problem = f"{type(result).__name__}: {result}"
            if isinstance(result, CloudUnavailable):
                self._disconnect()  # gRPC would wait up to two minutes, or for ever on a dead connection
            self._do_without(current, UNAVAILABLE if isinstance(result, CloudUnavailable) else UNUSABLE)

    def _answer(self, current: _Open, result: CloudAnswer) -> None:
        """Says and does what the cloud answered, or asks first."""
        plan = ", ".join(step.label for step in result.steps) or "none"
        reason = f"answered by {result.bundle_id}, plan: {plan}"
        spoken = current.decision.utterance
        asks = bool(result.steps) and self._owner.get_parameter("ask_unsure_plans").value
        if asks and not self._clauses.says(spoken.text, result.steps):  # the cloud's word alone moves nothing
            language = spoken.answer_language
            question = clarify.PlanQuestion(current.decision, result.steps, language, Source.CLOUD, result.reply)
            self._question = question, time.monotonic()
            self._reply(current, question.text(self._skills), language, final=True)
            self._close(current, Route.REMOTE, f"{reason}; asked the speaker first")
            return
        if result.reply:
            self._reply(current, result.reply, result.language, final=True)
        self._send_plan(spoken, result.steps, Source.CLOUD)
        self._close(current, Route.REMOTE, reason)

    def _do_without(self, current: _Open, sentences: Mapping[str, str]) -> None:
        """No cloud can tell: asks the speaker, or says so when there is nothing to choose from."""
        language, reason = current.decision.utterance.answer_language, self._state
        question: clarify.Question | clarify.PlanQuestion | None
        if steps := self._clauses.plan(current.decision.utterance.text, cutting=False).steps:
            question = clarify.PlanQuestion(current.decision, steps, language, Source.EDGE)
            reason += f"; asked the speaker: {', '.join(step.label for step in steps)}?"
        elif question := clarify.question(current.decision, language, self._skills):
            reason += f"; asked the speaker: {' / '.join(question.labels)}?"
        if question is not None:
            self._question = question, time.monotonic()
        text = question.text(self._skills) if question else sentences[language]
        self._reply(current, text, language, final=True)
        self._close(current, Route.IGNORE, reason)

    def _send_plan(self, utterance: Utterance, steps: Iterable[Step], source: Source) -> None:
        """Every step at once; skill_node begins each when the one before it has succeeded."""
        for i, step in enumerate(steps):
            command = msg.SkillCommand(
                header=Header(stamp=self._owner.now()),
                utterance_id=utterance.utterance_id,
                session_id=utterance.session_id,
                language=utterance.answer_language,
                label=step.label,
                slots=slots_to_msg(step.slots),
                source=source.value,
                step=i,
            )
            self._owner.publish(interfaces.SKILL_COMMAND, command)

    def _reply(self, current: _Open, text: str, language: str, final: bool) -> None:
        header, utterance_id = Header(stamp=self._owner.now()), current.decision.utterance.utterance_id
        reply = msg.Reply(header=header, utterance_id=utterance_id, text=text, language=language, final=final)
        self._owner.publish(interfaces.REPLY, reply)

    def _close(self, current: _Open, route: Route, reason: str) -> None:
        """The second intent of the utterance."""
        waited_ms = (time.perf_counter() - current.began) * 1e3
        self._latency_ms = f"{waited_ms:.0f}"
        latency_ms = current.decision.latency_ms + waited_ms
        outcome = replace(current.decision, route=route, reason=reason, source=Source.CLOUD, latency_ms=latency_ms)
        self._owner.announce(outcome)
