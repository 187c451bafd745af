"""Several skills said in one breath, read clause by clause: "sit down and then wave" is two commands the robot knows.

Words that join, punctuation and, where there is neither ("turn left walk two metres bow"), the classifier itself say
where a clause ends. The cloud asks this reader first; the plans of what it does not understand (conditions,
corrections, words it does not know) are the language model's. The robot does a plan without asking when it reads the
same one itself and is sure: every clause is told apart by a joint, begins as an order does, and would be done at once
if said alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from shadow_intent import clause_lexicon as lexicon
from shadow_intent import slots
from shadow_intent.cloud.plan import MAX_STEPS, Step, checked_step
from shadow_intent.errors import PlanError
from shadow_intent.intent import Route, Utterance, is_chinese
from shadow_intent.pipeline import Pipeline
from shadow_intent.plain import plain
from shadow_intent.quantities import Reader
from shadow_intent.route import AFFIRM, IGNORE
from shadow_intent.skills import SkillTable

LEAST = 0.9
"""Probability that every clause needs."""
LEAST_CUT = 0.98
"""... and one that nothing but the classifier tells from its neighbours."""
MOST_WORDS = 26
"""Of a stretch that the classifier cuts: it reads up to n (n + 1) / 2 stretches within, a millisecond or two each."""
NOT_ORDERS = (IGNORE, AFFIRM, "deny")
"""What an utterance as a whole must not be taken for."""
STOP, DAMP = "stop", "damp"


@dataclass(frozen=True, slots=True)
class Clause:
    """One command of several."""

    step: Step
    probability: float
    """Of its label."""
    accepted: bool
    """Whether the robot would do it at once, said alone."""


@dataclass(frozen=True, slots=True)
class ClausePlan:
    """What was read."""

    steps: tuple[Step, ...]
    sure: bool
    """It may be done without asking."""


NO_PLAN = ClausePlan((), sure=False)


class ClauseReader:
    """Plans from clauses, each classified and measured as the robot does with a whole utterance. Thread-safe."""

    def __init__(self, pipeline: Pipeline, skills: SkillTable) -> None:
        self._pipeline, self._skills = pipeline, skills

    def plan(self, text: str, cutting: bool = True) -> ClausePlan:
        """At most `MAX_STEPS` steps of two clauses or more; none when anything leaves a doubt. Never raises.

        A posture or a light asked for twice in a row is one step, and a stop that comes first is none: it is done as
        soon as it is heard. Without `cutting` only joints part clauses, which takes a few milliseconds.
        """
        text = plain(text)
        pieces = split(text)
        if not (1 if cutting else 2) <= len(pieces) <= MAX_STEPS:
            return NO_PLAN
        whole = self._pipeline.hear(Utterance(text))
        if whole.route is Route.IGNORE or whole.label in NOT_ORDERS:
            return NO_PLAN
        read = cache(self._clause)
        clauses: list[Clause] = []
        for piece in pieces:
            found = cut(piece, read, MOST_WORDS if cutting else 0)
            if not found:
                return NO_PLAN
            clauses += found
        steps = [clause.step for clause in clauses]
        if not 2 <= len(clauses) <= MAX_STEPS or any(step.label == DAMP for step in steps):
            return NO_PLAN
        joined = len(clauses) == len(pieces) and steps[0].label != STOP
        begins = steps[1:] if steps[0].label == STOP else steps
        once = tuple(
            step for i, step in enumerate(begins) if i == 0 or step != begins[i - 1] or step.label in slots.CARRIERS
        )
        return ClausePlan(once, joined and all(c.accepted for c in clauses) and are_orders(text))

    def says(self, text: str, steps: tuple[Step, ...]) -> bool:
        """Whether the words surely say these very steps."""
        own = self.plan(text, cutting=False)  # what was cut is never sure
        return own.sure and own.steps == steps

    def _clause(self, text: str) -> Clause | None:
        """None for what is no command, and for one that says more than its skill can be told or a quantity alone."""
        said_by = Reader(text)
        if any(q.start == 0 and q.end == len(said_by.tokens) for q in said_by.quantities):
            return None
        decision = self._pipeline.hear(Utterance(text))
        said, unclear = slots.read(text, decision.label)
        if unclear is not None or len(quantities(text)) > sum(name != "speed" for name in said.as_dict()):
            return None
        try:
            step = checked_step(decision.label, said, self._skills)
        except PlanError:
            return None
        return Clause(step, decision.probability, decision.route is Route.SKILL)


def split(text: str) -> list[str]:
    """What joints part, in the order it is to be done, without what joins, orders or softens it.

    Empty for what may mean another order, another time or the contrary.
    """
    halves = _halves(text.strip().rstrip(".!?。！？"))
    if any(map(lexicon.BEYOND.search, halves)):
        return []
    found = [_parts(half) for half in halves]
    if len(halves) > 1 and any(len(parts) != 1 for parts in found):
        return []
    return [part for parts in found for part in parts]


def _parts(text: str) -> list[str]:
    language = "zh" if is_chinese(text) else "en"
    stripped = (piece.strip() for piece in lexicon.JOINTS[language].split(text))
    parts = [lexicon.TAIL.sub("", lexicon.LEAD[language].sub("", piece)) for piece in stripped]
    found = [part for part in parts if part]
    return [] if any(map(lexicon.FIRST_OF_ALL.search, found[1:])) else found


def are_orders(text: str) -> bool:
    """Whether every clause begins as an order does, and nothing is said about several of them or asked."""
    pieces = split(text)
    begins = lexicon.ORDER["zh" if is_chinese(text) else "en"]
    return bool(pieces) and all(begins.match(piece) for piece in pieces) and not lexicon.SHARED.search(text.strip())


def _halves(text: str) -> list[str]:
    """The two sides of "before" or "after" in the order they are to be done, or the text."""
    turned = next(filter(None, (pattern.fullmatch(text) for pattern in lexicon.TURNED)), None)
    return [text] if turned is None else [turned["sooner"], turned["later"]]


def cut(piece: str, read: Callable[[str], Clause | None], most: int = MOST_WORDS) -> list[Clause]:
    """The piece as one clause or, cut as few times as possible and through no quantity, several; empty for none.

    A piece of more than `most` words is not cut. `read` gives the clause that some words make. Of cuts alike the one
    whose least sure clause is surest counts.
    """
    whole = read(piece)
    if whole is not None and whole.probability >= LEAST:
        return [whole]
    words, gap = (list(piece), "") if is_chinese(piece) else (piece.split(), " ")
    if len(words) > most:
        return []
    best: dict[int, list[Clause]] = {0: []}
    """The clauses up to a place between words."""
    for end in [*_places(words, gap), len(words)]:
        ways = []
        for start in best:
            clause = read(gap.join(words[start:end]).strip())
            if clause is not None and clause.probability >= LEAST_CUT:
                ways.append([*best[start], clause])
        if ways:
            best[end] = min(ways, key=lambda way: (len(way), -min(clause.probability for clause in way)))
    return best.get(len(words), [])


def _places(words: list[str], gap: str) -> Iterator[int]:
    """Where a piece may be cut without changing what is counted."""
    whole = sorted(quantities(gap.join(words)))
    for place in range(1, len(words)):
        if sorted(quantities(gap.join(words[:place])) + quantities(gap.join(words[place:]))) == whole:
            yield place


def quantities(text: str) -> list[tuple[str, float]]:
    """Kind and value of every quantity in a text."""
    return [(q.kind, q.value) for q in Reader(text).quantities if q.kind != "bare" and not math.isnan(q.value)]
