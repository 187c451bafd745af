"""How good a bundle is on utterances it was not trained on: `python -m training.evaluate [BUNDLE]`.

The whole edge pipeline is measured as the robot runs it: stop matcher, ONNX model at batch 1, thresholds, slots.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import binomtest

from shadow_intent import slots
from shadow_intent.bundle import Bundle
from shadow_intent.errors import ShadowIntentError
from shadow_intent.intent import Decision, Route, Utterance
from shadow_intent.pipeline import Pipeline
from shadow_intent.route import IGNORE, REMOTE
from training.corpus import LANGUAGES, Example, read_parts, without
from training.logs import reviewed_before

NOT_SKILLS = (REMOTE, IGNORE)


def share(hits: int, n: int) -> dict[str, Any]:
    """A proportion in percent with its exact (Clopper–Pearson) 95 % interval."""
    if n == 0:
        return {"percent": None, "low": None, "high": None, "hits": 0, "n": 0}
    interval = binomtest(hits, n).proportion_ci(0.95, "exact")
    low, high = (round(100 * float(x), 2) for x in (interval.low, interval.high))
    return {"percent": round(100 * hits / n, 2), "low": low, "high": high, "hits": hits, "n": n}


def fit_temperature(logits: NDArray[Any], targets: NDArray[np.int64]) -> float:
    """Temperature of least negative log-likelihood (Guo et al. 2017). logits (N, C), targets (N,)."""

    def loss(temperature: float) -> float:
        rows = log_softmax(logits / temperature, axis=1)
        return float(-rows[np.arange(len(targets)), targets].mean())

    return float(minimize_scalar(loss, bounds=(0.05, 10.0), method="bounded").x)


def decide(pipeline: Pipeline, examples: Sequence[Example]) -> list[Decision]:
    """What the robot would do with each utterance."""
    return [pipeline.hear(Utterance(e.text, language=e.language)) for e in track(examples, "hearing", transient=True)]


def held_out(bundle: Bundle) -> dict[str, list[Example]]:
    """What the bundle was never trained on, see `training.corpus.read_parts`: `test` and `rare`."""
    parts, reviewed = read_parts(), reviewed_before(bundle)
    held = {name: parts[name] for name in ("test", "rare")}
    return without(held, reviewed) if reviewed else held


def summarise(examples: Sequence[Example], decisions: Sequence[Decision]) -> dict[str, Any]:
    """Label accuracy, false action, coverage and slots of one set of utterances."""
    pairs = list(zip(examples, decisions, strict=True))
    outside = [d for e, d in pairs if e.label in NOT_SKILLS]
    skills = [(e, d) for e, d in pairs if e.label not in NOT_SKILLS]
    acted = [(e, d) for e, d in pairs if d.route is Route.SKILL]
    quantities = [e for e in examples if e.label in slots.CARRIERS]
    return {
        "label_accuracy": share(sum(e.label == d.label for e, d in pairs), len(pairs)),
        "false_action": share(sum(d.route is Route.SKILL for d in outside), len(outside)),
        "skills_run": share(sum(d.route is Route.SKILL and d.label == e.label for e, d in skills), len(skills)),
        "wrong_of_run": share(sum(e.label != d.label for e, d in acted), len(acted)),
        "slots_exact": share(sum(_same(e) for e in quantities), len(quantities)),
    }


def _same(example: Example) -> bool:
    """Every quantity that was said and no other. The data rounds distances and angles."""
    found, said = slots.parse(example.text, example.label).as_dict(), example.slots.as_dict()
    if set(found) != set(said):
        return False
    return all(abs(found[k] - v) <= 0.01 * abs(v) if isinstance(v, float) else found[k] == v for k, v in said.items())


def report(examples: Sequence[Example], decisions: Sequence[Decision]) -> dict[str, Any]:
    """The summary per language and together, recall per label, and the most frequent confusions."""
    pairs = list(zip(examples, decisions, strict=True))
    results: dict[str, Any] = {}
    for language in (*LANGUAGES, "all"):
        chosen = [p for p in pairs if language in (p[0].language, "all")]
        if chosen:
            results[language] = summarise([e for e, _ in chosen], [d for _, d in chosen])
    counts = Counter(e.label for e in examples)
    right = Counter(e.label for e, d in pairs if e.label == d.label)
    results["recall"] = {label: share(right[label], n) for label, n in sorted(counts.items())}
    confusions = Counter((e.label, d.label) for e, d in pairs if e.label != d.label)
    results["confusions"] = [[*pair, n] for pair, n in confusions.most_common(20)]
    return results


def show(title: str, results: Mapping[str, Any]) -> None:
    table = Table(title=title)
    for column in ("", "label accuracy", "false action", "skills run", "wrong of run", "slots exact"):
        table.add_column(column, justify="right")
    for language in (*LANGUAGES, "all"):
        if language in results:
            table.add_row(language, *map(cell, results[language].values()))
    console = Console()
    console.print(table)
    weakest = sorted(results["recall"].items(), key=lambda item: item[1]["percent"])[:6]
    console.print("weakest labels: " + ", ".join(f"{k} {v['percent']:.0f} % of {v['n']}" for k, v in weakest))
    console.print("confused: " + ", ".join(f"{a} → {b or 'nothing'} ({n})" for a, b, n in results["confusions"][:8]))


def cell(part: Mapping[str, Any]) -> str:
    """A share as text, with its interval."""
    return f"{part['percent']:.1f} % [{part['low']:.1f}, {part['high']:.1f}] n={part['n']}" if part["n"] else "–"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", default="", help="bundle folder (default: the shipped one)")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    parser.add_argument("--errors", action="store_true", help="print every utterance with a wrong label")
    arguments = parser.parse_args()
    try:
        bundle = Bundle.load(arguments.bundle)
        pipeline, sets = Pipeline.from_bundle(bundle), held_out(bundle)
    except ShadowIntentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    results = {}
    for name, examples in sets.items():
        if examples:
            decisions = decide(pipeline, examples)
            results[name] = report(examples, decisions)
            show(f"{name}: {len(examples)} utterances never trained on, 95 % intervals", results[name])
        if arguments.errors:
            for e, d in zip(examples, decisions, strict=True):
                if e.label != d.label:
                    print(f"{e.text}\t{e.label} -> {d.label} {d.probability:.2f} {d.route.value}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        written = {"bundle": bundle.bundle_id, **results}
        arguments.json.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
