"""A sentence encoder, fine-tuned on the utterances in its languages: it knows words that no utterance holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from shadow_intent.errors import ShadowIntentError
from training.corpus import Example, digest
from training.encoder import Encoder, TextClassifier
from training.recipe import Recipe

WEIGHTS, MADE_OF = "weights.safetensors", "made_of.json"
OWN = ("encoder", "encoder_languages", "encoder_steps", "encoder_learning_rate", "seed", "batch_size")
"""What it takes from the recipe."""


class EncoderTeacher:
    """Says what it makes of texts in the encoder's languages."""

    def __init__(self, recipe: Recipe, labels: Sequence[str]) -> None:
        """Raises ConfigError when the encoder cannot be had."""
        torch.manual_seed(recipe.seed)
        self._recipe, self._labels = recipe, labels
        self._model = TextClassifier(Encoder(recipe.encoder), len(labels))

    def learn(self, folder: Path, examples: Sequence[Example]) -> None:
        """Trains and keeps the weights in `folder`, or takes those that are there.

        Raises ShadowIntentError when they are of other data or of another recipe, or when there is nothing to learn.
        """
        r, recipe = self._recipe, self._recipe.as_dict()
        made_of = {key: recipe[key] for key in OWN} | {"labels": list(self._labels), "data": digest(examples, ())}
        if (folder / MADE_OF).is_file():
            if json.loads((folder / MADE_OF).read_text(encoding="utf-8")) != made_of:
                raise ShadowIntentError(f"{folder} is of another recipe or of other data; remove it or give another")
            self._model.load_state_dict(load_file(folder / WEIGHTS))
            return
        known = [example for example in examples if self.reads(example)]
        if not known:
            raise ShadowIntentError(f"no utterance is in a language of the encoder: {', '.join(r.encoder_languages)}")
        texts, targets = [e.text for e in known], [self._labels.index(e.label) for e in known]
        self._model.fit(texts, targets, r.encoder_steps, r.batch_size, r.encoder_learning_rate, r.seed)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self._model.state_dict(), folder / WEIGHTS)
        (folder / MADE_OF).write_text(json.dumps(made_of), encoding="utf-8")

    def logits(self, texts: Sequence[str]) -> Tensor:
        """(N, C)"""
        return self._model.logits(texts)

    def told(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Logits (N, C), and the pooled features (N, d) they come from."""
        return self._model.told(texts)

    @property
    def width(self) -> int:
        """d, of the features."""
        return int(self._model.head.in_features)

    def reads(self, example: Example) -> bool:
        """Whether the text is in one of its languages."""
        return example.language in self._recipe.encoder_languages

    @property
    def megabytes(self) -> float:
        return self._model.encoder.megabytes
