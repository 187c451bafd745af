"""Several skills said in one breath, read clause by clause: "sit down and then wave" is two commands the robot knows.

Words that join, punctuation and, where there is neither ("turn left walk two metres bow"), the classifier itself say
where a clause ends. This reader only speaks when it is sure of every clause; the plans of everything else (conditions,
corrections, words it does not know) are the language model's. The cloud asks it first. The robot asks it when the cloud
is away, and then the speaker before anything moves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from shadow_intent import slots
from shadow_intent.cloud.plan import MAX_STEPS, Step, checked_step
from shadow_intent.errors import PlanError
from shadow_intent.intent import Route, Utterance, is_chinese
from shadow_intent.pipeline import Pipeline
from shadow_intent.quantities import Reader
from shadow_intent.route import AFFIRM, IGNORE
from shadow_intent.skills import SkillTable

LEAST = 0.9
"""Probability that every clause needs."""
LEAST_CUT = 0.98
"""... and one that nothing but the classifier tells from its neighbours."""
MOST_WORDS = 26
"""Of a stretch that the classifier cuts: it reads each of the n (n + 1) / 2 stretches within, a millisecond each."""
NOT_ORDERS = (IGNORE, AFFIRM, "deny")
"""What an utterance as a whole must not be taken for."""

_NUMBER = (
    r"(?:a |an |one |the )?(?:half|quarter|third|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    r"\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|\d+)"
)
_JOINTS = {
    "en": re.compile(
        r"[,;!?]+|\.+(?!\d)|\b(?:and )?(?:then|after that|afterwards|finally)\b|\bfollowed by\b|\bplus\b"
        rf"|\band\b(?! {_NUMBER}\b)",
        re.IGNORECASE,
    ),
    "zh": re.compile(r"[，,。；;、！!？?\s]+|(?:然后|接着|之后|以后|随后|最后|完了|并且|接)再?|再"),
}
"""Where one clause ends and the next begins; "a metre and a half" is one quantity."""
_LEAD = {
    "en": re.compile(r"^(?:(?:first|now|next|also|so|ok|okay|please|you|to|robot)\b\s*)+", re.IGNORECASE),
    "zh": re.compile(r"^(?:麻烦|请|你|先|就|也)+"),
}
_TAIL = re.compile(r"(?:\s*\b(?:please|ok|okay|too))+$", re.IGNORECASE)
_FIRST_OF_ALL = re.compile(r"\bfirst$", re.IGNORECASE)
"""In a later clause this turns the order round: "sit down, wave first"."""
_BEYOND = re.compile(
    r"n't\b|\b(?:before|after(?! that\b)|but|or|instead|i mean|sorry|no|not|never|without|if|when|whenever|until|till|"
    r"unless|while|every)\b|[之以]前|[，,、；;。！？\s]先|如果|要是|时候|每|不|别|没|或者|还是",
    re.IGNORECASE,
)
"""Words that may mean another order, another time or the contrary."""


_TURNED = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:but )?before (?:you )?(?P<later>[^,]+), ?(?P<sooner>.+)",
        r"(?P<sooner>.+?),? (?:but )?before (?:that )?(?:you )?(?P<later>.+)",
        r"after (?:you |you've |you have )?(?P<sooner>[^,]+), ?(?P<later>.+)",
        r"(?P<later>.+?),? (?:but )?after (?:you |you've |you have )(?P<sooner>.+)",
        r"(?P<later>.+?)[之以]前[，, ]?[要得你]?先?(?P<sooner>.+)",
        r"等?你?(?P<sooner>.+?)完?[之以]后[，, ]?再?(?P<later>.+)",
    )
]
"""Two halves, and which is done sooner."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One command of several."""

    step: Step
    probability: float
    """Of its label."""
    accepted: bool
    """Whether the robot would do it at once, said alone."""


class ClauseReader:
    """Plans from clauses, each classified and measured as the robot does with a whole utterance. Thread-safe."""

    def __init__(self, pipeline: Pipeline, skills: SkillTable) -> None:
        self._pipeline, self._skills = pipeline, skills

    def plan(self, text: str) -> tuple[Step, ...]:
        """At most `MAX_STEPS` steps of two clauses or more; none when anything leaves a doubt. Never raises.

        A posture or a light asked for twice in a row is one step.
        """
        pieces = split(text)
        if not pieces or len(pieces) > MAX_STEPS or self._pipeline.classifier.predict(text).label in NOT_ORDERS:
            return ()
        read = cache(self._clause)
        clauses: list[Clause] = []
        for piece in pieces:
            found = cut(piece, read)
            if not found:
                return ()
            clauses += found
        if not 2 <= len(clauses) <= MAX_STEPS or not any(clause.accepted for clause in clauses):
            return ()
        steps = [clause.step for clause in clauses]
        again = [a == b and a.label not in slots.CARRIERS for a, b in zip(steps[1:], steps, strict=False)]
        return (steps[0], *(step for step, same in zip(steps[1:], again, strict=True) if not same))

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
    language = "zh" if is_chinese(text) else "en"
    pieces: list[str] = []
    for half in _halves(text.strip().rstrip(".!?。！？")):
        if _BEYOND.search(half):
            return []
        parts = (_TAIL.sub("", _LEAD[language].sub("", part.strip())) for part in _JOINTS[language].split(half))
        found = [part for part in parts if part]
        if any(map(_FIRST_OF_ALL.search, found[1:])):
            return []
        pieces += found
    return pieces


def _halves(text: str) -> list[str]:
    """The two sides of "before" or "after" in the order they are to be done, or the text."""
    turned = next(filter(None, (pattern.fullmatch(text) for pattern in _TURNED)), None)
    return [text] if turned is None else [turned["sooner"], turned["later"]]


def cut(piece: str, read: Callable[[str], Clause | None]) -> list[Clause]:
    """The piece as one clause or, cut as few times as possible and through no quantity, several; empty for none.

    `read` gives the clause that some words make. Of cuts alike the one whose least sure clause is surest counts.
    """
    whole = read(piece)
    if whole is not None and whole.probability >= LEAST:
        return [whole]
    words, gap = (list(piece), "") if is_chinese(piece) else (piece.split(), " ")
    if len(words) > MOST_WORDS:
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
