"""The recipe on CLINC150, beside the classifiers one would reach for: `python -m training.clinc data_full.json`.

In-scope accuracy over the 150 intents, and how well 1,000 out-of-scope queries are told from them. What was measured
before is kept in the JSON file, so the command may be stopped and repeated. The recipe is the robot's, without what
only the robot's data has: sentences around commands and replies.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.special import logsumexp, softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

from shadow_intent.bundle import MODEL, TOKENIZER
from shadow_intent.classifier import session_of, tokenizer_of
from shadow_intent.cloud.base import EMBEDDED, load_base, load_tokenizer
from shadow_intent.errors import ShadowIntentError
from shadow_intent.intent import NO_SLOTS
from shadow_intent.shadow import pool
from shadow_intent.shadow.decoders import decoder_of
from training.clinc_data import Clinc, Pairs
from training.compare import interval
from training.corpus import Example
from training.export import to_onnx
from training.recipe import DEFAULT, Recipe
from training.train import train

OUT_OF_SCOPE = "oos"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
ACCEPTED = 0.95
"""Share of in-scope queries at which the recall of out-of-scope ones is read."""
Logits = NDArray[np.float64]
"""(N, 150)"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trained classifier."""

    logits: Callable[[Sequence[str]], Logits]
    megabytes: float
    """What it takes to run it."""


def shadow(data: Clinc, seed: int, given: argparse.Namespace, out_of_scope: bool = False) -> Outcome:
    """The recipe; the detached shadow as ONNX, as the robot runs it."""
    recipe = replace(Recipe.load(given.recipe), seed=seed, augment=0.0, reply_epochs=0)
    pairs = [*data.parts["train"], *(data.parts["oos_train"] if out_of_scope else [])]
    examples = [Example(text, label, "en", NO_SLOTS, f"clinc:{i}") for i, (text, label) in enumerate(pairs)]
    labels = (*data.labels, OUT_OF_SCOPE) if out_of_scope else data.labels
    folder = given.out / f"shadow{'_oos' if out_of_scope else ''}_{seed}"
    run = train(recipe, folder, examples, [], labels)
    to_onnx(run.parts.detached(frozen=True), folder / MODEL, recipe.max_tokens)
    run.parts.vocabulary.tokenizer.save(str(folder / TOKENIZER))
    return onnx_outcome(folder, recipe.max_tokens, len(data.labels))


def onnx_outcome(folder: Path, max_tokens: int, labels: int) -> Outcome:
    """The exported classifier, one query at a time on one thread."""
    model, path = folder / MODEL, folder / TOKENIZER
    tokenizer, session = tokenizer_of(path, max_tokens), session_of(model, threads=1)

    def logits(texts: Sequence[str]) -> Logits:
        rows = []
        for text in texts:
            ids = tokenizer.encode(text, add_special_tokens=False).ids or [0]
            rows.append(session.run(["logits"], {"input_ids": np.array([ids])})[0][0, :labels])
        return np.array(rows, dtype=np.float64)

    return Outcome(logits, (model.stat().st_size + path.stat().st_size) / 1e6)


def tfidf(data: Clinc, seed: int, given: argparse.Namespace) -> Outcome:
    """Words and characters, and a linear support vector machine."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    model = make_pipeline(make_union(words, characters), LinearSVC(random_state=seed))
    model.fit(data.texts("train"), data.targets("train"))
    weights = model[-1].coef_.nbytes / 2  # as float32
    return Outcome(lambda texts: np.asarray(model.decision_function(texts)), weights / 1e6)


class Encoder(nn.Module):
    """A pretrained encoder, or decoder, with mean pooling."""

    def __init__(self, name: str) -> None:
        super().__init__()
        embedded = name == EMBEDDED
        self.tokenizer: Any = load_tokenizer(name) if embedded else AutoTokenizer.from_pretrained(name)
        self.model: Any = decoder_of(load_base(name)) if embedded else AutoModel.from_pretrained(name)
        self.tokenizer.pad_token = self.tokenizer.pad_token or self.tokenizer.eos_token

    def forward(self, texts: Sequence[str]) -> Tensor:
        """(N, d)"""
        rows = self.tokenizer(list(texts), padding=True, truncation=True, max_length=64, return_tensors="pt")
        rows.pop("token_type_ids", None)
        return pool(self.model(**rows).last_hidden_state, rows["attention_mask"], "mean")

    @torch.no_grad()
    def embeddings(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, d) of length 1."""
        self.eval()
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        found = np.concatenate(
            [F.normalize(self([texts[i] for i in order[n : n + 64]])).numpy() for n in range(0, len(order), 64)]
        )
        return found[np.argsort(order)]

    @property
    def megabytes(self) -> float:
        return sum(weight.numel() * 4 for weight in self.parameters()) / 1e6


def embedded_regression(data: Clinc, seed: int, given: argparse.Namespace) -> Outcome:
    """Frozen sentence embeddings and logistic regression."""
    encoder = Encoder(given.minilm)
    model = LogisticRegression(C=30.0, max_iter=1000, random_state=seed)
    model.fit(encoder.embeddings(data.texts("train")), data.targets("train"))
    return Outcome(lambda texts: np.asarray(model.decision_function(encoder.embeddings(texts))), encoder.megabytes)


def tuned(data: Clinc, seed: int, given: argparse.Namespace, name: str, epochs: int, rate: float) -> Outcome:
    """Every weight of an encoder fine-tuned behind a linear head."""
    torch.manual_seed(seed)
    encoder = Encoder(name).requires_grad_(True).train()
    pairs, size = data.parts["train"], 32
    head = nn.Linear(encoder.model.config.hidden_size, len(data.labels))
    groups = [{"params": encoder.parameters(), "lr": rate}, {"params": head.parameters(), "lr": 1e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    steps = epochs * math.ceil(len(pairs) / size)
    warm = max(1, steps // 16)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(1.0, (n + 1) / warm) * (1 - n / steps))
    for batch in track(_batches(pairs, size, epochs, seed), f"{name}, seed {seed}", total=steps, transient=True):
        targets = torch.tensor([data.labels.index(label) for _, label in batch])
        logits = head(F.dropout(encoder([text for text, _ in batch]), 0.1))
        F.cross_entropy(logits, targets, label_smoothing=0.1).backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
    encoder.eval()

    @torch.no_grad()
    def logits_of(texts: Sequence[str]) -> Logits:
        return np.concatenate([head(encoder(texts[i : i + 64])).double().numpy() for i in range(0, len(texts), 64)])

    return Outcome(logits_of, encoder.megabytes)


def _batches(pairs: Pairs, size: int, epochs: int, seed: int) -> Iterator[Pairs]:
    """Batches of similar length, shuffled."""
    generator = np.random.default_rng(seed)
    for _ in range(epochs):
        rough = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + generator.integers(20))
        starts = np.arange(0, len(rough), size)
        generator.shuffle(starts)
        for start in starts:
            yield [pairs[i] for i in rough[start : start + size]]


METHODS: dict[str, Callable[[Clinc, int, argparse.Namespace], Outcome]] = {
    "shadow": shadow,
    "shadow, oos_train used": partial(shadow, out_of_scope=True),
    "TF-IDF + linear SVC": tfidf,
    "MiniLM + logistic regression": embedded_regression,
    "MiniLM fine-tuned": lambda data, seed, given: tuned(data, seed, given, given.minilm, 5, 1e-4),
    "base fine-tuned": lambda data, seed, given: tuned(data, seed, given, EMBEDDED, 2, 5e-5),
}
SCORES: dict[str, Callable[[Logits], NDArray[np.float64]]] = {
    "probability": lambda logits: softmax(logits, axis=1).max(axis=1),
    "energy": lambda logits: logsumexp(logits, axis=1),
    "logit": lambda logits: logits.max(axis=1),
}
"""What tells in scope (high) from out of scope (low)."""


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
    """The score is chosen on the validation part; everything else is of the test part."""
    logits = {part: outcome.logits(data.texts(part)) for part in ("val", "oos_val", "test", "oos_test")}
    chosen = max(SCORES, key=lambda n: told_apart(*(SCORES[n](logits[p]) for p in ("val", "oos_val")))["auroc"])
    apart = told_apart(*(SCORES[chosen](logits[p]) for p in ("test", "oos_test")))
    accuracy = 100 * float((logits["test"].argmax(axis=1) == data.targets("test")).mean())
    return {"accuracy": accuracy, **apart, "score": chosen, "megabytes": outcome.megabytes}


def show(results: Mapping[str, list[dict[str, Any]]]) -> None:
    """Mean over seeds with a 95 % interval of Student's t."""
    table = Table(title="CLINC150: percent, mean over seeds ± 95 %; recall of out of scope at 95 % in scope")
    for column in ("method", "seeds", "in scope", "AUROC", "AUPR", "recall", "score", "MB", "s"):
        table.add_column(column, justify="left" if column in ("method", "score") else "right")
    for method, rows in results.items():
        cells = [_mean([row[key] for row in rows]) for key in ("accuracy", "auroc", "aupr", "recall")]
        scores = ", ".join(sorted({row["score"] for row in rows}))
        seconds = statistics.mean(row["seconds"] for row in rows)
        table.add_row(method, str(len(rows)), *cells, scores, f"{rows[0]['megabytes']:.1f}", f"{seconds:.0f}")
    Console().print(table)


def _mean(values: Sequence[float]) -> str:
    mean, half = interval(values)
    return f"{mean:.1f}" if math.isnan(half) else f"{mean:.1f} ± {half:.1f}"


def work(given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Every method with every seed that is not in the JSON file yet."""
    data = Clinc.read(given.data)
    results = json.loads(given.json.read_text(encoding="utf-8")) if given.json.is_file() else {}
    for seed, method in product(range(given.seeds), given.methods):
        if any(row["seed"] == seed for row in results.get(method, ())):
            continue
        start = time.perf_counter()
        outcome = METHODS[method](data, seed, given)
        seconds = time.perf_counter() - start
        results.setdefault(method, []).append({"seed": seed, **measure(data, outcome), "seconds": seconds})
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.clinc", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="data_full.json of CLINC150")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--recipe", type=Path, default=DEFAULT, help="recipe file (default: training/recipe.yaml)")
    parser.add_argument("--minilm", default=MINILM, help=f"folder or Hugging Face id (default: {MINILM})")
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
