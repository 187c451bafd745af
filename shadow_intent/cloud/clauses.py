"""Several skills said in one breath, read clause by clause: "sit down and then wave" is two commands the robot knows.

The language model writes the plans of everything else. This reader only speaks when it is sure of every clause, so that
what it gives up on (conditions, corrections, orders turned round by "before") costs nothing but the model's time.
"""

from __future__ import annotations

import re

from shadow_intent import slots
from shadow_intent.cloud.plan import MAX_STEPS, Step, checked_step
from shadow_intent.errors import PlanError
from shadow_intent.intent import Route, Utterance, is_chinese
from shadow_intent.pipeline import Pipeline
from shadow_intent.route import AFFIRM, IGNORE
from shadow_intent.skills import SkillTable

LEAST = 0.9
"""Probability that every clause needs; of 0.7, 0.8, 0.9 and 0.95 the one with most right plans per wrong one on the
requests of the training part."""

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


class ClauseReader:
    """Plans from clauses, each classified and measured as the robot does with a whole utterance."""

    def __init__(self, pipeline: Pipeline, skills: SkillTable) -> None:
        self._pipeline, self._skills = pipeline, skills

    def plan(self, text: str) -> tuple[Step, ...]:
        """Two to `MAX_STEPS` steps; none when any clause leaves a doubt. Never raises on the text."""
        clauses = split(text)
        if not 2 <= len(clauses) <= MAX_STEPS or _BEYOND.search(text) or any(map(_FIRST_OF_ALL.search, clauses[1:])):
            return ()
        if self._pipeline.classifier.predict(text).label in NOT_ORDERS:
            return ()
        heard = [self._pipeline.hear(Utterance(clause)) for clause in clauses]
        if all(d.route is not Route.SKILL for d in heard) or any(d.probability < LEAST for d in heard):
            return ()
        steps = []
        for decision in heard:
            said, unclear = slots.read(decision.utterance.text, decision.label)
            if unclear is not None:
                return ()
            try:
                steps.append(checked_step(decision.label, said, self._skills))
            except PlanError:
                return ()
        return tuple(steps)


def split(text: str) -> list[str]:
    """The clauses of an utterance without what joins, orders or softens them."""
    language = "zh" if is_chinese(text) else "en"
    stripped = (_TAIL.sub("", _LEAD[language].sub("", piece.strip())) for piece in _JOINTS[language].split(text))
    return [piece for piece in stripped if piece]
