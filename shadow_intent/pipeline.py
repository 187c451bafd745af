"""One utterance from text to decision: stop first, then the classifier, the slots and the route."""

from __future__ import annotations

import time
from dataclasses import replace

from shadow_intent import memory, slots, stop
from shadow_intent.bundle import Bundle
from shadow_intent.caution import not_anothers, not_forbidden, plain_yes
from shadow_intent.classifier import IntentClassifier
from shadow_intent.intent import MAX_UTTERANCE_CHARS, Decision, Route, Source, Utterance
from shadow_intent.route import STOPPED_FIRST, Policy, asking_back, route, stopped_first
from shadow_intent.skills import SkillTable, load_skills


def hear_stop(utterance: Utterance) -> tuple[stop.Stop | None, Decision | None]:
    """The stop or damp in the text, and the decision when it commands nothing else: no model, no file, no network."""
    start = time.perf_counter()
    found = stop.find(utterance.text)
    if found is None or found.more:
        return found, None
    return found, Decision(
        utterance=utterance,
        route=Route.SKILL,
        label=found.label,
        probability=1.0,
        reason=f"matched {found.label} phrase: {found.phrase}",
        source=Source.STOP,
        latency_ms=(time.perf_counter() - start) * 1e3,
    )


WARM_UP = ("go forward two and a half metres, slowly", "往左转九十度，慢一点", "stop jumping and sit")
"""Heard before the first utterance, which then takes no longer than any other."""


class Pipeline:
    """Everything the robot decides on its own."""

    def __init__(self, classifier: IntentClassifier, policy: Policy, skills: SkillTable) -> None:
        self.classifier = classifier
        self.policy = policy
        self._skills = skills

    @classmethod
    def from_bundle(cls, bundle: Bundle, skills: SkillTable | None = None, threads: int = 1) -> Pipeline:
        """Loads and checks: every label has a skill row, and the stored samples reproduce.

        Raises BundleError or ConfigError.
        """
        skills = skills or load_skills()
        skills.require(bundle.labels)
        classifier = IntentClassifier(bundle, threads)
        classifier.self_check()
        memory.give_back()
        pipeline = cls(classifier, bundle.policy, skills)
        for text in WARM_UP:
            pipeline.hear(Utterance(text))
        return pipeline

    def hear(self, utterance: Utterance) -> Decision:
        """Decides about any text; never raises on its content."""
        start = time.perf_counter()
        found, stopped = hear_stop(utterance)
        decision = stopped or self._unfit(utterance) or self._classify(utterance, found)
        return replace(decision, latency_ms=(time.perf_counter() - start) * 1e3)

    def _unfit(self, utterance: Utterance) -> Decision | None:
        """An ignore for texts that cannot be commands."""
        text, confidence = utterance.text.strip(), utterance.asr_confidence
        if not any(c.isalnum() for c in text):
            reason = "no words in the text"
        elif len(text) > MAX_UTTERANCE_CHARS:
            reason = f"{len(text)} characters, at most {MAX_UTTERANCE_CHARS} are read"
        elif any("\ud800" <= c <= "\udfff" for c in text):
            reason = "a lone surrogate in the text, which is not a character"
        elif confidence is not None and confidence < self.policy.min_asr_confidence:
            reason = f"speech recogniser confidence {confidence:.2f} < {self.policy.min_asr_confidence:.2f}"
        else:
            return None
        return Decision(utterance, Route.IGNORE, "", 0.0, reason, Source.EDGE)

    def _classify(self, utterance: Utterance, found: stop.Stop | None) -> Decision:
        prediction = self.classifier.predict(utterance.text)
        said, unclear = slots.read(utterance.text, prediction.label)
        decision = plain_yes(asking_back(route(utterance, prediction, said, self.policy), unclear))
        decision = not_anothers(not_forbidden(decision, moves=self._skills[prediction.label].exclusive))
        if found is not None and not found.first:
            decision = replace(decision, reason=f"{decision.reason}{STOPPED_FIRST}{found.phrase}")
        return stopped_first(decision, found)
