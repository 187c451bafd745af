"""The classifiers that the recipe is compared with on CLINC150."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from shadow_intent.cloud.base import EMBEDDED, load_base, load_tokenizer
from shadow_intent.errors import ConfigError
from shadow_intent.shadow import pool
from shadow_intent.shadow.decoders import decoder_of
from training.batches import similar_lengths
from training.clinc_data import Clinc, Pairs
from training.onednn import OneDnn
from training.recipe import Recipe

Logits = NDArray[np.float64]
"""(N, 150), or (N, 151) with out of scope last where a classifier was taught it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trained classifier."""

    logits: Callable[[Sequence[str]], Logits]
    megabytes: float
    """What it takes to run it."""


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
        self.requires_grad_(True)

    def rows(self, texts: Sequence[str]) -> Any:
        """input_ids and attention_mask, both (N, T)."""
        rows = self.tokenizer(list(texts), padding=True, truncation=True, max_length=64, return_tensors="pt")
        rows.pop("token_type_ids", None)
        return rows

    def forward(self, texts: Sequence[str]) -> Tensor:
        """(N, d)"""
        rows = self.rows(texts)
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


class PeftShadow(Encoder):
    """The shadow that `peft` detaches from a base: fresh blocks over the frozen token table, the last token pooled."""

    def __init__(self, base: str, layers: int) -> None:
        """Raises ConfigError without `peft`."""
        try:
            import peft
        except ImportError as error:
            raise ConfigError("peft's shadow comes from peft: pip install '.[test]'") from error
        super().__init__(base)
        whole = AutoModelForSequenceClassification.from_config(deepcopy(self.model.config))
        whole.model = self.model
        config = peft.ShadowConfig(task_type="SEQ_CLS", shadow_num_hidden_layers=layers)
        tuner: Any = peft.get_peft_model(whole, config).base_model
        self.model = tuner.unload_shadow(copy=True)
        self.model.head = nn.Identity()  # the linear head of `tuned` takes its place
        self.requires_grad_(True)
        self.model.get_input_embeddings().requires_grad_(False)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """(N, d)"""
        pooled: Tensor = self.model(**self.rows(texts)).logits
        return pooled


def embedded_regression(data: Clinc, seed: int, given: argparse.Namespace) -> Outcome:
    """Frozen sentence embeddings and logistic regression."""
    encoder = Encoder(given.minilm)
    model = LogisticRegression(C=30.0, max_iter=1000, random_state=seed)
    model.fit(encoder.embeddings(data.texts("train")), data.targets("train"))
    return Outcome(lambda texts: np.asarray(model.decision_function(encoder.embeddings(texts))), encoder.megabytes)


def tuned(data: Clinc, seed: int, make: Callable[[], Encoder], epochs: int, rate: float) -> Outcome:
    """An encoder's weights that are not frozen, fine-tuned with a linear head behind them."""
    torch.manual_seed(seed)
    encoder = make().train()
    weights = [weight for weight in encoder.parameters() if weight.requires_grad]
    pairs, size = data.parts["train"], 32
    head = nn.Linear(encoder.model.config.hidden_size, len(data.labels))
    groups = [{"params": weights, "lr": rate}, {"params": head.parameters(), "lr": 1e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    steps = epochs * math.ceil(len(pairs) / size)
    warm = max(1, steps // 16)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(1.0, (n + 1) / warm) * (1 - n / steps))
    for batch in track(_batches(pairs, size, epochs, seed), f"fine-tuning, seed {seed}", total=steps, transient=True):
        targets = torch.tensor([data.labels.index(label) for _, label in batch])
        with OneDnn():
            logits = head(F.dropout(encoder([text for text, _ in batch]), 0.1))
        F.cross_entropy(logits, targets, label_smoothing=0.1).backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
    encoder.eval()

    @torch.no_grad()
    def logits_of(texts: Sequence[str]) -> Logits:
        return np.concatenate([head(encoder(texts[i : i + 64])).double().numpy() for i in range(0, len(texts), 64)])

    return Outcome(logits_of, encoder.megabytes)


def peft_shadow(data: Clinc, seed: int, given: argparse.Namespace) -> Outcome:
    """What `peft` detaches, at the recipe's depth, number of passes and peak rate."""
    recipe = Recipe.load(given.recipe)
    make = partial(PeftShadow, recipe.base, recipe.num_layers)
    return tuned(data, seed, make, recipe.teacher_epochs + recipe.epochs, recipe.learning_rate)


def _batches(pairs: Pairs, size: int, epochs: int, seed: int) -> Iterator[Pairs]:
    """Batches of similar length, shuffled."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in similar_lengths([len(text) for text, _ in pairs], size, generator):
            yield [pairs[n] for n in batch]
