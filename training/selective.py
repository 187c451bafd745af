"""When the robot may act on its own: an accept threshold with a guarantee.

Learn then Test (Angelopoulos et al., arXiv 2110.01052) with fixed-sequence testing: thresholds are tried from the
strictest down; each is kept while an exact binomial test rejects "the risk is above ε" at level δ, and the first
failure ends the search. On utterances exchangeable with the calibration part the risk of the chosen threshold is then
at most ε with probability at least 1 - δ. The risk is the share of all utterances on which a skill runs that was not
asked for. `stop` and `deny` are not counted, because they only ever make the robot do less, nor are wrong amounts of
the right skill. The threshold below which "not meant for me" is left to the cloud is chosen in the same way: the risk
is that a wish of the robot is dropped.

The calibration part is `rare` (see `training.corpus.split`), on which nothing else is chosen: the validation part, on
which the recipe is, is right more often than utterances drawn in the same way are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom

from shadow_intent import stop
from shadow_intent.route import CAUTIOUS, IGNORE, MORE_LIKELY_THAN_NOT, REMOTE, Policy

EPSILON = 0.005
"""Largest share of utterances that may end in a wrong action."""
EPSILON_DROPPED = 0.01
"""Largest share of utterances that may be wishes and are ignored."""
DELTA = 0.05
"""Probability that the guarantee fails, over the draw of the calibration part."""
THRESHOLDS = np.round(np.arange(0.9995, 0.4995, -0.0005), 4)
"""Candidates, strictest first."""
MARGIN = 0.1
ACCEPT_STOP = 0.6
"""`Policy.margin` and `Policy.accept_stop` of every bundle made here."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was shown about a threshold, or why nothing could be."""

    epsilon: float
    delta: float
    n: int
    """Calibration utterances."""
    wrong: int
    """Wrong actions among them at the chosen threshold."""
    bound: float
    """Clopper–Pearson upper bound on the risk at level 1 - delta."""
    accept: float
    """The chosen threshold; 1 when there is none."""
    valid: bool
    reason: str
    """In words a person understands."""


def acts_wrong(
    probabilities: NDArray[np.float64], targets: NDArray[np.int64], labels: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    """What a threshold decides about, for each of N utterances.

    Args:
        probabilities: (N, C), calibrated.
        targets: (N,), positions in `labels`.

    Returns:
        may act at some threshold (N,), would be wrong (N,), confidence (N,).
    """
    names = np.array(labels)
    best, confidence = probabilities.argmax(1), probabilities.max(1)
    lead = confidence - np.sort(probabilities, axis=1)[:, -2]
    may = ~np.isin(names[best], (REMOTE, IGNORE, *CAUTIOUS)) & (lead >= MARGIN)
    return may, best != targets, confidence


def drops_wrong(
    probabilities: NDArray[np.float64], targets: NDArray[np.int64], labels: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    """The same about ignoring: may be ignored (N,), was meant for the robot (N,), confidence (N,)."""
    ignore = list(labels).index(IGNORE)
    return probabilities.argmax(1) == ignore, targets != ignore, probabilities.max(1)


def runs_unasked(text: str) -> str | None:
    """The label that is carried out whatever the classifier says; None where it decides (see `stop.Stop.more`)."""
    found = stop.find(text)
    return found.label if found and (found.label == "damp" or not found.more or found.first) else None


def certify(
    may: NDArray[np.bool_],
    wrong: NDArray[np.bool_],
    confidence: NDArray[np.float64],
    epsilon: float = EPSILON,
    delta: float = DELTA,
    what: str = "wrong actions (stop and deny apart)",
) -> Certificate:
    """The lowest threshold that fixed-sequence testing keeps; arguments as `acts_wrong` returns them.

    `what` is risked, in words.
    """
    n = len(confidence)
    mistakes = np.sort(confidence[may & wrong])
    errors = len(mistakes) - np.searchsorted(mistakes, THRESHOLDS)  # at each threshold
    p_values = binom.cdf(errors, n, epsilon)  # of "the risk is above epsilon" (Bates et al. 2021)
    kept = int(np.argmin(np.append(p_values <= delta, False)))  # how many before the first failure
    if kept == 0:
        needed = int(np.ceil(np.log(delta) / np.log1p(-epsilon)))
        reason = (
            f"not certified: {n} calibration utterances, {needed} without {what} are needed"
            if n < needed
            else f"not certified: {errors[0]} {what} in {n} even at p >= {THRESHOLDS[0]}"
        )
        return Certificate(epsilon, delta, n, int(errors[0]), 1.0, 1.0, False, reason)
    chosen, k = float(THRESHOLDS[kept - 1]), int(errors[kept - 1])
    reason = f"{what} <= {epsilon:.2%} of utterances with confidence {1 - delta:.0%}: {k} of {n}"
    return Certificate(epsilon, delta, n, k, round(upper_bound(k, n, delta), 6), chosen, True, reason)


def upper_bound(hits: int, n: int, delta: float) -> float:
    """One-sided Clopper–Pearson bound on a proportion."""
    return 1.0 if hits >= n else float(beta.ppf(1 - delta, hits + 1, n - hits))


def policy(acting: Certificate, ignoring: Certificate) -> Policy:
    """The thresholds a bundle carries.

    Without a certificate the robot runs only stop and matched phrases by itself, and ignores what is more likely than
    not talk between people.
    """
    ignore = ignoring.accept if ignoring.valid else MORE_LIKELY_THAN_NOT
    return Policy(accept=acting.accept, accept_stop=ACCEPT_STOP, margin=MARGIN, ignore=ignore)


Chooser = Callable[[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64], float, float], Certificate]
"""Chooses a threshold as `certify` does."""


def simulate(
    may: NDArray[np.bool_],
    wrong: NDArray[np.bool_],
    confidence: NDArray[np.float64],
    repeats: int = 500,
    seed: int = 0,
    epsilon: float = EPSILON,
    delta: float = DELTA,
    choose: Chooser = certify,
) -> Mapping[str, Any]:
    """Does the bound hold? Takes the utterances as the whole world, draws calibration parts from it and counts.

    Every repeat draws as many utterances as there are, with replacement, chooses a threshold on them, and compares the
    true risk in that world with epsilon.
    """
    rng = np.random.default_rng(seed)
    n, risks, coverages, refused = len(confidence), [], [], 0
    for _ in range(repeats):
        drawn = rng.integers(n, size=n)
        certificate = choose(may[drawn], wrong[drawn], confidence[drawn], epsilon, delta)
        refused += not certificate.valid
        acts = may & (confidence >= certificate.accept)
        risks.append(float((acts & wrong).mean()))
        coverages.append(float(acts.mean()))
    exceeded = int((np.array(risks) > epsilon).sum())
    return {
        "repeats": repeats,
        "calibration_n": n,
        "exceeded": exceeded,
        "allowed": delta * repeats,
        "p_value": float(binom.sf(exceeded - 1, repeats, delta)),
        "refused": refused,
        "mean_risk": float(np.mean(risks)),
        "largest_risk": float(np.max(risks)),
        "mean_coverage": float(np.mean(coverages)),
    }
