"""The guard as a table: what becomes of a job in each stage when each thing happens, and what the robot is sent."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from scene import DAMPED, FALLEN, LOCKED, LYING, SITTING, STANDING, Scene
from scene import TABLE as SKILLS

from shadow_intent.intent import Slots
from shadow_intent.jobs import MAX_JOBS, Command, Stage, Status
from shadow_intent.robot import Request, RobotState
from shadow_intent.speech import SENTENCES


def asked() -> Scene:
    return Scene(allow_hazardous=True).hear("back_flip", "u", session_id="ann")


def preparing() -> Scene:
    return Scene(LYING).hear("move_forward", "u")


def sent() -> Scene:
    return Scene().hear("hello", "u")


def acting() -> Scene:
    return Scene().hear("hello", "u").answer(0)


def moving() -> Scene:
    return Scene().hear("move_forward", "u", slots=Slots(distance_m=5.0)).wait(0.5)


def stopping() -> Scene:
    scene = Scene().hear("move_forward", "u", slots=Slots(distance_m=0.2)).wait(0.5)
    scene.state = RobotState(x=0.2)
    return scene.wait(0.05, answer=None)


STAGES: dict[str, Callable[[], Scene]] = {
    "ASKED": asked,
    "PREPARING": preparing,
    "SENT": sent,
    "ACTING": acting,
    "MOVING": moving,
    "STOPPING": stopping,
}


def state(new: RobotState | None, seconds: float = 0.1) -> Callable[[Scene], object]:
    def happen(scene: Scene) -> None:
        scene.state = new
        scene.wait(seconds, answer=None)

    return happen


def spoken(label: str) -> Callable[[Scene], object]:
    """stop_node has sent it already."""
    return lambda s: s.keep(s.guard.stop(Command("x", label), s.now, Request(99, "sport", 1003)))


def touch(scene: Scene) -> None:
    scene.guard.controller(scene.now)
    scene.wait(0.05, answer=None)


def lose_stop_node(scene: Scene) -> None:
    scene.guard.stop_node = lambda now: None  # type: ignore[method-assign]
    scene.wait(0.6, answer=None)


EVENTS: dict[str, Callable[[Scene], object]] = {
    "nothing, for a moment": lambda s: s.wait(0.1, answer=None),
    "the robot agrees": lambda s: s.answer(0),
    "the robot refuses": lambda s: s.answer(3203),
    "nothing, for long": lambda s: s.wait(24.0, answer=None),
    "yes": lambda s: s.hear("affirm", "y", at=s.now + 0.4, session_id="ann"),
    "yes of somebody else": lambda s: s.hear("affirm", "y", at=s.now + 0.4, session_id="bob"),
    "no of somebody else": lambda s: s.hear("deny", "n", at=s.now + 0.1, session_id="bob"),
    "an open request": lambda s: s.keep(s.guard.withdraw(s.now)),
    "a status report": lambda s: s.hear("report_status", "r", at=s.now + 0.1),
    "what cannot be read": lambda s: s.keep(s.guard.reject(Command("x", "hello"), "count = -1", s.now)),
    "an unknown skill": lambda s: s.hear("fly", "x", at=s.now + 0.1),
    "stop": spoken("stop"),
    "damp": spoken("damp"),
    "another motion": lambda s: s.hear("turn_left", "m", at=s.now + 0.1),
    "another motion of somebody else": lambda s: s.hear("turn_left", "m", at=s.now + 0.1, session_id="bob"),
    "a cloud plan": lambda s: s.hear("sit", "p", at=s.now + 0.1, spoken=False),
    "two people at once": lambda s: s.hear("bow", "a", at=s.now + 0.1, session_id="ann").hear(
        "turn_left", "b", at=s.now, session_id="bob"
    ),
    "another gesture": lambda s: s.hear("bow", "g", at=s.now + 0.1),
    "a posture": lambda s: s.hear("sit", "p", at=s.now + 0.1),
    "a light": lambda s: s.hear("light_on", "l", at=s.now + 0.1),
    "the same again": lambda s: s.hear("bow", "a", at=s.now + 0.1).hear("bow", "b", at=s.now + 0.1),
    "the state goes stale": state(None, 0.7),
    "it falls": state(FALLEN),
    "it lies down": state(LYING),
    "its motors go off": state(DAMPED),
    "it stands": state(STANDING),
    "avoidance goes off": lambda s: (s.guard.avoidance(False), s.wait(0.1, answer=None)),
    "the hand controller": touch,
    "stop_node is gone": lose_stop_node,
    "stop_node stopped it": lambda s: s.keep(s.guard.halted(s.now)),
    "stop_node began anew": lambda s: s.keep(s.guard.halted(s.now, began=True)),
    "the node ends": lambda s: s.keep(s.guard.shut_down(s.now)),
    "the clock is set back": lambda s: s.keep(s.guard.clock_set_back(s.now)),
}

STAGE_TABLE = """
                                | ASKED                   | PREPARING                                   | SENT                             | ACTING                           | MOVING                           | STOPPING
nothing, for a moment           | ASKED                   | PREPARING                                   | SENT                             | ACTING                           | MOVING                           | STOPPING
the robot agrees                | ASKED                   | PREPARING                                   | ACTING                           | ACTING                           | MOVING                           | succeeded
the robot refuses               | ASKED                   | refused                                     | refused                          | ACTING                           | MOVING                           | refused StopMove
nothing, for long               | refused                 | timed_out                                   | timed_out StopMove               | succeeded                        | timed_out StopMove               | timed_out StopMove
yes                             | PREPARING               | PREPARING                                   | SENT                             | ACTING                           | MOVING                           | STOPPING
yes of somebody else            | ASKED                   | PREPARING                                   | SENT                             | ACTING                           | MOVING                           | STOPPING
no of somebody else             | refused                 | preempted StopMove                          | preempted StopMove               | preempted StopMove               | preempted StopMove               | preempted StopMove
an open request                 | preempted               | PREPARING                                   | SENT                             | ACTING                           | MOVING                           | STOPPING
a status report                 | preempted               | PREPARING                                   | SENT                             | ACTING                           | MOVING                           | STOPPING
what cannot be read             | preempted               | PREPARING                                   | SENT                             | ACTING                           | MOVING                           | STOPPING
an unknown skill                | preempted               | PREPARING                                   | SENT                             | ACTING                           | MOVING                           | STOPPING
stop                            | preempted               | preempted                                   | preempted                        | preempted                        | preempted                        | preempted
damp                            | preempted               | preempted                                   | preempted                        | preempted                        | preempted                        | preempted
another motion                  | preempted               | preempted StopMove StandUp                  | preempted StopMove               | preempted StopMove               | preempted StopMove               | preempted StopMove
another motion of somebody else | preempted               | preempted StopMove StandUp                  | preempted StopMove               | preempted StopMove               | preempted StopMove               | preempted StopMove
a cloud plan                    | preempted 1009          | preempted StopMove StandUp                  | preempted StopMove 1009          | preempted StopMove 1009          | preempted StopMove 1009          | preempted StopMove 1009
two people at once              | preempted 1029 StopMove | preempted StopMove StandUp StopMove StandUp | preempted StopMove 1029 StopMove | preempted StopMove 1029 StopMove | preempted StopMove 1029 StopMove | preempted StopMove 1029 StopMove
another gesture                 | preempted 1029          | preempted StopMove StandUp                  | preempted StopMove 1029          | preempted StopMove 1029          | preempted StopMove 1029          | preempted StopMove 1029
a posture                       | preempted 1009          | preempted StopMove StandUp                  | preempted StopMove 1009          | preempted StopMove 1009          | preempted StopMove 1009          | preempted StopMove 1009
a light                         | preempted 1005          | PREPARING 1005                              | SENT 1005                        | ACTING 1005                      | MOVING 1005                      | STOPPING 1005
the same again                  | preempted 1029          | preempted StopMove StandUp                  | preempted StopMove 1029          | preempted StopMove 1029          | preempted StopMove 1029          | preempted StopMove 1029
the state goes stale            | ASKED                   | timed_out                                   | SENT                             | ACTING                           | timed_out StopMove               | STOPPING
it falls                        | ASKED                   | preempted                                   | SENT                             | ACTING                           | preempted StopMove               | STOPPING
it lies down                    | ASKED                   | PREPARING                                   | SENT                             | ACTING                           | preempted StopMove               | STOPPING
its motors go off               | ASKED                   | preempted                                   | SENT                             | ACTING                           | preempted StopMove               | STOPPING
it stands                       | ASKED                   | MOVING                                      | SENT                             | ACTING                           | MOVING                           | STOPPING
avoidance goes off              | ASKED                   | PREPARING                                   | SENT                             | ACTING                           | preempted StopMove               | STOPPING
the hand controller             | ASKED                   | preempted                                   | SENT                             | preempted                        | preempted StopMove               | STOPPING
stop_node is gone               | ASKED                   | timed_out                                   | SENT                             | ACTING                           | timed_out StopMove               | STOPPING
stop_node stopped it            | preempted               | preempted                                   | preempted                        | preempted                        | preempted                        | preempted
stop_node began anew            | preempted StopMove      | preempted StopMove                          | preempted StopMove               | preempted StopMove               | preempted StopMove               | preempted StopMove
the node ends                   | preempted               | preempted StopMove                          | preempted StopMove               | preempted StopMove               | preempted StopMove               | preempted StopMove
the clock is set back           | preempted               | preempted StopMove                          | preempted StopMove               | preempted StopMove               | preempted StopMove               | preempted StopMove
"""  # noqa: E501
"""event | what the job comes to in each stage, and requests other than Move that follow."""


def outcome(scene: Scene, before: int) -> str:
    """The job's stage or its final state, then the requests since."""
    job = next((j for j in scene.guard._runner.jobs if j.command.utterance_id == "u"), None)
    names = [name for name in scene.sent_since(before) if name != "Move"]
    return " ".join([job.stage.name if job else scene.states("u")[-1], *names])


def happened(event: str, stage: str) -> str:
    scene = STAGES[stage]()
    before = len(scene.all)
    EVENTS[event](scene)
    return outcome(scene, before)


CONDITIONS: dict[str, Callable[[], Scene]] = {
    "standing": lambda: Scene(**ALLOWED),
    "standing, joints locked": lambda: Scene(LOCKED, **ALLOWED),
    "sitting": lambda: Scene(SITTING, **ALLOWED),
    "lying": lambda: Scene(LYING, **ALLOWED),
    "motors off": lambda: Scene(DAMPED, **ALLOWED),
    "fallen": lambda: Scene(FALLEN, **ALLOWED),
    "no state yet": lambda: Scene(None, **ALLOWED),
    "old state": lambda: having(lambda s: setattr(s, "state", None)),
    "no stop_node": lambda: having(lambda s: setattr(s.guard, "stop_node", lambda now: None)),
    "battery at 14 %": lambda: having(lambda s: s.guard.power(14.0)),
    "hand controller": lambda: having(lambda s: s.guard.controller(0.5)),
    "avoidance off": lambda: having(lambda s: s.guard.avoidance(False)),
    "switch off": lambda: Scene(),
    "3 s old": lambda: having(aged(3.0)),
    "3 s in the future": lambda: having(aged(-3.0)),
    "said before a stop": lambda: having(lambda s: (s.guard.halted(0.5), aged(1.0)(s))),
    "by a cloud plan": lambda: having(lambda s: s.fields.update(spoken=False)),
    "old firmware": lambda: Scene(firmware="legacy", **ALLOWED),
}
ALLOWED = {"allow_hazardous": True}
LABELS = (
    "stop",
    "damp",
    "move_forward",
    "turn_left",
    "hello",
    "sit",
    "recover",
    "back_flip",
    "walk_upright",
    "light_on",
)
LABELS += ("report_status", "affirm")
ADMISSION_TABLE = """
                        | stop     | damp       | move_forward | turn_left    | hello        | sit          | recover      | back_flip    | walk_upright | light_on | report_status | affirm
standing                | StopMove | Damp       | Move         | Move         | 1016         | 1009         | 1006         | asks         | asks         | 1005     | done          | nothing_to_confirm
standing, joints locked | StopMove | Damp       | BalanceStand | BalanceStand | BalanceStand | 1009         | 1006         | asks         | asks         | 1005     | done          | nothing_to_confirm
sitting                 | StopMove | Damp       | RiseSit      | RiseSit      | RiseSit      | 1009         | RiseSit      | asks         | asks         | 1005     | done          | nothing_to_confirm
lying                   | StopMove | Damp       | StandUp      | StandUp      | StandUp      | StandUp      | 1006         | asks         | asks         | 1005     | done          | nothing_to_confirm
motors off              | StopMove | Damp       | damped       | damped       | damped       | damped       | 1006         | damped       | damped       | 1005     | done          | nothing_to_confirm
fallen                  | StopMove | Damp       | fallen       | fallen       | fallen       | fallen       | 1006         | fallen       | fallen       | 1005     | done          | nothing_to_confirm
no state yet            | StopMove | Damp       | no_state     | no_state     | no_state     | no_state     | no_state     | no_state     | no_state     | 1005     | done          | nothing_to_confirm
old state               | StopMove | Damp       | no_state     | no_state     | no_state     | no_state     | no_state     | no_state     | no_state     | 1005     | done          | nothing_to_confirm
no stop_node            | StopMove | Damp       | no_stop_node | no_stop_node | no_stop_node | no_stop_node | no_stop_node | no_stop_node | no_stop_node | 1005     | done          | nothing_to_confirm
battery at 14 %         | StopMove | Damp       | battery      | battery      | battery      | 1009         | 1006         | battery      | battery      | 1005     | done          | nothing_to_confirm
hand controller         | StopMove | Damp       | controller   | controller   | controller   | controller   | controller   | controller   | controller   | 1005     | done          | nothing_to_confirm
avoidance off           | StopMove | Damp       | asks         | Move         | 1016         | 1009         | 1006         | asks         | asks         | 1005     | done          | nothing_to_confirm
switch off              | StopMove | Damp       | Move         | Move         | 1016         | 1009         | 1006         | hazardous    | hazardous    | 1005     | done          | nothing_to_confirm
3 s old                 | StopMove | Damp       | old          | old          | old          | old          | old          | old          | old          | old      | old           | old
3 s in the future       | StopMove | Damp       | old          | old          | old          | old          | old          | old          | old          | old      | old           | old
said before a stop      | StopMove | Damp       | stopped      | stopped      | stopped      | stopped      | stopped      | stopped      | stopped      | stopped  | stopped       | stopped
by a cloud plan         | StopMove | not_spoken | Move         | Move         | 1016         | 1009         | 1006         | asks         | asks         | 1005     | not_spoken    | not_spoken
old firmware            | StopMove | Damp       | Move         | Move         | 1016         | 1009         | 1006         | asks         | firmware     | 1005     | done          | nothing_to_confirm
"""  # noqa: E501
"""condition | what each command comes to: the first request, "asks", "done", or why it is refused."""


def having(change: Callable[[Scene], object]) -> Scene:
    scene = Scene(**ALLOWED)
    change(scene)
    return scene


def aged(seconds: float) -> Callable[[Scene], object]:
    return lambda scene: scene.fields.update(age_s=seconds)


def admitted(condition: str, label: str) -> str:
    scene = CONDITIONS[condition]()
    scene.hear(label, "u")
    last = [a for a in scene.all if isinstance(a, Status)][-1]
    if last.state == "refused":
        return key_of(last.reason)
    return scene.sent[0] if scene.sent else "asks" if last.state == "accepted" else "done"


def key_of(reason: str) -> str:
    """The sentence's key in speech.SENTENCES."""
    patterns = {key: re.sub(r"\\{\w+\\}", ".*", re.escape(english)) for key, (english, _) in SENTENCES.items()}
    return next(key for key, pattern in patterns.items() if re.fullmatch(pattern, reason))


def rows(table: str) -> dict[str, list[str]]:
    """First cell -> the others."""
    cells = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    return {first: rest for first, *rest in cells}


@pytest.mark.parametrize("event", EVENTS)
def test_each_stage_at_each_event(event):
    table = rows(STAGE_TABLE)
    assert dict(zip(table[""], (happened(event, stage) for stage in table[""]), strict=True)) == dict(
        zip(table[""], table[event], strict=True)
    )


@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_command_under_each_condition(condition):
    table = rows(ADMISSION_TABLE)
    assert dict(zip(table[""], (admitted(condition, label) for label in table[""]), strict=True)) == dict(
        zip(table[""], table[condition], strict=True)
    )


def test_the_tables_are_complete():
    assert set(rows(STAGE_TABLE)) == {"", *EVENTS}
    assert set(rows(STAGE_TABLE)[""]) == {stage.name for stage in Stage}
    assert set(rows(ADMISSION_TABLE)) == {"", *CONDITIONS}


def test_a_burst_keeps_the_newest_and_stays_bounded():
    scene = Scene()
    for turn in range(50):
        scene.hear(("light_on", "light_off")[turn % 2], f"u{turn}", at=1.0 + turn / 1000)
    assert scene.guard.jobs == MAX_JOBS
    assert scene.states("u49") == ["accepted", "running"]
    assert scene.states("u10")[-1] == "preempted"
    for turn in range(50):
        scene.hear(("hello", "bow")[turn % 2], f"v{turn}", at=2.0 + turn / 1000)
    assert [scene.states(f"v{turn}")[-1] for turn in range(50)] == ["preempted"] * 49 + ["running"]
    assert scene.guard.jobs <= MAX_JOBS


def test_walking_without_obstacle_avoidance_needs_a_yes_and_turning_none():
    scene = Scene(allow_hazardous=True).hear("avoid_off").hear("affirm").wait(0.5)
    scene.hear("turn_left", "t").wait(0.1).hear("move_forward", "w")
    assert scene.said[-1].startswith("Obstacle avoidance is off. Shall I walk forward?")
    assert scene.states("w") == ["accepted"]
    assert scene.hear("affirm").states("w") == ["accepted", "running"]
    scene.hear("avoid_on").wait(0.5).hear("move_backward", "b")
    assert scene.states("b") == ["accepted", "running"]


def test_of_two_people_who_speak_at_once_the_last_one_is_obeyed_and_both_are_answered():
    scene = Scene().hear("hello", "a", at=1.0, session_id="ann").hear("hello", "b", at=1.0, session_id="bob")
    assert scene.states("a") == ["accepted", "running", "preempted"] and scene.states("b") == ["accepted", "running"]
    assert scene.reason("a") == "A newer command came."
    assert scene.guard.jobs == 1


def test_the_same_command_of_the_same_person_within_half_a_second_is_one():
    scene = Scene().hear("hello", "a", at=1.0, session_id="ann").hear("hello", "b", at=1.49, session_id="ann")
    assert scene.states("a") == ["accepted", "running"] and scene.states("b") == ["refused"]
    assert scene.hear("hello", "c", at=2.0, session_id="ann").states("c")[-1] == "running"


def test_nothing_ever_takes_the_hand_controller_away():
    switch_joystick = 1027
    assert switch_joystick not in {i for skill in SKILLS.skills.values() for ids in skill.api.values() for i in ids}


if __name__ == "__main__":  # prints the tables as they are, to be read before they are pasted
    for names, header, cell in ((EVENTS, STAGES, happened), (CONDITIONS, LABELS, admitted)):
        lines = [["", *header], *([name, *(cell(name, column) for column in header)] for name in names)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        for line in lines:
            print(" | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
        print()
