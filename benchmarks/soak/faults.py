"""The faults. Each is a generator: it strikes, yields how long to go on, seconds, and makes good again."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path

from benchmarks.liar import HOSTILE
from benchmarks.soak.checks import OPEN, Violation
from benchmarks.soak.scene import DEADLINE_S, Scene
from benchmarks.soak.speaker import NANO, Speaker
from shadow_intent.bundle import MODEL, Bundle, write_manifest

OPEN_REQUESTS = ("why is the sky blue", "天空为什么是蓝色的", "what is the capital of france", "tell me a story")
LIGHTS = {"turn on the light": "light_on", "turn off the light": "light_off"}
WALK = "walk forward four metres"
WALK_TIMED = "walk forward for four seconds"
WAIT_S = 3.0
"""For what should take milliseconds, on a machine that is busy."""
RISE_S = 6.0
RECOVER_S = 30.0
"""Everything must work again so long after a fault was made good, seconds."""
HOUR_NS = 3600 * NANO


@dataclass(slots=True)
class Act:
    """One fault that struck."""

    fault: str
    began: float
    """Seconds since the epoch."""
    walking: bool
    """The robot walked when it struck; otherwise it was talked to."""
    recovered_s: float = 0.0
    """From making good until a command went all the way to the robot and back, seconds."""
    notes: list[str] = field(default_factory=list)


class Faults:
    """All of them, for one scene and its speaker."""

    def __init__(self, scene: Scene, speaker: Speaker, pause_s: float) -> None:
        """`pause_s`: how long a fault lasts."""
        self._scene, self._speaker, self._pause_s = scene, speaker, pause_s
        self.acts: list[Act] = []
        self.deaths: list[float] = []
        self.reboots: list[float] = []
        self.wakings: list[float] = []
        self.violations: list[Violation] = []
        self._questions, self._lights = cycle(OPEN_REQUESTS), cycle(LIGHTS)
        self._bundles = cycle(make_bundles(scene.folder))
        self._use(next(self._bundles))

    # acts

    def begin(self) -> None:
        """Starts everything."""
        for name in ("mock_go2", "observer", "stop_node", "skill_node", "intent_node"):
            self._scene.start(name)
        self._cloud("honest")
        for name in ("skill_node", "intent_node"):
            self._speaker.change(name, "configure", "activate")
        self._recover("start")

    def act(self, fault: str, walking: bool) -> None:
        """Has it strike."""
        if walking:
            self._walk()
        act = Act(fault, time.time(), walking)
        self.acts.append(act)
        for seconds in getattr(self, fault)():
            (self._speaker.quiet if walking else self._speaker.storm_for)(seconds)
        act.recovered_s = self._recover(fault)

    def _violation(self, rule: str, detail: str) -> None:
        self.violations.append(Violation(time.time(), rule, detail))

    def _note(self, note: str) -> None:
        self.acts[-1].notes.append(note)

    def _outcome(self, text: str, label: str, states: tuple[str, ...], seconds: float) -> str:
        """Says it; the first of `states` its skill reaches, "" when none in time."""
        heard = self._speaker.heard.statuses
        start, said = len(heard), self._speaker.say(text)

        def reached() -> list[str]:
            new = heard[start:]
            return [
                s.state for s in new if s.utterance_id == said.utterance_id and s.label == label and s.state in states
            ]

        self._speaker.wait(lambda: said.utterance_id and reached(), seconds)
        found = reached()
        return found[0] if said.utterance_id and found else ""

    def _recover(self, fault: str) -> float:
        """Until light and legs obey: from the speaker by every node to the robot and back."""
        began = time.monotonic()
        while time.monotonic() - began < RECOVER_S:
            text = next(self._lights)
            if all(
                self._outcome(t, label, ("succeeded",), 1.0) for t, label in ((text, LIGHTS[text]), ("stop", "stop"))
            ):
                self._speaker.away = False
                return time.monotonic() - began
        self._violation("recovery", f"nothing works {RECOVER_S:g} s after {fault}")
        return float("inf")

    def _walk(self, text: str = WALK) -> None:
        """Has the robot walk, on its feet first if need be."""
        end = time.monotonic() + RECOVER_S
        while time.monotonic() < end:
            if self._outcome(text, "move_forward", ("running", "refused"), WAIT_S) == "running":
                moving = self._speaker.heard.statuses[-1].parameter
                self._speaker.quiet(0.5 if '"x"' in moving else 2.5)  # it rises before it walks
                return
            self._outcome("stand up", "stand_up", ("succeeded", "refused", "timed_out"), RISE_S)
        self._violation("recovery", "the robot was told to walk and did not")

    def _ask(self) -> str:
        """An open request, to its end; the reason it ended with."""
        said = self._speaker.say(next(self._questions))
        if not self._speaker.wait(lambda: said.closed, DEADLINE_S + WAIT_S):
            if said.decision in ("", "remote"):
                self._violation("cloud", f"{said.text!r} found no end in {DEADLINE_S + WAIT_S:g} s")
            return f"decided {said.decision}"
        return said.ending

    # the cloud

    def _cloud(self, kind: str) -> None:
        self._scene.cloud(kind)
        self._speaker.wait(self._scene.cloud_listens, 120.0)

    def cloud_killed(self) -> Iterator[float]:
        """While it was asked something."""
        said = self._speaker.say(next(self._questions))
        self._speaker.wait(lambda: said.decision, WAIT_S)
        self._scene.kill("cloud")
        yield self._pause_s
        self._note(self._ask())
        self._cloud("honest")
        began = time.monotonic()
        while not (ending := self._ask()).startswith("answered"):
            if time.monotonic() - began > RECOVER_S:
                self._violation("cloud", f"still {ending!r} {RECOVER_S:g} s after it came back")
                return
            yield 0.2
        self._note(f"answered {time.monotonic() - began:.1f} s after it came back")

    def cloud_hung(self) -> Iterator[float]:
        """It accepts every request and answers none."""
        self._scene.freeze("cloud")
        yield self._pause_s
        self._note(self._ask())
        self._scene.thaw("cloud")

    def cloud_slow(self) -> Iterator[float]:
        """A word every half second, and an answer after ten."""
        self._cloud("slow")
        yield self._pause_s
        self._note(self._ask())
        self._cloud("honest")

    def cloud_lying(self) -> Iterator[float]:
        """Every answer of `red_team.HOSTILE`, and words and plans for other utterances."""
        self._cloud("lying")
        yield self._pause_s
        for _ in HOSTILE:
            self._note(self._ask())
            yield 0.05
        self._cloud("honest")

    def cloud_model(self) -> Iterator[float]:
        """No fault: the shipped server with its language model answers, and is killed while it does."""
        self._cloud("model")
        yield self._pause_s
        self._note(self._ask())
        said = self._speaker.say(next(self._questions))
        self._speaker.wait(lambda: said.decision, WAIT_S)
        self._cloud("honest")

    # the robot

    def state_frozen(self) -> Iterator[float]:
        """The robot says nothing more, and does nothing."""
        self._scene.freeze("mock_go2")
        yield self._pause_s
        self._wake()

    def _wake(self) -> None:
        self.wakings.append(time.time())
        self._scene.thaw("mock_go2")

    def state_repeated(self) -> Iterator[float]:
        """The robot says the same again and again, stamp and all."""
        self._scene.freeze("mock_go2")
        self._scene.signal("observer", signal.SIGUSR1)
        yield self._pause_s
        self._scene.signal("observer", signal.SIGUSR2)
        self._wake()

    def robot_killed(self) -> Iterator[float]:
        """It falls silent and starts again."""
        self._scene.kill("mock_go2")
        yield self._pause_s
        self._scene.start("mock_go2")
        self.reboots.append(time.time())

    def partition(self, seconds: float = 0.0) -> Iterator[float]:
        """Between the companion computer and the robot nothing passes."""
        assert self._scene.cable is not None
        self._scene.cable.cut()
        yield seconds or 4 * self._pause_s
        self._scene.cable.mend()

    def partition_long(self) -> Iterator[float]:
        """Longer than the 20 s after which DDS takes the other side for gone."""
        yield from self.partition(25.0)

    # the clock

    def clock_jump(self) -> Iterator[float]:
        """Under use_sim_time the clock jumps an hour back, then two ahead, while the robot walks."""
        self._simulate(True)
        for jump_ns in (-HOUR_NS, 2 * HOUR_NS):
            self._walk(WALK_TIMED)  # no odometry ends it, only the clock
            assert self._speaker.offset_ns is not None
            self._speaker.offset_ns += jump_ns
            began, heard = time.monotonic(), self._speaker.heard.statuses
            start = len(heard)
            yield self._pause_s
            if not self._speaker.wait(lambda: any(s.state not in OPEN for s in heard[start:]), RECOVER_S):  # noqa: B023
                self._violation("motion", "the robot walks on and on after the clock jumped")
            self._note(f"the walk ended {time.monotonic() - began:.0f} s after the jump")
            self._recover("the jump")
        self._simulate(False)

    def _simulate(self, on: bool) -> None:
        self._speaker.forget()
        for name in ("intent_node", "skill_node"):
            self._speaker.change(name, "deactivate", "cleanup")
            self.deaths.append(time.time())
            self._speaker.set_sim_time(name, on)
        self._speaker.offset_ns = 0 if on else None
        self._speaker.quiet(0.3)
        for name in ("skill_node", "intent_node"):
            self._speaker.change(name, "configure", "activate")
        self._recover("use_sim_time")

    # the bundle

    def _use(self, bundle: Path) -> None:
        new = self._scene.bundle.with_name("new")
        new.symlink_to(bundle)
        new.replace(self._scene.bundle)

    def bundle_swapped(self) -> Iterator[float]:
        """Another one in the same place, before and while the node loads it."""
        self._use(next(self._bundles))
        yield self._pause_s
        self._speaker.forget()
        if not self._speaker.change("intent_node", "deactivate", "cleanup", "configure", "activate"):
            self._violation("recovery", "intent_node refused a good bundle")

    def bundle_broken(self) -> Iterator[float]:
        """One with half a model: refused, and the good one taken after it."""
        self._use(self._scene.folder / "broken")
        self._speaker.forget()
        if self._speaker.change("intent_node", "deactivate", "cleanup", "configure"):
            self._violation("bundle", "intent_node took a broken bundle")
        yield self._pause_s
        self._use(next(self._bundles))
        if not self._speaker.change("intent_node", "configure", "activate"):
            self._violation("recovery", "intent_node refused a good bundle after a broken one")

    # the nodes

    def _respawned(self, name: str) -> Iterator[float]:
        self._scene.kill(name)
        if name == "intent_node":
            self._speaker.forget()
        if name == "skill_node":
            self.deaths.append(time.time())
        yield self._pause_s
        self._scene.start(name)
        if name != "stop_node" and not self._speaker.change(name, "configure", "activate"):
            self._violation("recovery", f"{name} did not come back")

    def intent_node_killed(self) -> Iterator[float]:
        """-9, started and activated again."""
        yield from self._respawned("intent_node")

    def skill_node_killed(self) -> Iterator[float]:
        """-9, started and activated again."""
        yield from self._respawned("skill_node")

    def stop_node_killed(self) -> Iterator[float]:
        """-9, started again."""
        yield from self._respawned("stop_node")


FAULTS = (
    "cloud_killed",
    "cloud_hung",
    "cloud_slow",
    "cloud_lying",
    "state_frozen",
    "state_repeated",
    "robot_killed",
    "clock_jump",
    "bundle_swapped",
    "bundle_broken",
    "partition",
)
"""Whatever the half."""
LONG = ("cloud_model", "partition_long")
KILLS = ("intent_node_killed", "skill_node_killed", "stop_node_killed")
"""In the first half only: in the second the memory of one and the same process is watched."""


def make_bundles(folder: Path) -> list[Path]:
    """Two that differ in their id, and in `folder`/broken one that does not load."""
    shipped, made = Bundle.load(), []
    for name in ("one", "two", "broken"):
        copy = folder / name
        shutil.copytree(shipped.path, copy)
        write_manifest(copy, replace(shipped.manifest, training={**shipped.manifest.training, "note": name}))
        made.append(copy)
    model = made.pop() / MODEL
    model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    return made
