"""intent_node: what is heard becomes an intent, and an open request a conversation with the cloud.

Everything is published from the node's own thread, which never waits: the classifier works in one thread beside it,
gRPC in others, and both hand their results back through `_post`. So a spoken stop, matched in the subscription itself,
is out before anything else that is going on.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.exceptions import InvalidHandle
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Header, String

from shadow_intent import msg
from shadow_intent.bundle import Bundle
from shadow_intent.errors import ShadowIntentError
from shadow_intent.event_log import EventLog, run_folder
from shadow_intent.intent import MAX_UTTERANCE_CHARS, Decision, Route, Utterance
from shadow_intent.nodes import interfaces, priority
from shadow_intent.nodes.conversation import Conversations
from shadow_intent.nodes.params import IntentParams, Parameters
from shadow_intent.nodes.run import run
from shadow_intent.nodes.utterances import ignored, intent_to_msg, refusal, reply_of, utterance_of, voice_command
from shadow_intent.pipeline import Pipeline, hear_stop
from shadow_intent.skills import load_skills

MAX_WAITING = 4
"""Utterances that may wait for the classifier; beyond them the oldest is ignored. A speaker never gets there."""
DEFAULT_LOG = "~/.ros/shadow_intent"
PUBLISHED = (interfaces.INTENT, interfaces.REPLY, interfaces.SKILL_COMMAND, interfaces.DIAGNOSTICS)
RECORDED = (interfaces.REPLY, interfaces.SKILL_COMMAND, interfaces.SKILL_STATUS)
"""What other nodes publish too, so it is logged as it is heard."""
CLOSE_S = 2.0
"""How long the end of the process waits for the node's thread, seconds."""
LATENCIES = 200
"""Decisions the median latency is taken over."""


class IntentNode(LifecycleNode):
    """The lifecycle node. Utterances are accepted only while it is active."""

    def __init__(self, **options: Any) -> None:
        """`options` go to rclpy's Node."""
        super().__init__("intent_node", automatically_declare_parameters_from_overrides=True, **options)
        self._declared = Parameters(self, IntentParams)
        self._posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._arrival = self.create_guard_condition(self._run_posted)
        self._waiting: deque[tuple[Utterance, Future[Decision]]] = deque()
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._entities: list[tuple[Any, Any]] = []
        self._active = False

    def close(self) -> None:
        """Lets go of everything, in the node's own thread."""
        closed = Event()
        self.post(self._release)
        self.post(closed.set)
        closed.wait(CLOSE_S)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads bundle and classifier, opens the log; fails, naming the reason, when something is wrong."""
        try:
            values, skills = self._declared.read(), load_skills()
            self._bundle = Bundle.load(values.bundle)
            self._pipeline = Pipeline.from_bundle(self._bundle, skills, values.threads)
            folder = Path(values.log_directory or DEFAULT_LOG).expanduser()
            self._log = EventLog(run_folder(folder), values.redact_text, self.get_namespace())
        except ShadowIntentError as error:
            self.get_logger().error(f"cannot configure: {error}")
            return TransitionCallbackReturn.FAILURE
        self._redact = values.redact_text
        self._conversations = Conversations(self, values.cloud_address, skills)
        self._classifier = ThreadPoolExecutor(1, "classifier", priority.yield_to_others)
        self._outlets = {topic.name: topic.publisher(self) for topic in PUBLISHED}
        subscriptions = (
            interfaces.VOICE_COMMAND.subscribe(self, self._on_voice_command),
            interfaces.VOICE_TEXT.subscribe(self, self._on_voice_text),
            *(topic.subscribe(self, partial(self._record, topic.name)) for topic in RECORDED),
        )
        timer = self.create_timer(1.0 / values.diagnostics_hz, self._diagnose)
        self._entities = [(self.destroy_publisher, publisher) for publisher in self._outlets.values()]
        self._entities += [(self.destroy_subscription, s) for s in subscriptions] + [(self.destroy_timer, timer)]
        self.get_logger().info(f"bundle {self._bundle.bundle_id}, log {self._log.folder}")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Utterances are accepted from now on."""
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Utterances are dropped from now on, and so is what the cloud still says."""
        self._active = False
        self._conversations.overtake("overtaken by deactivation")
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured; the log is complete."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """The same."""
        return self.on_cleanup(state)

    def _release(self) -> None:
        """Ends conversation, classifier and log. Nothing to do for a node that is not configured."""
        self._active = False
        if self._entities:
            self._conversations.close()
            self._classifier.shutdown(cancel_futures=True)
            self._log.close()
        for destroy, entity in self._entities:
            destroy(entity)
        self._entities = []

    # For the other threads, and for `Conversations`

    def post(self, action: Callable[[], None]) -> None:
        """Has the node's thread run `action`; any thread. Too late once the node is destroyed."""
        self._posted.put(action)
        with suppress(InvalidHandle):
            self._arrival.trigger()

    def _run_posted(self) -> None:
        while not self._posted.empty():
            self._posted.get()()

    def publish(self, topic: interfaces.Topic, message: Any) -> None:
        """On one of `PUBLISHED`; the node's thread only."""
        self._outlets[topic.name].publish(message)

    def announce(self, decision: Decision) -> None:
        """Publishes a decision as an intent, then logs it."""
        message = intent_to_msg(decision, self._redact)
        self.publish(interfaces.INTENT, message)
        self._record(interfaces.INTENT.name, message)

    # Hearing

    def _on_voice_text(self, message: String) -> None:
        self._on_voice_command(voice_command(message.data))

    def _on_voice_command(self, message: msg.VoiceCommand) -> None:
        if not self._active:
            return
        now_ns = time.time_ns()
        utterance = utterance_of(message, now_ns)
        decision = hear_stop(utterance) if len(utterance.text) <= MAX_UTTERANCE_CHARS else None
        decision = decision or refusal(utterance, now_ns, self.get_parameter("max_command_age_s").value)
        if decision is not None:
            self._act_on(decision)
        else:
            self._classify(utterance)
        self._record(interfaces.VOICE_COMMAND.name, message)

    def _classify(self, utterance: Utterance) -> None:
        """Queues for the classifier; the newest utterances win."""
        self._waiting = deque((u, f) for u, f in self._waiting if not f.done())
        if len(self._waiting) >= MAX_WAITING:
            oldest, future = self._waiting.popleft()
            if future.cancel():
                self._act_on(ignored(oldest, f"{MAX_WAITING} newer utterances wait for the classifier"))
        future = self._classifier.submit(self._pipeline.hear, utterance)
        self._waiting.append((utterance, future))
        future.add_done_callback(lambda done: self.post(partial(self._classified, done)))

    def _classified(self, future: Future[Decision]) -> None:
        if self._active and not future.cancelled():
            decision = future.result()
            self._latencies.append(decision.latency_ms)
            self._act_on(self._conversations.heard(decision, self.get_parameter("clarify_window_s").value))

    def _act_on(self, decision: Decision) -> None:
        """A command ends the conversation before it, an open request begins one."""
        self.announce(decision)
        if decision.reply:
            self.publish(interfaces.REPLY, reply_of(decision))
        if decision.route is not Route.IGNORE:
            self._conversations.overtake(f"overtaken by {decision.label}")
        if decision.route is Route.REMOTE:
            self._conversations.begin(decision, self.get_parameter("cloud_deadline_s").value)

    def _record(self, topic: str, message: Any) -> None:
        """Logs; of a reply only its complete text. A full disk ends the log, not the node."""
        if isinstance(message, msg.Reply) and not message.final:
            return
        try:
            self._log.append(topic, message, time.time_ns())
        except OSError as error:
            self.get_logger().error(f"nothing more is logged: {error}")

    def _diagnose(self) -> None:
        """REP 107: one status, warning when the cloud failed last time."""
        cloud = self._conversations.state
        healthy = cloud in ("answered", "off", "not asked yet")
        values = {
            "active": self._active,
            "bundle": self._bundle.bundle_id,
            "intent_listeners": self._outlets[interfaces.INTENT.name].get_subscription_count(),
            "latency_p50_ms": f"{statistics.median(self._latencies):.2f}" if self._latencies else "",
            "waiting": sum(not future.done() for _, future in self._waiting),
            "cloud": cloud,
            "log": self._log.folder,
        }
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK if healthy else DiagnosticStatus.WARN,
            name=f"{self.get_fully_qualified_name()}: intents",
            message="listening" if healthy else cloud,
            hardware_id="go2",
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        header = Header(stamp=self.get_clock().now().to_msg())
        self.publish(interfaces.DIAGNOSTICS, DiagnosticArray(header=header, status=[status]))


def main() -> int:
    """Entry point of the executable."""
    return run(IntentNode)


if __name__ == "__main__":
    sys.exit(main())
