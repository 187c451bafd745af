"""From a prediction to a decision: act, ask the cloud, or do nothing, with the reason."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from shadow_intent.errors import ConfigError
from shadow_intent.intent import Decision, Prediction, Route, Slots, Source, Utterance
from shadow_intent.slots import Unclear
from shadow_intent.speech import sentence
from shadow_intent.stop import Stop

REMOTE, IGNORE = "remote", "ignore"
AFFIRM, DENY, STOP = "affirm", "deny", "stop"
CAUTIOUS = (STOP, DENY)
"""Labels that only ever make the robot do less."""
MORE_LIKELY_THAN_NOT = 0.5
NEVER = 1.0
"""A threshold that no probability reaches, rounding or not."""
LIKELY = 0.1
"""What is less probable is not worth asking the speaker about."""
REFUSED = "refused: "
"""Begins the reason of a skill that does not run because a quantity of it cannot be carried out."""
STOPPED_FIRST = "; stopped first: "
"""In the reason of a command whose words hold a stop, before the phrase: the robot ceased, then does the command."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When the robot trusts itself. Chosen on held-out data by training.selective and stored in the bundle."""

    accept: float
    """A skill runs when its probability is at least this, in [0, 1]; below it the cloud is asked."""
    accept_stop: float
    """The same for `CAUTIOUS` labels, in [0, 1]: to ask first would be the greater risk."""
    margin: float
    """... and leads the runner-up by at least this, in [0, 1]."""
    ignore: float = 0.0
    """What was not meant for the robot, it seems, is ignored when that is at least so probable, in [0, 1]; below it the
    cloud is asked."""
    min_asr_confidence: float = 0.3
    """Below this recogniser confidence, in [0, 1], the words themselves are in doubt: ignored."""

    def __post_init__(self) -> None:
        for name in ("accept", "accept_stop", "margin", "ignore", "min_asr_confidence"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and math.isfinite(value) and 0 <= value <= 1):
                raise ConfigError(f"policy {name}: expected a number in [0, 1], got {value!r}")

    def least(self, label: str) -> float:
        """The probability from which `label` decides what happens, in [0, 1]; `REMOTE` does at any."""
        if label == REMOTE:
            return 0.0
        return self.ignore if label == IGNORE else self.accept_stop if label in CAUTIOUS else self.accept


def route(utterance: Utterance, prediction: Prediction, slots: Slots, policy: Policy) -> Decision:
    """The decision for a classified utterance; its latency is filled in by the pipeline."""
    to, reason = _route(prediction, policy)
    if slots.little:
        reason += "; a little: the smaller default"
    return Decision(
        utterance=utterance,
        route=to,
        label=prediction.label,
        probability=prediction.probability,
        reason=reason,
        source=Source.EDGE,
        slots=slots,
        alternatives=_alternatives(prediction, policy) if to is Route.REMOTE else (),
    )


def asking_back(decision: Decision, unclear: Unclear | None) -> Decision:
    """A skill with a quantity that cannot be carried out as said does not run: the speaker is told what is missing.

    Nor is the cloud asked, which might guess, when the skill itself is more likely than not.
    """
    if unclear is None or decision.route is Route.IGNORE or decision.probability < MORE_LIKELY_THAN_NOT:
        return decision
    reply = unclear.text(decision.utterance.answer_language)
    return replace(decision, route=Route.IGNORE, reason=f"{REFUSED}{unclear.text('en')}", reply=reply, alternatives=())


def stopped_first(decision: Decision, found: Stop | None) -> Decision:
    """Of "stop, then turn left" only the stop is done, and the speaker is told so; otherwise the decision as it is.

    The robot ceased as soon as it heard the words, and whether what follows was meant for now, for later or for
    somebody else is not sure enough to set it in motion again. What the classifier takes for talk or a no stays that.
    """
    if found is None or not found.first or decision.label in CAUTIOUS:
        return decision
    if decision.label == IGNORE:
        return replace(decision, route=Route.IGNORE, alternatives=())
    if decision.route is Route.IGNORE and not decision.reply:
        return decision
    return replace(
        decision,
        route=Route.SKILL,
        label=found.label,
        probability=1.0,
        reason=f"matched {found.label} phrase: {found.phrase}; what follows it is not done",
        source=Source.STOP,
        slots=Slots(),
        alternatives=(),
        reply=sentence("stopped_first", decision.utterance.answer_language),
    )


def _route(p: Prediction, policy: Policy) -> tuple[Route, str]:
    if p.label == REMOTE:
        return Route.REMOTE, f"{_surely(p)}open request: p = {p.probability:.2f}"
    sure = p.probability - p.runner_up_probability >= policy.margin
    least = policy.least(p.label)
    probability, threshold = distinct(p.probability, least)
    if p.label == IGNORE and p.probability >= least:
        return Route.IGNORE, f"{_surely(p)}not addressed to the robot: p = {probability}"
    if not sure:
        close = f"{p.label} {p.probability:.2f} / {p.runner_up} {p.runner_up_probability:.2f}"
        return Route.REMOTE, f"top two too close: {close}"
    if least >= NEVER:
        return Route.REMOTE, f"no threshold is certified: p({p.label}) = {p.probability:.2f}"
    if p.probability < least:
        return Route.REMOTE, f"unsure: p({p.label}) = {probability} < {threshold}, next {p.runner_up}"
    if p.cut and p.label not in CAUTIOUS:
        return Route.REMOTE, f"p({p.label}) = {probability}, but only the beginning was read: it is too long"
    return Route.SKILL, f"p = {probability} ≥ {threshold}"


def _surely(p: Prediction) -> str:
    return "" if p.probability >= MORE_LIKELY_THAN_NOT else "probably "


def _alternatives(p: Prediction, policy: Policy) -> tuple[str, ...]:
    """What the speaker may have meant, should nobody else be able to tell."""
    if p.label == REMOTE and p.probability >= policy.accept:
        return ()
    likely = [(p.label, p.probability), (p.runner_up, p.runner_up_probability)]
    return tuple(label for label, probability in likely if probability >= LIKELY and label not in (REMOTE, IGNORE))


def distinct(a: float, b: float) -> tuple[str, str]:
    """Both with two decimals, or with as many as it takes to tell them apart, at most six."""
    digits = next((n for n in range(2, 6) if a == b or f"{a:.{n}f}" != f"{b:.{n}f}"), 6)
    return f"{a:.{digits}f}", f"{b:.{digits}f}"
