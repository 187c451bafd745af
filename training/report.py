"""How far the robot's confidence can be trusted: `python -m training.report [BUNDLE] [--out docs/results]`.

On the held-out sets: risk against coverage and reliability, per language and per label, what runs and what runs wrongly
of each label, and a simulation of the guarantee that draws calibration parts again and again. Writes selective.json and
five plots.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from shadow_intent.bundle import Bundle
from shadow_intent.classifier import IntentClassifier
from shadow_intent.errors import ShadowIntentError
from shadow_intent.route import CAUTIOUS, IGNORE, REMOTE
from training import selective
from training.corpus import LANGUAGES, Example
from training.evaluate import cell, held_out, share

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # the backend must be chosen first

BINS, LABEL_BINS = 10, 5
"""Of confidence: of a language, and of a label, of which there is less."""
POINTS, LABEL_POINTS = 200, 24
"""Of a curve of risk against coverage."""
FEWEST = 5
"""Utterances of a bin that is drawn for a label."""
COLUMNS = 7
"""Panels side by side in a figure of every label."""
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


def reliability(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], number: int = BINS
) -> tuple[list[dict[str, float]], float]:
    """Accuracy per bin of confidence, and the expected calibration error (Guo et al. 2017)."""
    bins, error = [], 0.0
    which = np.minimum((confidence * number).astype(int), number - 1)
    for b in range(number):
        inside = which == b
        if inside.any():
            mean, accuracy = float(confidence[inside].mean()), float(right[inside].mean())
            bins.append({"confidence": round(mean, 6), "accuracy": round(accuracy, 6), "n": int(inside.sum())})
            error += float(inside.mean()) * abs(mean - accuracy)
    return bins, error


def curve(
    may: NDArray[np.bool_], wrong: NDArray[np.bool_], confidence: NDArray[np.float64], points: int, bins: int
) -> dict[str, Any]:
    """`risk_coverage`, thinned to so many points, and `reliability`, of some utterances."""
    coverage, risk = risk_coverage(may, wrong, confidence)
    kept = np.unique(np.linspace(0, max(0, len(coverage) - 1), points).astype(int))[: len(coverage)]
    found, error = reliability(confidence, ~wrong, bins)
    return {
        "coverage": coverage[kept].round(5).tolist(),
        "risk": risk[kept].round(6).tolist(),
        "bins": found,
        "calibration_error": round(error, 4),
    }


def study(bundle: Bundle, examples: Sequence[Example]) -> dict[str, Any]:
    """All numbers of one set."""
    targets = np.array([bundle.labels.index(e.label) for e in examples])
    scaled = probabilities(IntentClassifier(bundle), examples)
    may, wrong, confidence = selective.acts_wrong(scaled, targets, bundle.labels)
    acts = may & (confidence >= bundle.policy.accept)
    best = scaled.argmax(1)
    others = np.isin(np.array(bundle.labels)[best], (REMOTE, IGNORE, *CAUTIOUS))
    decided = (may | others) & (confidence >= np.array([bundle.policy.least(label) for label in bundle.labels])[best])
    languages = np.array([e.language for e in examples])
    result: dict[str, Any] = {"simulation": dict(selective.simulate(may, wrong, confidence, REPEATS)), "curves": {}}
    for language in (*LANGUAGES, "all"):
        of = (languages == language) | (language == "all")
        if not of.any():
            continue
        result["curves"][language] = curve(may[of], wrong[of], confidence[of], POINTS, BINS) | {
            "acted": share(int(acts[of].sum()), int(of.sum())),
            "wrong_actions": share(int((acts & wrong)[of].sum()), int(of.sum())),
        }
    result["labels"] = {}
    for i, label in enumerate(bundle.labels):
        asks, taken = targets == i, best == i
        result["labels"][label] = {
            "right": share(int((decided & ~wrong)[asks].sum()), int(asks.sum())),
            "decided": share(int(decided[taken].sum()), int(taken.sum())),
            "wrong": share(int((decided & wrong)[taken].sum()), int(taken.sum())),
            **curve(np.ones(int(taken.sum()), bool), wrong[taken], confidence[taken], LABEL_POINTS, LABEL_BINS),
        }
    return result


def plot(results: dict[str, Any], bundle: Bundle, out: Path) -> None:
    """Five figures: risk_coverage, reliability, labels, label_risk_coverage, label_reliability (.png)."""
    epsilon = bundle.manifest.certificate.get("epsilon", selective.EPSILON)
    figures = {
        "risk_coverage": beside(results, partial(draw_risk, epsilon=epsilon), 4),
        "reliability": beside(results, draw_reliability, 4),
        "labels": beside(results, draw_labels, 9),
        "label_risk_coverage": every_label(results, draw_label_risk),
        "label_reliability": every_label(results, draw_label_reliability),
    }
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png", dpi=100)
        plt.close(figure)


def beside(results: dict[str, Any], draw: Callable[[Axes, dict[str, Any]], None], height: float) -> Figure:
    """The sets side by side, inches high."""
    figure, axes = plt.subplots(1, len(results), figsize=(5 * len(results), height), squeeze=False)
    for axis, (name, result) in zip(axes[0], results.items(), strict=True):
        draw(axis, result)
        axis.set(title=name)
        axis.legend()
    figure.tight_layout()
    return figure


def draw_risk(axis: Axes, result: dict[str, Any], epsilon: float) -> None:
    for language, of in result["curves"].items():
        axis.plot(100 * np.array(of["coverage"]), 100 * np.array(of["risk"]), label=language)
    axis.axhline(100 * epsilon, color="grey", linestyle=":")
    axis.set(xlabel="utterances acted on, %", ylabel="wrong actions, % of all utterances", ylim=(0, 3))


def draw_reliability(axis: Axes, result: dict[str, Any]) -> None:
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":")
    for language, of in result["curves"].items():
        label = f"{language}, error {of['calibration_error']:.3f}"
        axis.plot([b["confidence"] for b in of["bins"]], [b["accuracy"] for b in of["bins"]], marker="o", label=label)
    axis.set(xlabel="confidence", ylabel="accuracy")


def draw_labels(axis: Axes, result: dict[str, Any]) -> None:
    titles = {"right": "decided rightly, of those that ask for it", "wrong": "decided wrongly, of those taken for it"}
    for offset, key, colour in ((0.2, "right", "tab:blue"), (-0.2, "wrong", "tab:red")):
        shares = {label: row[key] for label, row in result["labels"].items() if row[key]["n"]}
        places = [list(result["labels"]).index(label) + offset for label in shares]
        values = np.array([[s["percent"], s["low"], s["high"]] for s in shares.values()]).T
        ends = np.abs(values[1:] - values[0])
        axis.barh(places, values[0], 0.4, xerr=ends, color=colour, ecolor="grey", label=titles[key])
    axis.set(xlabel="%, with 95 % intervals", xlim=(0, 100), ylim=(len(result["labels"]) + 3, -1))
    axis.set_yticks(range(len(result["labels"])), list(result["labels"]), fontsize=7)


def every_label(results: dict[str, Any], draw: Callable[[Axes, dict[str, Any], str, str], None]) -> Figure:
    """A panel for each label, all sets in it."""
    labels = list(next(iter(results.values()))["labels"])
    rows = math.ceil(len(labels) / COLUMNS)
    size = (2.1 * COLUMNS, 2 * rows)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=size, squeeze=False, sharex=True, sharey=True)
    for axis in axes.flat[len(labels) :]:
        axis.set_visible(False)
    for axis, label in zip(axes.flat, labels, strict=False):
        for number, (name, result) in enumerate(results.items()):
            draw(axis, result["labels"][label], name, f"C{number}")
        axis.set_title(label, fontsize=10)
        axis.label_outer()
        if axis.get_legend_handles_labels()[0]:
            axis.legend(loc="upper left", fontsize=7.5, frameon=False, handlelength=0.8, borderaxespad=0.1)
    figure.tight_layout()
    return figure


def draw_label_risk(axis: Axes, row: dict[str, Any], name: str, colour: str) -> None:
    """The dot: at the threshold of the bundle."""
    axis.plot(100 * np.array(row["coverage"]), 100 * np.array(row["risk"]), color=colour)
    if row["decided"]["n"]:
        label = f"{name}: {row['wrong']['hits']} of {row['decided']['hits']}"
        axis.plot(row["decided"]["percent"], row["wrong"]["percent"], "o", color=colour, label=label)
    axis.set(xlim=(0, 105), ylim=(-0.7, 20))
    axis.set_xlabel("decided, % of those\ntaken for the label", fontsize=8)
    axis.set_ylabel("wrong, % of those\ntaken for the label", fontsize=8)


def draw_label_reliability(axis: Axes, row: dict[str, Any], name: str, colour: str) -> None:
    """With 95 % intervals; bins of fewer than `FEWEST` utterances are left out."""
    bins = [b for b in row["bins"] if b["n"] >= FEWEST]
    values = np.array([[v / 100 for v in interval(b)] for b in bins]).reshape(-1, 3).T
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=0.8)
    label = f"{name}: n {row['decided']['n']}, error {row['calibration_error']:.2f}"
    ends = np.abs(values[1:] - values[0])
    axis.errorbar([b["confidence"] for b in bins], values[0], ends, color=colour, marker="o", markersize=3, label=label)
    axis.set(xlim=(0, 1.05), ylim=(0, 1.45), yticks=(0, 0.5, 1))  # above 1: the legend
    axis.set_xlabel("confidence", fontsize=8)
    axis.set_ylabel("accuracy", fontsize=8)


def interval(found: dict[str, float]) -> list[float]:
    """Accuracy of a bin and its 95 % interval, percent."""
    accuracy = share(round(found["accuracy"] * found["n"]), int(found["n"]))
    return [accuracy["percent"], accuracy["low"], accuracy["high"]]


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
    written = {"bundle": bundle.bundle_id, **results}
    (arguments.out / "selective.json").write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    plot(results, bundle, arguments.out)
    print(bundle.manifest.certificate.get("reason", "no certificate"))
    show(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
