"""The recipe on CLINC150, beside the classifiers one would reach for: `python -m training.clinc data_full.json`.

In-scope accuracy over the 150 intents, and how well 1,000 out-of-scope queries are told from them. What was measured
before is kept in the JSON file, so the command may be stopped and repeated. The recipe is the robot's, without what
only the robot's data has: sentences around commands and replies.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.special import logsumexp, softmax
from sklearn.metrics import average_precision_score, roc_auc_score

from shadow_intent.bundle import MODEL, TOKENIZER
from shadow_intent.classifier import session_of, tokenizer_of
from shadow_intent.cloud.base import EMBEDDED
from shadow_intent.errors import ConfigError, ShadowIntentError
from shadow_intent.intent import NO_SLOTS
from training.clinc_data import Clinc
from training.clinc_rivals import Logits, Outcome, embedded_regression, peft_shadow, tfidf, tuned
from training.compare import interval
from training.corpus import Example
from training.encoder import Encoder
from training.encoder_teacher import EncoderTeacher
from training.export import to_onnx
from training.machine import processor
from training.recipe import DEFAULT, Recipe
from training.train import ENCODER, train

OUT_OF_SCOPE = "oos"
ACCEPTED = 0.95
"""Share of in-scope queries at which the recall of out-of-scope ones is read."""


def shadow(data: Clinc, seed: int, given: argparse.Namespace, out_of_scope: bool = False) -> Outcome:
    """The recipe; the detached shadow as ONNX, as the robot runs it."""
    recipe, folder = recipe_of(seed, given), given.out / f"shadow{'_oos' if out_of_scope else ''}_{seed}"
    labels = (*data.labels, OUT_OF_SCOPE) if out_of_scope else data.labels
    run = train(recipe, folder, examples_of(data, out_of_scope), [], labels)
    to_onnx(run.parts.detached(frozen=True), folder / MODEL, recipe.max_tokens)
    run.parts.vocabulary.tokenizer.save(str(folder / TOKENIZER), pretty=False)
    return onnx_outcome(folder, recipe.max_tokens)


def recipe_of(seed: int, given: argparse.Namespace) -> Recipe:
    """The robot's recipe without what only its data has."""
    return replace(Recipe.load(given.recipe), seed=seed, augment=0.0, reply_epochs=0)


def examples_of(data: Clinc, out_of_scope: bool = False) -> list[Example]:
    """The training part, and what is out of scope of it under a label of its own."""
    pairs = [*data.parts["train"], *(data.parts["oos_train"] if out_of_scope else [])]
    return [Example(text, label, "en", NO_SLOTS, f"clinc:{i}") for i, (text, label) in enumerate(pairs)]


def encoder(data: Clinc, seed: int, given: argparse.Namespace) -> Outcome:
    """The sentence encoder that the shadow of this seed learns from."""
    teacher = EncoderTeacher(recipe_of(seed, given), data.labels)
    teacher.learn(given.out / f"shadow_{seed}" / ENCODER, examples_of(data))
    return Outcome(lambda texts: teacher.logits(texts).double().numpy(), teacher.megabytes)


def onnx_outcome(folder: Path, max_tokens: int) -> Outcome:
    """The exported classifier, one query at a time on one thread."""
    model, path = folder / MODEL, folder / TOKENIZER
    tokenizer, session = tokenizer_of(path, max_tokens), session_of(model, threads=1)

    def logits(texts: Sequence[str]) -> Logits:
        rows = []
        for text in texts:
            ids = tokenizer.encode(text, add_special_tokens=False).ids or [0]
            rows.append(session.run(["logits"], {"input_ids": np.array([ids])})[0][0])
        return np.array(rows, dtype=np.float64)

    return Outcome(logits, (model.stat().st_size + path.stat().st_size) / 1e6)


METHODS: dict[str, Callable[[Clinc, int, argparse.Namespace], Outcome]] = {
    "shadow": shadow,
    "shadow, oos_train used": partial(shadow, out_of_scope=True),
    "TF-IDF + linear SVC": tfidf,
    "MiniLM + logistic regression": embedded_regression,
    "MiniLM fine-tuned": encoder,
    "base fine-tuned": lambda data, seed, given: tuned(data, seed, partial(Encoder, EMBEDDED), 2, 5e-5),
    "peft's detached shadow": peft_shadow,
}
FOLLOW_THE_RECIPE = ("shadow", "shadow, oos_train used", "MiniLM fine-tuned", "peft's detached shadow")
"""Of the methods; their rows carry its digest."""


def scores(logits: Logits, intents: int) -> dict[str, NDArray[np.float64]]:
    """What tells in scope (high) from out of scope (low), each (N,); `intents`: how many columns are in scope."""
    inside, probabilities = logits[:, :intents], softmax(logits, axis=1)
    found = {
        "probability": probabilities[:, :intents].max(axis=1),
        "energy": logsumexp(inside, axis=1),
        "logit": inside.max(axis=1),
    }
    return found | ({"not oos": -probabilities[:, intents]} if logits.shape[1] > intents else {})


def told_apart(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> dict[str, float]:
    """AUROC, AUPR of out of scope, and its recall where `ACCEPTED` of the in-scope queries are accepted; percent."""
    is_out = np.repeat([0, 1], [len(inside), len(outside)])
    doubt = -np.concatenate([inside, outside])
    return {
        "auroc": 100 * roc_auc_score(is_out, doubt),
        "aupr": 100 * average_precision_score(is_out, doubt),
        "recall": 100 * float((outside < np.quantile(inside, 1 - ACCEPTED)).mean()),
    }


def measure(data: Clinc, outcome: Outcome) -> dict[str, Any]:
    """The score is chosen on the validation part; everything else is of the test part.

    An in-scope query that a classifier taught out of scope takes for it counts as an error.
    """
    logits = {part: outcome.logits(data.texts(part)) for part in ("val", "oos_val", "test", "oos_test")}
    found = {part: scores(rows, len(data.labels)) for part, rows in logits.items()}
    chosen = max(found["val"], key=lambda name: told_apart(found["val"][name], found["oos_val"][name])["auroc"])
    apart = told_apart(found["test"][chosen], found["oos_test"][chosen])
    accuracy = 100 * float((logits["test"].argmax(axis=1) == data.targets("test")).mean())
    return {"accuracy": accuracy, **apart, "score": chosen, "megabytes": outcome.megabytes}


def show(results: Mapping[str, list[dict[str, Any]]]) -> None:
    """Mean over seeds with a 95 % interval of Student's t."""
    table = Table(
        title="CLINC150: percent, mean over seeds ± 95 %; recall of out of scope at 95 % in scope; "
        "shadow: the robot's recipe without sentences around commands and without replies"
    )
    for column in ("method", "seeds", "in scope", "AUROC", "AUPR", "recall", "score", "MB"):
        table.add_column(column, justify="left" if column in ("method", "score") else "right")
    for method, rows in results.items():
        cells = [_mean([row[key] for row in rows]) for key in ("accuracy", "auroc", "aupr", "recall")]
        scores = ", ".join(sorted({row["score"] for row in rows}))
        table.add_row(method, str(len(rows)), *cells, scores, f"{rows[0]['megabytes']:.1f}")
    Console().print(table)


def _mean(values: Sequence[float]) -> str:
    mean, half = interval(values)
    return f"{mean:.1f}" if math.isnan(half) else f"{mean:.1f} ± {half:.1f}"


def digest(recipe: Recipe) -> str:
    """Names a recipe: 12 hex digits of its SHA-256."""
    return hashlib.sha256(json.dumps(recipe.as_dict(), sort_keys=True).encode()).hexdigest()[:12]


def kept(path: Path, recipe: Path) -> tuple[dict[str, list[dict[str, Any]]], str]:
    """The rows in the JSON file, and the digest of the recipe, which those that follow it must carry.

    Raises ConfigError.
    """
    results: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    own = digest(Recipe.load(recipe))
    for method in FOLLOW_THE_RECIPE:
        for row in results.get(method, ()):
            if (other := row.get("recipe", "of unknown digest")) != own:
                raise ConfigError(
                    f"{path}: {method!r}, seed {row['seed']}, was measured with recipe {other}, but {recipe} is {own}; "
                    "rows of two recipes cannot be compared: give another --json, or the recipe of those rows"
                )
    return results, own


def work(given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Every method with every seed that is not in the JSON file yet. Raises ConfigError, see `kept`."""
    data = Clinc.read(given.data)
    results, recipe = kept(given.json, given.recipe)
    where = {"processor": processor(), "cores": os.cpu_count()}
    for seed, method in product(range(given.seeds), given.methods):
        if any(row["seed"] == seed for row in results.get(method, ())):
            continue
        row = {"seed": seed, **measure(data, METHODS[method](data, seed, given)), **where}
        row |= {"recipe": recipe} if method in FOLLOW_THE_RECIPE else {}
        results.setdefault(method, []).append(row)
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.clinc", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="data_full.json of CLINC150")
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=list(METHODS),
        metavar="METHOD",
        help=f"some of {', '.join(METHODS)} (default: all)",
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--recipe", type=Path, default=DEFAULT, help="recipe file (default: training/recipe.yaml)")
    parser.add_argument("--out", type=Path, default=Path("build/clinc"), help="folder of the runs")
    parser.add_argument("--json", type=Path, default=Path("build/clinc/clinc.json"), help="results, kept and added to")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    try:
        show(work(given))
    except (ShadowIntentError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
