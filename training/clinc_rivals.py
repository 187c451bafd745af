"""The classifiers that the recipe is compared with on CLINC150."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from shadow_intent.errors import ConfigError
from training.clinc_data import Clinc
from training.encoder import Encoder, TextClassifier
from training.recipe import Recipe

SIZE = 32
"""Queries of a fine-tuning step."""
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
    encoder = Encoder(Recipe.load(given.recipe).encoder)
    model = LogisticRegression(C=30.0, max_iter=1000, random_state=seed)
    model.fit(encoder.embeddings(data.texts("train")), data.targets("train"))
    return Outcome(lambda texts: np.asarray(model.decision_function(encoder.embeddings(texts))), encoder.megabytes)


def tuned(data: Clinc, seed: int, make: Callable[[], Encoder], epochs: int, rate: float) -> Outcome:
    """An encoder's weights that are not frozen, fine-tuned with a linear head behind them."""
    torch.manual_seed(seed)
    texts = data.texts("train")
    model = TextClassifier(make(), len(data.labels))
    model.fit(texts, data.targets("train").tolist(), epochs * math.ceil(len(texts) / SIZE), SIZE, rate, seed)
    return Outcome(lambda given: np.asarray(model.logits(given).double().numpy()), model.encoder.megabytes)


def peft_shadow(data: Clinc, seed: int, given: argparse.Namespace) -> Outcome:
    """What `peft` detaches, at the recipe's depth, number of passes and peak rate of what starts from the base."""
    recipe = Recipe.load(given.recipe)
    make = partial(PeftShadow, recipe.base, recipe.num_layers)
    return tuned(data, seed, make, recipe.teacher_epochs + recipe.epochs, recipe.teacher_learning_rate)
