"""intent_node: what is heard becomes an intent, and an open request a conversation with the cloud.

Everything is published from the node's own thread, which never waits: the classifier works in one thread beside it,
gRPC in others, and both hand their results back through an `Inbox`. So a spoken stop, matched in the subscription
itself, is out before anything else that is going on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Time
from std_msgs.msg import String

from shadow_intent import memory, msg
from shadow_intent.bundle import Bundle
from shadow_intent.clauses import ClauseReader
from shadow_intent.gate import takes_fast_path
from shadow_intent.intent import Decision, Route, Utterance
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.classifier_thread import MAX_WAITING, ClassifierThread
from shadow_intent.nodes.conversation import Conversations
from shadow_intent.nodes.diagnose import diagnostics
from shadow_intent.nodes.inbox import Inbox
from shadow_intent.nodes.last_stop import LastStop
from shadow_intent.nodes.managed import ManagedNode
from shadow_intent.nodes.params import IntentParams
from shadow_intent.nodes.recorder import Recorder
from shadow_intent.nodes.run import run
from shadow_intent.nodes.utterances import (
    ignored,
    intent_to_msg,
    refusal,
    reply_of,
    stop_command,
    utterance_of,
    voice_command,
)
from shadow_intent.pipeline import Pipeline, hear_stop
from shadow_intent.route import STOP
from shadow_intent.skills import load_skills

OVERTAKEN = "overtaken by a stop"
PUBLISHED = (interfaces.INTENT, interfaces.REPLY, interfaces.SKILL_COMMAND, interfaces.DIAGNOSTICS)


class IntentNode(ManagedNode[IntentParams]):
    """The lifecycle node. Utterances are accepted only while it is active."""

    def __init__(self, **options: Any) -> None:
        """`options` go to rclpy's Node."""
        super().__init__("intent_node", IntentParams, **options)
        self._inbox = Inbox(self)
        self.post = self._inbox.post
        """For the other threads."""

    def close(self) -> None:
        """Lets go of everything, in the node's own thread."""
        self._inbox.finish(self.release)

    def set_up(self, values: IntentParams) -> None:
        """Loads bundle and classifier, opens the log."""
        skills = load_skills()
        self._bundle = Bundle.load(values.bundle)
        pipeline = Pipeline.from_bundle(self._bundle, skills, values.threads)
        self._conversations = Conversations.of(self, values, skills, ClauseReader(pipeline, skills))
        self.recorder = Recorder(self, self.entities, values)
        self._redact = values.redact_text
        self.classifier = ClassifierThread(pipeline, self._decided, self._dropped, self.post)
        self._outlets = {topic.name: self.entities.publisher(topic) for topic in PUBLISHED}
        self._last_stop = LastStop()
        self.entities.subscribe(interfaces.STOP_STATE, self._on_stop_state)
        self.entities.subscribe(interfaces.REPLY, self._conversations.said)
        self.entities.subscribe(interfaces.VOICE_COMMAND, self._on_voice_command)
        self.entities.subscribe(interfaces.VOICE_TEXT, self._on_voice_text)
        self.entities.timer(values.diagnostics_hz, self._diagnose)
        certificate = self._bundle.manifest.certificate
        shown = f"bundle {self._bundle.bundle_id}: {certificate.get('reason', 'no certificate')}"
        if certificate.get("valid"):
            self.get_logger().info(f"{shown}; log {self.recorder.log.folder}")
        else:
            self.get_logger().warning(f"{shown}; skills are left to the cloud; log {self.recorder.log.folder}")

    def stand_down(self) -> None:
        """What the cloud still says is dropped, and what waits for the classifier."""
        self._overtake("overtaken by deactivation")

    def let_go(self) -> None:
        """Ends conversation and classifier; the log is complete."""
        for name in ("_conversations", "classifier"):
            if part := self.__dict__.pop(name, None):  # and with them goes the model
                part.close()
        memory.give_back()
        if recorder := getattr(self, "recorder", None):
            recorder.close()

    def now(self) -> Time:
        """ROS time."""
        return self.get_clock().now().to_msg()

    def publish(self, topic: interfaces.Topic, message: Any) -> None:
        """On one of `PUBLISHED`; the node's thread only."""
        if topic is interfaces.REPLY:
            self._conversations.said(message)  # before anybody can have heard it
        self._outlets[topic.name].publish(message)

    def announce(self, decision: Decision) -> None:
        """Logs a decision, then publishes it as an intent: what anybody saw is in the log, whatever happens next."""
        message = intent_to_msg(decision, self._redact)
        self.recorder.record(interfaces.INTENT.name, message)
        self.publish(interfaces.INTENT, message)

    def _on_voice_text(self, message: String) -> None:
        self._on_voice_command(voice_command(message.data, self.now()))

    def _on_voice_command(self, message: msg.VoiceCommand) -> None:
        if not self.active:
            return
        self.recorder.record(interfaces.VOICE_COMMAND.name, message)
        now_ns = self.get_clock().now().nanoseconds
        utterance = utterance_of(message, now_ns)
        found, stopped = hear_stop(utterance)
        decision = stopped or refusal(utterance, now_ns, self.get_parameter("max_command_age_s").value)
        if decision is None and self._last_stop.follows(utterance, now_ns):
            decision = ignored(utterance, "said before a stop")
        if decision is not None:
            self._act_on(decision)
        if found:
            self._last_stop.own(utterance, now_ns)
            self._overtake(OVERTAKEN)
        if decision is None:
            self.classifier.add(utterance)

    def _on_stop_state(self, message: msg.StopState) -> None:
        now_ns = self.get_clock().now().nanoseconds
        if self._last_stop.told(message, now_ns):
            self._overtake(OVERTAKEN, lambda utterance: self._last_stop.follows(utterance, now_ns))

    def _overtake(self, reason: str, which: Callable[[Utterance], bool] = lambda utterance: True) -> None:
        """Nothing of `which` that was said before is done after."""
        self._conversations.overtake(reason, which)
        for utterance in self.classifier.overtake(which):
            self._act_on(ignored(utterance, reason))

    def _dropped(self, utterance: Utterance) -> None:
        self._act_on(ignored(utterance, f"{MAX_WAITING} newer utterances wait for the classifier"))

    def _decided(self, decision: Decision) -> None:
        if self.active:
            self._act_on(self._conversations.heard(decision, self.get_parameter("clarify_window_s").value))

    def _act_on(self, decision: Decision) -> None:
        """A command ends the conversation before it, an open request begins one. What may be a stop stops first."""
        unsure_stop = decision.route is Route.REMOTE and STOP in (decision.label, *decision.alternatives)
        if unsure_stop or (decision.route is Route.SKILL and takes_fast_path(decision.label)):
            self._last_stop.own(decision.utterance, self.get_clock().now().nanoseconds)
        if unsure_stop:
            self.publish(interfaces.SKILL_COMMAND, stop_command(decision.utterance, self.now()))
        self.announce(decision)
        if decision.reply:
            self.publish(interfaces.REPLY, reply_of(decision, self.now()))
        if decision.route is not Route.IGNORE:
            self._conversations.overtake(f"overtaken by {decision.label}")
        if decision.route is Route.REMOTE:
            self._conversations.begin(decision, self.get_parameter("cloud_deadline_s").value)

    def _diagnose(self) -> None:
        """Warns when nothing is logged, or the cloud failed last time."""
        values = {
            "active": self.active,
            "bundle": self._bundle.bundle_id,
            "model": f"{self._bundle.model_path.name}, {self._bundle.model_path.stat().st_size / 2**20:.1f} MiB",
            "intent_listeners": self._outlets[interfaces.INTENT.name].get_subscription_count(),
            **self.classifier.values(),
            **self._conversations.values(),
            "log": self.recorder.log.folder,
        }
        problem = self.recorder.problem or self._conversations.problem
        status = diagnostics(self, "intents", problem, "listening", values)
        self.publish(interfaces.DIAGNOSTICS, status)


def main() -> int:
    """Entry point of the executable."""
    return run(IntentNode)


if __name__ == "__main__":
    sys.exit(main())
