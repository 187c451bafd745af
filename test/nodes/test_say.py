"""`shadow-intent say`: whose story it tells, and what it says it still waits for."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from shadow_intent import msg
from shadow_intent.nodes.witness import Story, Witness

MOVE = msg.Intent(utterance_id="u", decision="skill", label="move_forward", source="edge")
OPEN = msg.Intent(utterance_id="u", decision="remote", label="remote", source="edge")
ANSWERED = msg.Intent(utterance_id="u", decision="remote", label="remote", source="cloud")
PLAN = [msg.SkillCommand(label="sit", step=1), msg.SkillCommand(label="hello", step=2)]


def status(label: str, state: str) -> msg.SkillStatus:
    return msg.SkillStatus(utterance_id="u", label=label, state=state)


@pytest.mark.parametrize(
    ("intents", "commands", "statuses", "awaited"),
    [
        ([], [], [], "intent_node's decision"),
        ([OPEN], [], [], "the cloud's answer"),
        ([OPEN, ANSWERED], [], [], ""),
        ([OPEN, ANSWERED], PLAN, [status("sit", "succeeded")], "skill_node's word on how this ends: hello"),
        ([MOVE], [], [status("move_forward", "running")], "skill_node's word on how this ends: move_forward"),
        ([MOVE], [], [status("move_forward", "refused")], ""),
    ],
)
def test_an_unfinished_story_says_who_has_not_spoken(intents, commands, statuses, awaited):
    assert Story("go", 0, intents=intents, commands=commands, statuses=statuses).awaited == awaited


def test_what_still_runs_is_named(ros):
    witness = ros(Witness)
    witness._on_status(msg.SkillStatus(utterance_id="before", label="spin", state="running"))
    over = Story("hi", 0, intents=[MOVE], statuses=[status("move_forward", "succeeded")])
    assert not witness.over(over) and witness.awaited(over) == "the end of what still runs: spin"


def test_of_several_robots_one_is_spoken_to(ros):
    witness = ros(Witness, namespace="rex", robot_prefix="/rex")
    names = {name for name, _ in witness.get_publisher_names_and_types_by_node("witness", "/rex")}
    names |= {name for name, _ in witness.get_subscriber_names_and_types_by_node("witness", "/rex")}
    assert {"/rex/voice_command", "/rex/intent", "/rex/api/sport/request"} <= names
    assert "/api/sport/request" not in names
    for node in ("/fido/intent_node", "/intent_node", "/rex/intent_node"):
        values = [KeyValue(key="active", value=node)]
        witness._on_diagnostics(DiagnosticArray(status=[DiagnosticStatus(name=f"{node}: intents", values=values)]))
    witness._on_diagnostics(DiagnosticArray(status=[DiagnosticStatus(name="/fido/skill_node: robot")]))
    assert list(witness._diagnosed) == ["intents"] and witness._diagnosed["intents"]["active"] == "/rex/intent_node"
