"""How far the robot's confidence can be trusted: `python -m training.report [BUNDLE] [--out docs/results]`.

On the held-out sets: risk against coverage, reliability, coverage and wrong actions per label, and a simulation of the
guarantee that draws calibration parts again and again. Writes selective.json and two plots.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from shadow_intent.bundle import Bundle
from shadow_intent.classifier import IntentClassifier
from shadow_intent.errors import ShadowIntentError
from shadow_intent.route import CAUTIOUS
from training import selective
from training.corpus import LANGUAGES, Example
from training.evaluate import cell, held_out, share

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # the backend must be chosen first

BINS = 10
REPEATS = 4000
"""Of the simulation: with 500 a rate of 5 % is only known to within 2 points."""


def probabilities(classifier: IntentClassifier, examples: Sequence[Example]) -> NDArray[np.float64]:
    """(N, C), one-hot where a phrase is matched before the model."""
    rows = []
    for example in track(examples, "hearing", transient=True):
        matched = selective.runs_unasked(example.text)
        rows.append(
            classifier.probabilities(example.text)
            if matched is None
            else np.eye(len(classifier.bundle.labels))[classifier.bundle.labels.index(matched)]
        )
    return np.array(rows)


def risk_coverage(
    may: NDArray[np.bool_], wrong: NDArray[np.bool_], confidence: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of utterances acted on, and of wrong actions among all utterances, from the surest action to the last."""
    order = np.argsort(-confidence[may], kind="stable")
    n = len(confidence)
    return np.arange(1, len(order) + 1) / n, np.cumsum(wrong[may][order]) / n


def reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[list[dict[str, float]], float]:
    """Accuracy per bin of confidence, and the expected calibration error (Guo et al. 2017)."""
    bins, error = [], 0.0
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    for b in range(BINS):
        inside = which == b
        if inside.any():
            mean, accuracy = float(confidence[inside].mean()), float(right[inside].mean())
            bins.append({"confidence": mean, "accuracy": accuracy, "n": int(inside.sum())})
            error += inside.mean() * abs(mean - accuracy)
    return bins, error


def study(bundle: Bundle, examples: Sequence[Example]) -> dict[str, Any]:
    """All numbers of one set."""
    targets = np.array([bundle.labels.index(e.label) for e in examples])
    scaled = probabilities(IntentClassifier(bundle), examples)
    may, wrong, confidence = selective.acts_wrong(scaled, targets, bundle.labels)
    acts = may & (confidence >= bundle.policy.accept)
    best = scaled.argmax(1)
    cautious = np.isin(np.array(bundle.labels)[best], CAUTIOUS) & (confidence >= bundle.policy.accept_stop)
    runs = acts | cautious
    languages = np.array([e.language for e in examples])
    result: dict[str, Any] = {"simulation": dict(selective.simulate(may, wrong, confidence, REPEATS)), "curves": {}}
    for language in (*LANGUAGES, "all"):
        of = (languages == language) | (language == "all")
        if not of.any():
            continue
        coverage, risk = risk_coverage(may[of], wrong[of], confidence[of])
        bins, error = reliability(confidence[of], ~wrong[of])
        step = max(1, len(coverage) // 200)
        result["curves"][language] = {
            "coverage": coverage[::step].round(5).tolist(),
            "risk": risk[::step].round(6).tolist(),
            "bins": bins,
            "calibration_error": round(error, 4),
            "acted": share(int(acts[of].sum()), int(of.sum())),
            "wrong_actions": share(int((acts & wrong)[of].sum()), int(of.sum())),
        }
    result["labels"] = {
        label: {
            "run": share(int((runs & ~wrong)[targets == i].sum()), int((targets == i).sum())),
            "wrong": share(int((runs & wrong)[best == i].sum()), int((best == i).sum())),
        }
        for i, label in enumerate(bundle.labels)
    }
    return result


def plot(results: dict[str, Any], bundle: Bundle, out: Path) -> None:
    """risk_coverage.png, reliability.png and labels.png."""
    figure, axes = plt.subplots(1, len(results), figsize=(5 * len(results), 4), squeeze=False)
    for axis, (name, result) in zip(axes[0], results.items(), strict=True):
        for language, curve in result["curves"].items():
            axis.plot(100 * np.array(curve["coverage"]), 100 * np.array(curve["risk"]), label=language)
        axis.axhline(100 * bundle.manifest.certificate.get("epsilon", selective.EPSILON), color="grey", linestyle=":")
        axis.set(title=name, xlabel="utterances acted on, %", ylabel="wrong actions, % of all utterances", ylim=(0, 3))
        axis.legend()
    figure.tight_layout()
    figure.savefig(out / "risk_coverage.png", dpi=100)
    figure, axes = plt.subplots(1, len(results), figsize=(5 * len(results), 4), squeeze=False)
    for axis, (name, result) in zip(axes[0], results.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="grey", linestyle=":")
        for language, curve in result["curves"].items():
            bins = curve["bins"]
            label = f"{language}, error {curve['calibration_error']:.3f}"
            axis.plot([b["confidence"] for b in bins], [b["accuracy"] for b in bins], marker="o", label=label)
        axis.set(title=name, xlabel="confidence", ylabel="accuracy")
        axis.legend()
    figure.tight_layout()
    figure.savefig(out / "reliability.png", dpi=100)
    figure, axes = plt.subplots(1, len(results), figsize=(5 * len(results), 9), squeeze=False)
    for axis, (name, result) in zip(axes[0], results.items(), strict=True):
        for offset, key, colour in ((0.2, "run", "tab:blue"), (-0.2, "wrong", "tab:red")):
            shares = {label: row[key] for label, row in result["labels"].items() if row[key]["n"]}
            places = [list(result["labels"]).index(label) + offset for label in shares]
            values = np.array([[s["percent"], s["low"], s["high"]] for s in shares.values()]).T
            ends = np.abs(values[1:] - values[0])
            title = {"run": "run, of those that ask for it", "wrong": "run wrongly, of those taken for it"}[key]
            axis.barh(places, values[0], 0.4, xerr=ends, color=colour, ecolor="grey", label=title)
        axis.set(title=name, xlabel="%, with 95 % intervals", xlim=(0, 100))
        axis.set_yticks(range(len(result["labels"])), list(result["labels"]), fontsize=7)
        axis.invert_yaxis()
        axis.legend()
    figure.tight_layout()
    figure.savefig(out / "labels.png", dpi=100)


def show(results: dict[str, Any]) -> None:
    console = Console()
    for name, result in results.items():
        table = Table(title=f"{name}: acting on the robot's own say, 95 % intervals")
        for column in ("", "acted on", "wrong actions", "calibration error"):
            table.add_column(column, justify="right")
        for language, curve in result["curves"].items():
            error = f"{curve['calibration_error']:.3f}"
            table.add_row(language, cell(curve["acted"]), cell(curve["wrong_actions"]), error)
        console.print(table)
        simulation = result["simulation"]
        console.print(
            f"simulation: the risk exceeded its bound in {simulation['exceeded']} of {simulation['repeats']} repeats, "
            f"{simulation['allowed']:.0f} are allowed (p = {simulation['p_value']:.2f}); "
            f"mean risk {simulation['mean_risk']:.3%}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.report", description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", default="", help="bundle folder (default: the shipped one)")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder for selective.json and plots")
    arguments = parser.parse_args()
    try:
        bundle = Bundle.load(arguments.bundle)
        results = {name: study(bundle, examples) for name, examples in held_out(bundle).items() if examples}
    except ShadowIntentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "selective.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    plot(results, bundle, arguments.out)
    print(bundle.manifest.certificate.get("reason", "no certificate"))
    show(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
