"""Better weights from reviewed logs: `python -m training.retrain review.jsonl --out build/retrained`.

Goes on from a bundle with its own utterances plus the reviewed ones, which the new bundle keeps: it knows what it was
trained on, and the next retraining learns them too. The new bundle is written only when it passes the gate: on the
validation part it may not lose label accuracy nor act on more utterances that ask for nothing. What was reviewed, and
what is near it, is taken out of the parts that calibrate and measure: nothing is certified on what was trained on.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shadow_intent.bundle import Bundle
from shadow_intent.errors import ShadowIntentError
from shadow_intent.pipeline import Pipeline
from training import evaluate
from training.corpus import Example, Exchange, normalise, read_exchanges, read_parts, split_exchanges, without
from training.export import write_bundle
from training.logs import read_reviewed, reviewed_before
from training.recipe import DEFAULT, Recipe
from training.train import Run

TOLERANCE = 0.3
"""Percentage points of label accuracy or false action that count as noise."""
GENTLE = 0.2
"""Factor on the learning rates: these weights are already trained."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate saw, in percent."""

    accuracy_before: float
    accuracy_after: float
    false_action_before: float
    false_action_after: float

    @property
    def passed(self) -> bool:
        return (
            self.accuracy_after >= self.accuracy_before - TOLERANCE
            and self.false_action_after <= self.false_action_before + TOLERANCE
        )

    def __str__(self) -> str:
        return (
            f"label accuracy {self.accuracy_before:.2f} → {self.accuracy_after:.2f} %, "
            f"false action {self.false_action_before:.2f} → {self.false_action_after:.2f} %"
        )


def compare(old: Bundle, new: Bundle, examples: Sequence[Example]) -> Verdict:
    """Both bundles on the same utterances."""
    results = [
        evaluate.summarise(examples, evaluate.decide(Pipeline.from_bundle(bundle), examples)) for bundle in (old, new)
    ]
    accuracy = [r["label_accuracy"]["percent"] for r in results]
    action = [r["false_action"]["percent"] or 0.0 for r in results]
    return Verdict(accuracy[0], accuracy[1], action[0], action[1])


def with_reviewed(parts: Mapping[str, Sequence[Example]], reviewed: Sequence[Example]) -> dict[str, Sequence[Example]]:
    """The reviewed utterances in `train`; the other parts without them and without their paraphrases."""
    return {"train": [*parts["train"], *reviewed], **without(parts, reviewed)}


def retrain(
    old: Bundle,
    reviewed: Sequence[Example],
    out: Path,
    recipe: Recipe,
    parts: Mapping[str, Sequence[Example]],
    exchanges: Sequence[Exchange],
    steps: int = 0,
) -> Verdict:
    """Trains, exports beside `out` and compares; `out` holds the new bundle only when the verdict passes.

    `parts`: as `training.corpus.read_parts` gives them; `steps`: optimiser steps, 0 for all of the recipe's
    epochs.
    """
    gentle = replace(
        recipe,
        learning_rate=recipe.learning_rate * GENTLE,
        head_learning_rate=recipe.head_learning_rate * GENTLE,
        reply_learning_rate=recipe.reply_learning_rate * GENTLE,
    )
    work = out.with_name(out.name + ".run")
    again = {normalise(e.text) for e in reviewed}
    reviewed = [*(e for e in reviewed_before(old) if normalise(e.text) not in again), *reviewed]
    parts = with_reviewed(parts, reviewed)
    run = Run(gentle, work, parts["train"], split_exchanges(exchanges)["train"], start=old.path, labels=old.labels)
    run.train(steps)
    run.finish()
    candidate = out.with_name(out.name + ".candidate")
    new = write_bundle(work, candidate, gentle, parts, exchanges, reviewed)
    verdict = compare(old, new, parts["validation"])
    if verdict.passed:
        shutil.rmtree(out, ignore_errors=True)
        candidate.replace(out)
    shutil.rmtree(work)
    return verdict


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.retrain", description=__doc__.splitlines()[0])
    parser.add_argument("reviewed", type=Path, help="JSON Lines file from training.logs, reviewed by a person")
    parser.add_argument("--bundle", default="", help="bundle to go on from (default: the shipped one)")
    parser.add_argument("--out", type=Path, default=Path("build/retrained"), help="folder of the new bundle")
    parser.add_argument("--epochs", type=int, default=2, help="passes over all utterances (default: 2)")
    parser.add_argument("--steps", type=int, default=0, help="stop after this many steps (default: no limit)")
    parser.add_argument("--recipe", type=Path, default=DEFAULT, help="recipe file")
    arguments = parser.parse_args()
    try:
        recipe = replace(Recipe.load(arguments.recipe), epochs=arguments.epochs, least_steps=0, reply_epochs=1)
        old, reviewed = Bundle.load(arguments.bundle), read_reviewed(arguments.reviewed)
        parts, exchanges = read_parts(), read_exchanges()
        verdict = retrain(old, reviewed, arguments.out, recipe, parts, exchanges, arguments.steps)
    except (ShadowIntentError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(verdict)
    if not verdict.passed:
        print("refused: the new weights are worse; the old bundle stays", file=sys.stderr)
        return 2
    print(f"{arguments.out}: passed; copy it to the robot and set the parameter `bundle` to it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
