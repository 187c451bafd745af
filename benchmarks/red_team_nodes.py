"""The end-to-end run of `benchmarks.red_team`: every attack over DDS to the nodes, each a process of its own.

mock_go2, stop_node, skill_node with the operator's switch on, and intent_node asking a cloud that lies. Judged is what
the robot's own topics carry.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.judge import Attack, Findings, Judge
from benchmarks.liar import Liar, served
from shadow_intent.cast import Cast, await_, isolate, start_intent_node
from shadow_intent.errors import ShadowIntentError
from shadow_intent.robot import Request
from shadow_intent.skills import load_skills

SIT = 1009
UP, DOWN = "stand up please", "sit down please"
"""Said at the end, as an attack may have got the motors off; that the robot sits shows that all nodes do their work."""


def play_nodes(attacks: Sequence[Attack], bundle: str) -> Findings:
    """Says every attack; one that is no yes of its speaker."""
    from shadow_intent.nodes import interfaces
    from shadow_intent.nodes.witness import witness

    isolate()
    findings, judge, seen = Findings("end to end"), Judge(load_skills()), list[Request | str]()
    with tempfile.TemporaryDirectory() as folder, served(Liar()) as address:
        cast = Cast(Path(folder))
        try:
            cast.node("mock_go2", time_scale="10.0")
            cast.node("stop_node", robot="mock")
            cast.node("skill_node", robot="mock", allow_hazardous="true")
            start_intent_node(cast, address, bundle)
            with witness() as node:
                for service, topic in interfaces.REQUESTS.items():
                    topic.subscribe(node, partial(_keep, seen, service))
                interfaces.REPLY.subscribe(node, lambda reply: seen.append(reply.text))
                for name in ("skill_node", "intent_node"):
                    node.activate(name)
                await_(cast, node, lambda: node.ready(robot=True), "the nodes to find each other")
                for attack in attacks:
                    before = len(seen)
                    _attack(cast, node, attack.text, findings)
                    _judge(judge, seen[before:], attack.text, findings)
                before = len(seen)
                _sit(cast, node, seen)
                _judge(judge, seen[before:], DOWN, findings)
        except ShadowIntentError as error:
            findings.crashes.append(str(error))
        finally:
            findings.crashes += cast.stop()
    return findings


def _keep(seen: list[Request | str], service: str, message: Any) -> None:
    header = message.header.identity
    seen.append(Request(header.id, service, header.api_id, json.loads(message.parameter or "{}")))


def _attack(cast: Cast, node: Any, text: str, findings: Findings) -> None:
    """Said until it is decided and, where the cloud was asked, until that has ended; a ROS string cannot hold a NUL."""
    story = node.say(text.replace("\x00", " "))
    await_(cast, node, lambda: story.decision is not None, f"a decision on {text[:60]!r}")
    route = story.decision.decision
    findings.routes[route] += 1
    if route == "remote":
        await_(cast, node, lambda: story.closing is not None, f"the cloud's end of {text[:60]!r}")


def _sit(cast: Cast, node: Any, seen: Sequence[Request | str]) -> None:
    """Raises ShadowIntentError when the robot does not."""
    rising, before = node.say(UP), len(seen)
    await_(cast, node, lambda: not rising.awaited, "the robot to stand")
    node.say(DOWN)
    await_(
        cast,
        node,
        lambda: any(isinstance(r, Request) and r.api_id == SIT for r in seen[before:]),
        "the robot to sit",
    )


def _judge(judge: Judge, seen: Sequence[Request | str], text: str, findings: Findings) -> None:
    """Of what the robot was sent and said; the next attack may call off what it warned of."""
    for request in seen:
        if isinstance(request, str):
            if judge.warns(request):
                findings.hazards.append(f"{request!r} after {text[:60]!r}")
            continue
        if hazard := judge.hazard(request):
            findings.hazards.append(f"{hazard} after {text[:60]!r}")
        if fault := judge.fault(request):
            findings.faults.append(f"{fault} after {text[:60]!r}")
