"""The guarantee on wrong actions: exact bounds, refusal without data, and a simulation that it holds."""

import numpy as np
import pytest
from scipy.stats import binomtest

from training.selective import (
    THRESHOLDS,
    Certificate,
    acts_wrong,
    certify,
    drops_wrong,
    policy,
    runs_unasked,
    simulate,
    upper_bound,
)

World = tuple[np.ndarray, np.ndarray, np.ndarray]


def world(n: int, seed: int = 0, noise: float = 0.3) -> World:
    """Utterances whose action is wrong with probability noise * (1 - confidence)."""
    rng = np.random.default_rng(seed)
    confidence = rng.beta(5, 1, n)
    wrong = rng.random(n) < noise * (1 - confidence)
    return np.ones(n, bool), wrong, confidence


@pytest.mark.parametrize(("hits", "n"), [(0, 600), (3, 1000), (17, 5000)])
def test_the_bound_is_clopper_pearson(hits: int, n: int) -> None:
    exact = binomtest(hits, n).proportion_ci(0.9, "exact").high  # two-sided 90 % is one-sided 95 %
    assert upper_bound(hits, n, 0.05) == pytest.approx(exact)


def test_the_chosen_threshold_meets_the_bound_and_the_next_one_does_not() -> None:
    may, wrong, confidence = world(8000)
    certificate = certify(may, wrong, confidence)
    assert certificate.valid and certificate.bound <= certificate.epsilon
    following = THRESHOLDS[list(THRESHOLDS).index(certificate.accept) + 1]
    assert upper_bound(int((wrong & (confidence >= following)).sum()), len(wrong), 0.05) > certificate.epsilon


def test_the_guarantee_holds_in_simulation() -> None:
    result = simulate(*world(3000), repeats=500)
    assert result["exceeded"] <= result["allowed"] + 3 * np.sqrt(result["allowed"])
    assert result["mean_coverage"] > 0.1


def empirical(may: np.ndarray, wrong: np.ndarray, confidence: np.ndarray, epsilon: float, delta: float) -> Certificate:
    """The largest coverage at which the risk seen is at most epsilon, without regard to chance."""
    mistakes = np.sort(confidence[may & wrong])
    errors = len(mistakes) - np.searchsorted(mistakes, THRESHOLDS)
    last = int(np.flatnonzero(errors <= epsilon * len(wrong))[-1])
    return Certificate(epsilon, delta, len(wrong), int(errors[last]), 1.0, float(THRESHOLDS[last]), True, "untested")


def test_a_chooser_without_a_bound_fails_the_simulation() -> None:
    result = simulate(*world(3000), repeats=200, choose=empirical)
    assert result["exceeded"] > 4 * result["allowed"]


def test_too_few_utterances_are_not_certified() -> None:
    certificate = certify(*world(500))
    assert not certificate.valid and certificate.accept == 1.0 and "598" in certificate.reason
    thresholds = policy(certificate, certificate)
    assert (thresholds.accept, thresholds.ignore) == (1.0, 0.5)


def test_a_model_that_is_sure_and_wrong_is_not_certified() -> None:
    n = 4000
    certificate = certify(np.ones(n, bool), np.arange(n) % 50 == 0, np.ones(n))
    assert not certificate.valid and "80 wrong actions" in certificate.reason


def test_a_wish_that_is_taken_for_talk_counts_against_ignoring() -> None:
    labels = ["sit", "ignore"]
    may, wrong, confidence = drops_wrong(np.array([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]]), np.array([0, 1, 1]), labels)
    assert (may.tolist(), wrong.tolist()) == ([True, True, False], [True, False, False])
    assert confidence.tolist() == [0.9, 0.8, 0.7]


@pytest.mark.parametrize(
    ("text", "label"),
    [("stop", "stop"), ("stop, then turn left", "stop"), ("坐着别动", None), ("sit", None), ("motors off", "damp")],
)
def test_only_what_the_stop_matcher_decides_alone_needs_no_classifier(text: str, label: str | None) -> None:
    assert runs_unasked(text) == label


def test_only_skills_that_make_the_robot_do_more_count_as_actions() -> None:
    labels = ["sit", "stop", "deny", "remote", "ignore"]
    may, wrong, confidence = acts_wrong(np.eye(5) * 0.9 + 0.02, np.array([1, 0, 0, 0, 0]), labels)
    assert may.tolist() == [True, False, False, False, False] and wrong.all()
    assert confidence == pytest.approx(np.full(5, 0.92))


def test_a_certificate_says_what_it_promises() -> None:
    certificate: Certificate = certify(*world(8000))
    assert "0.50%" in certificate.reason and "95%" in certificate.reason and "of 8000" in certificate.reason
