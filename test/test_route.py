"""From a prediction to a decision."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_intent.errors import ConfigError
from shadow_intent.intent import NO_SLOTS, Decision, Prediction, Route, Slots, Source, Utterance
from shadow_intent.route import Policy, route

POLICY = Policy(accept=0.8, accept_stop=0.6, margin=0.2, ignore=0.6)
probabilities = st.floats(0.0, 1.0)


def decide(label: str, probability: float, runner_up: str = "lie_down", second: float = 0.0) -> Decision:
    prediction = Prediction(label, probability, runner_up, second, latency_ms=1.0)
    return route(Utterance("some words"), prediction, NO_SLOTS, POLICY)


def test_a_sure_skill_runs() -> None:
    decision = decide("sit", 0.95)
    assert (decision.route, decision.label, decision.source) == (Route.SKILL, "sit", Source.EDGE)


def test_an_unsure_skill_goes_to_the_cloud_and_says_what_else_it_could_be() -> None:
    decision = decide("sit", 0.79, second=0.1)
    assert decision.route is Route.REMOTE
    assert decision.reason == "unsure: p(sit) = 0.79 < 0.80, next lie_down"
    assert decision.alternatives == ("sit", "lie_down")


@pytest.mark.parametrize(
    ("label", "probability", "runner_up", "second", "alternatives"),
    [
        ("sit", 0.95, "lie_down", 0.02, ()),
        ("sit", 0.5, "lie_down", 0.05, ("sit",)),
        ("sit", 0.5, "remote", 0.4, ("sit",)),
        ("remote", 0.5, "sit", 0.4, ("sit",)),
        ("remote", 0.9, "sit", 0.1, ()),
        ("ignore", 0.5, "sit", 0.4, ("sit",)),
        ("ignore", 0.9, "sit", 0.1, ()),
    ],
)
def test_only_what_is_likely_is_an_alternative(
    label: str, probability: float, runner_up: str, second: float, alternatives: tuple[str, ...]
) -> None:
    assert decide(label, probability, runner_up, second).alternatives == alternatives


@pytest.mark.parametrize(
    ("probability", "reason"),
    [
        (0.97, "p = 0.97 ≥ 0.80"),
        (0.8, "p = 0.80 ≥ 0.80"),
        (0.8004, "p = 0.8004 ≥ 0.8000"),
        (0.7996, "unsure: p(sit) = 0.7996 < 0.8000, next lie_down"),
    ],
)
def test_a_reason_shows_what_was_compared(probability: float, reason: str) -> None:
    assert decide("sit", probability).reason == reason


def test_stop_needs_less_because_it_only_ends_motion() -> None:
    assert decide("stop", 0.65).route is Route.SKILL
    assert decide("damp", 0.65).route is Route.REMOTE
    assert decide("stop", 0.55).route is Route.REMOTE


def test_two_skills_close_together_go_to_the_cloud() -> None:
    policy = Policy(accept=0.4, accept_stop=0.4, margin=0.2)
    prediction = Prediction("sit", 0.5, "lie_down", 0.4, latency_ms=1.0)
    decision = route(Utterance("sit or lie"), prediction, NO_SLOTS, policy)
    assert decision.route is Route.REMOTE
    assert decision.reason == "top two too close: sit 0.50 / lie_down 0.40"


@pytest.mark.parametrize("probability", [0.03, 0.5, 1.0])
def test_an_open_request_needs_no_threshold(probability: float) -> None:
    decision = decide("remote", probability)
    assert decision.route is Route.REMOTE
    assert decision.reason.startswith("probably") == (probability < 0.5)


@pytest.mark.parametrize(
    ("probability", "to", "reason"),
    [
        (0.95, Route.IGNORE, "not addressed to the robot: p = 0.95"),
        (0.6, Route.IGNORE, "not addressed to the robot: p = 0.60"),
        (0.55, Route.REMOTE, "unsure: p(ignore) = 0.55 < 0.60, next lie_down"),
        (0.03, Route.REMOTE, "top two too close: ignore 0.03 / lie_down 0.00"),
    ],
)
def test_what_may_be_meant_for_the_robot_is_not_ignored(probability: float, to: Route, reason: str) -> None:
    decision = decide("ignore", probability)
    assert (decision.route, decision.reason) == (to, reason)


@pytest.mark.parametrize("probability", [0.6, 0.97, 1.0])
def test_without_a_certificate_no_skill_runs_however_sure_the_classifier_is(probability: float) -> None:
    prediction = Prediction("sit", probability, "lie_down", 0.0, latency_ms=1.0)
    decision = route(Utterance("sit"), prediction, NO_SLOTS, replace(POLICY, accept=1.0))
    assert (decision.route, decision.reason) == (
        Route.REMOTE,
        f"no threshold is certified: p(sit) = {probability:.2f}",
    )


def test_what_was_not_read_to_the_end_is_not_done_unless_it_is_a_stop() -> None:
    for label, to in (("sit", Route.REMOTE), ("stop", Route.SKILL)):
        prediction = Prediction(label, 0.99, "lie_down", 0.0, latency_ms=1.0, cut=True)
        assert route(Utterance("sit and so on"), prediction, NO_SLOTS, POLICY).route is to


@given(st.sampled_from(["sit", "remote", "ignore", "stop"]), probabilities, probabilities)
def test_a_skill_never_runs_below_the_threshold_or_within_the_margin(label: str, p: float, second: float) -> None:
    decision = decide(label, p, second=second)
    if decision.route is Route.SKILL:
        assert p >= (POLICY.accept_stop if label == "stop" else POLICY.accept) and p - second >= POLICY.margin
    assert decision.reason


def test_the_decision_keeps_utterance_and_slots() -> None:
    utterance, slots = Utterance("turn left 30 degrees"), Slots(angle_deg=30.0)
    decision = route(utterance, Prediction("turn_left", 0.9, "turn_right", 0.05, 1.0), slots, POLICY)
    assert decision.utterance is utterance and decision.slots is slots


@pytest.mark.parametrize(
    ("label", "least"), [("sit", 0.8), ("damp", 0.8), ("stop", 0.6), ("deny", 0.6), ("ignore", 0.7), ("remote", 0.0)]
)
def test_every_label_decides_from_its_own_threshold(label: str, least: float) -> None:
    assert replace(POLICY, ignore=0.7).least(label) == least


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, "0.5", None])
@pytest.mark.parametrize("name", ["accept", "accept_stop", "margin", "min_asr_confidence"])
def test_a_policy_outside_zero_to_one_is_refused(name: str, value: object) -> None:
    values = {"accept": 0.5, "accept_stop": 0.5, "margin": 0.1, name: value}
    with pytest.raises(ConfigError, match=f"policy {name}: expected a number in"):
        Policy(**values)  # type: ignore[arg-type]
