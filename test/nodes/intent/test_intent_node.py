"""intent_node in this process, over real DDS with the shipped bundle: hearing, logging, life cycle."""

from __future__ import annotations

import errno
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ear import Ear, ScriptedCloud
from support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from rclpy.qos import QoSProfile
from std_msgs.msg import Header, String

from shadow_intent import msg
from shadow_intent.cloud.plan import Step
from shadow_intent.errors import ShadowIntentError
from shadow_intent.event_log import RotatingLog, read_events
from shadow_intent.intent import NO_SLOTS
from shadow_intent.nodes import interfaces, recorder
from shadow_intent.nodes.convert import stamp_from_ns
from shadow_intent.nodes.params import IntentParams

SECOND = 1_000_000_000


def test_a_routine_command_becomes_an_intent(ear: Callable[..., Ear]) -> None:
    (intent,) = ear().say("go forward two metres").intents
    assert (intent.decision, intent.label, intent.source) == ("skill", "move_forward", "edge")
    assert intent.slots.distance_m == 2.0 and math.isnan(intent.slots.angle_deg)
    assert intent.text == "go forward two metres" and intent.utterance_id
    assert 0.0 < intent.latency_ms < 1000.0


def test_a_plain_text_is_heard_too(ear: Callable[..., Ear]) -> None:
    made = ear()
    publisher = made.witness.create_publisher(String, "voice_text", QoSProfile(depth=10))
    wait_for(publisher.get_subscription_count)
    publisher.publish(String(data="坐下"))
    wait_for(lambda: made.intents)
    assert (made.intents[0].label, made.intents[0].decision) == ("sit", "skill")


def test_stop_is_published_while_the_classifier_is_busy(
    ear: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ear()
    busy = made.hold(monkeypatch)
    made.witness.say("sit down")
    wait_for(lambda: made.node.classifier.waiting)
    (intent,) = made.say("stop").intents
    assert (intent.label, intent.source, intent.decision) == ("stop", "stop", "skill")
    busy.set()


def test_more_utterances_than_can_wait_drop_the_oldest(
    ear: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ear()
    busy = made.hold(monkeypatch)
    seen = made.intents
    said = ["sit down", "lie down", "stand up", "turn around", "take a bow", "do a stretch", "turn left"]
    for text in said:
        made.witness.say(text)
        assert made.held.wait(10)
    wait_for(lambda: len(seen) == 2)  # the first is in work, four wait
    assert [i.text for i in seen] == said[1:3]
    assert {(i.decision, i.reason) for i in seen} == {("ignore", "4 newer utterances wait for the classifier")}
    busy.set()
    wait_for(lambda: len(seen) == 7)
    assert [i.text for i in seen[2:]] == said[:1] + said[3:]


@pytest.mark.parametrize(
    ("seconds", "reason"), [(-20.0, "stale: "), (60.0, "in the future"), (-1e9, "stale"), (3e8, "in the future")]
)
def test_a_command_from_another_time_is_ignored(ear: Callable[..., Ear], seconds: float, reason: str) -> None:
    stamp = stamp_from_ns(time.time_ns() + int(seconds * SECOND))
    intent = ear().publish(header=Header(stamp=stamp), text="sit down", asr_confidence=math.nan)
    assert intent.decision == "ignore" and reason in intent.reason
    assert intent.header.stamp == stamp


def test_how_old_a_command_may_be_changes_at_run_time(ear: Callable[..., Ear]) -> None:
    made = ear()
    command = {"header": Header(stamp=stamp_from_ns(time.time_ns() - 5 * SECOND)), "text": "sit down"}
    assert made.publish(**command).decision == "skill"
    made.set(max_command_age_s=3.0)
    assert "stale" in made.publish(**command).reason


def test_a_stop_from_another_time_still_stops(ear: Callable[..., Ear]) -> None:
    intent = ear().publish(header=Header(stamp=stamp_from_ns(SECOND)), text="stop")
    assert (intent.decision, intent.label, intent.reason) == ("skill", "stop", "matched stop phrase: stop")


def test_a_message_left_at_its_defaults_is_taken_as_spoken_now(ear: Callable[..., Ear]) -> None:
    made = ear()
    intent = made.publish(text="sit down")
    assert (intent.decision, intent.label) == ("skill", "sit")
    assert re.fullmatch(r"p = [01]\.\d+ ≥ 0\.\d+", intent.reason)
    wait_for(lambda: "intent" in [e.topic for e in made.events()])
    logged = next(e for e in made.events() if e.topic == "intent")
    assert logged.fields["reason"] == intent.reason


@pytest.mark.parametrize(
    ("confidence", "reason"),
    [(math.inf, "asr_confidence is inf"), (-1.0, "expected \\[0, 1\\]"), (7.0, "is 7"), (0.1, "0.10 < 0.30")],
)
def test_a_doubtful_confidence_is_ignored(ear: Callable[..., Ear], confidence: float, reason: str) -> None:
    intent = ear().publish(text="sit down", asr_confidence=confidence)
    assert intent.decision == "ignore"
    assert reason.replace("\\", "") in intent.reason


@pytest.mark.parametrize("text", ["", "  ", "\n\t", "…", "sit " * 2500, "\x01\x02"])
def test_debris_is_ignored_with_a_reason(ear: Callable[..., Ear], text: str) -> None:
    intent = ear().publish(text=text)
    assert intent.decision == "ignore" and intent.reason


def test_everything_is_in_the_log(ear: Callable[..., Ear], cloud: ScriptedCloud) -> None:
    cloud.steps = (Step("sit", NO_SLOTS),)
    made = ear(cloud_address=cloud.address, ask_unsure_plans=False)
    story = made.say("why is the sky blue")
    wait_for(lambda: story.closing and story.commands and story.said)
    status = interfaces.SKILL_STATUS.publisher(made.witness)
    wait_for(status.get_subscription_count)
    status.publish(msg.SkillStatus(label="sit", state="succeeded"))
    topics = ["intent", "voice_command", "reply", "skill_command", "intent", "skill_status"]
    wait_for(lambda: sorted(e.topic for e in made.events()) == sorted(topics))
    made.witness.change_state("intent_node", Transition.TRANSITION_DEACTIVATE)
    made.witness.change_state("intent_node", Transition.TRANSITION_CLEANUP)
    (folder,) = made.logs.iterdir()
    assert (folder / "metadata.yaml").is_file()


def test_redaction_keeps_the_words_in_the_room(ear: Callable[..., Ear], cloud: ScriptedCloud) -> None:
    made = ear(cloud_address=cloud.address, redact_text=True)
    story = made.say("why is the sky blue")
    wait_for(lambda: story.closing and story.said)
    assert [i.text for i in story.intents] == ["", ""]
    assert story.said == ["Fine."]
    wait_for(lambda: len(made.events()) == 4)
    assert {e.fields["text"] for e in made.events()} == {""}


def test_only_an_active_node_listens(ear: Callable[..., Ear]) -> None:
    made = ear()
    made.witness.change_state("intent_node", Transition.TRANSITION_DEACTIVATE)
    story = made.witness.say("sit down")
    time.sleep(0.3)
    assert not story.intents
    made.witness.change_state("intent_node", Transition.TRANSITION_ACTIVATE)
    assert made.say("sit down").intents[0].label == "sit"


def test_what_waits_for_the_classifier_at_deactivation_is_told_and_logged(
    ear: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ear()
    busy = made.hold(monkeypatch)
    for text in ("sit down", "turn left", "wave"):
        made.witness.say(text)
    wait_for(lambda: made.node.classifier.waiting == 3)
    made.witness.change_state("intent_node", Transition.TRANSITION_DEACTIVATE)
    wait_for(lambda: len(made.intents) == 3)
    assert {intent.reason for intent in made.intents} == {"overtaken by deactivation"}
    busy.set()
    made.witness.change_state("intent_node", Transition.TRANSITION_CLEANUP)
    made.witness.activate("intent_node")
    wait_for(made.witness.ready, 20)
    assert made.say("sit down").intents[0].label == "sit"


def test_it_can_be_configured_again(ear: Callable[..., Ear]) -> None:
    made = ear()
    made.witness.change_state("intent_node", Transition.TRANSITION_DEACTIVATE)
    made.witness.change_state("intent_node", Transition.TRANSITION_CLEANUP)
    made.witness.activate("intent_node")
    wait_for(made.witness.ready)
    assert made.say("sit down").intents[0].label == "sit"
    assert len(list(made.logs.iterdir())) == 2


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"bundle": "/absent"}, "/absent"),
        ({"threads": 99}, "threads"),
        ({"bravery": 1}, "bravery: unknown"),
        ({"log_directory": "/dev/null/log"}, "/dev/null/log"),
        ({"log_file_mb": 2001}, "log_file_mb: expected log_total_mb, 2000, at most"),
        ({"cloud_ca_file": "/absent.pem"}, "cloud_ca_file: /absent.pem cannot be read"),
        ({"cloud_key_file": "/absent.key"}, "cloud_certificate_file and cloud_key_file: give both or neither"),
    ],
)
def test_a_wrong_parameter_keeps_it_unconfigured_and_is_named(
    ear: Callable[..., Ear], capfd: pytest.CaptureFixture[str], parameters: dict[str, Any], words: str
) -> None:
    made = ear(activate=False, **parameters)
    with pytest.raises(ShadowIntentError, match="refused to change its state"):
        made.witness.change_state("intent_node", Transition.TRANSITION_CONFIGURE)
    assert words in capfd.readouterr().err


def test_diagnostics_name_the_bundle_and_the_state_of_the_cloud(ear: Callable[..., Ear]) -> None:
    made = ear()
    seen: list[DiagnosticArray] = []
    interfaces.DIAGNOSTICS.subscribe(made.witness, seen.append)
    story = made.say("why is the sky blue")
    wait_for(lambda: story.closing)
    seen.clear()
    wait_for(lambda: len(seen) > 1)
    (status,) = seen[-1].status
    values = {pair.key: pair.value for pair in status.values}
    assert status.level == b"\x01" and status.name == "/intent_node: intents"
    assert values["cloud"].startswith("CloudUnavailable") and len(values["bundle"]) == 12
    assert float(values["latency_p50_ms"]) > 0
    assert (values["waiting"], values["dropped"], values["cloud_link"]) == ("0", "0", "plaintext")
    assert values["model"].endswith(" MiB") and values["active"] == "True"


def test_every_node_reports_once_a_second(
    robot: Callable[..., Any], skills: Callable[..., Any], ear: Callable[..., Ear]
) -> None:
    robot(), skills()
    made = ear(diagnostics_hz=IntentParams().diagnostics_hz)
    stamps: dict[str, list[float]] = {}

    def keep(message: DiagnosticArray) -> None:
        stamp = message.header.stamp
        stamps.setdefault(message.status[0].name.partition(":")[0], []).append(stamp.sec + stamp.nanosec / SECOND)

    interfaces.DIAGNOSTICS.subscribe(made.witness, keep)
    wait_for(lambda: len(stamps) == 3 and all(len(times) > 3 for times in stamps.values()), 20)
    assert set(stamps) == {"/intent_node", "/skill_node", "/stop_node"}
    for times in stamps.values():
        assert statistics.median(b - a for a, b in pairwise(times)) == pytest.approx(1.0, abs=0.2)


def test_a_full_disk_ends_the_log_and_not_the_node(
    ear: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = ear()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(made.node.recorder.log, "append", full)
    assert made.say("sit down").decision.label == "sit"
    assert made.say("stop").decision.label == "stop"
    assert capfd.readouterr().err.count("nothing more is logged") == 1


def test_on_a_full_disk_it_listens_and_warns_that_nothing_is_logged(
    ear: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RotatingLog, "begin", full)
    made = ear()
    seen: list[DiagnosticArray] = []
    interfaces.DIAGNOSTICS.subscribe(made.witness, seen.append)
    assert made.say("sit down").decision.label == "sit"
    wait_for(lambda: seen)
    (status,) = seen[-1].status
    assert status.level == b"\x01" and status.message.startswith("nothing more is logged: [Errno 28] No space left")
    made.witness.change_state("intent_node", Transition.TRANSITION_DEACTIVATE)
    made.witness.change_state("intent_node", Transition.TRANSITION_CLEANUP)


def test_the_log_goes_on_in_a_new_folder_when_its_file_is_full(
    ear: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MB", 1000)
    made = ear(log_file_mb=10, log_total_mb=1000)
    for _ in range(8):
        made.say("stop")
    made.node.close()
    logs = [list(read_events(folder)) for folder in made.logs.iterdir()]
    assert len(logs) > 1
    assert sum(event.topic == "intent" for log in logs for event in log) == 8


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_well(domain: int, number: signal.Signals, tmp_path: Path) -> None:
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    command = [sys.executable, "-m", "shadow_intent.nodes.intent_node"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        status = Path(f"/proc/{process.pid}/status")
        wait_for(lambda: int(status.read_text().split("SigCgt:")[1].split()[0], 16) >> (signal.SIGTERM - 1) & 1)
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stderr is not None and process.stderr.read() == b""
