"""Whom the narrow shadow learns from beside the labels: wide shadows, and a sentence encoder in its languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from shadow_intent.shadow import DetachedShadow
from training.batches import Utterances
from training.corpus import Example
from training.encoder_teacher import EncoderTeacher
from training.parts import Parts
from training.rows import RowThreads


@dataclass(frozen=True, slots=True)
class Told:
    """What the teachers make of a text."""

    logits: Tensor
    """(C,), of the mean of their probabilities."""
    features: Tensor | None
    """(d,), the encoder's, where it reads the text's language."""


class Teachers:
    """True when there are any."""

    def __init__(
        self,
        folders: Sequence[Path],
        base: PreTrainedModel,
        encoder: EncoderTeacher | None,
        batches: Callable[[Sequence[Example]], Iterable[Utterances]],
        threads: RowThreads,
    ) -> None:
        """`folders`: parts of wide shadows, cut from `base`. `batches`: how examples are read, each once."""
        wide = [Parts.load(folder, base).detached(frozen=True) for folder in folders]
        self.wide: list[DetachedShadow] = [teacher.eval().requires_grad_(False) for teacher in wide]
        self.encoder, self._batches, self._threads = encoder, batches, threads
        self._known: dict[str, Told] = {}
        self._made: dict[str, Told] = {}

    def __bool__(self) -> bool:
        return bool(self.wide)

    def read(self, examples: Sequence[Example], made: Sequence[Example]) -> None:
        """Reads whole what comes in every pass, the first time, and what was made for this one only."""
        if not self:
            return
        self._known = self._known or self._told(examples)
        self._made = self._told([example for example in made if example.text not in self._known])

    @torch.no_grad()
    def _told(self, examples: Sequence[Example]) -> dict[str, Told]:
        encoder = self.encoder
        own = sorted({e.text for e in examples if encoder and encoder.reads(e)})
        read = dict(zip(own, zip(*encoder.told(own), strict=True), strict=True)) if encoder and own else {}
        told = {}
        for batch in self._batches(examples):
            said = [self._threads.run(teacher, batch.input_ids, batch.attention_mask) for teacher in self.wide]
            for text, *wide in zip(batch.texts, *said, strict=True):
                logits, features = read.get(text, (None, None))
                told[text] = Told(mean_of([*wide, logits] if logits is not None else wide), features)
        return told

    def of(self, batch: Utterances) -> list[Told]:
        """What they make of its texts, which were read."""
        return [self._known.get(text) or self._made[text] for text in batch.texts]


def mean_of(logits: Sequence[Tensor]) -> Tensor:
    """Logits (…, C) of the mean of several classifiers' probabilities; those of the only one as they are."""
    if len(logits) == 1:
        return logits[0]
    return torch.logsumexp(torch.stack([F.log_softmax(one, dim=-1) for one in logits]), dim=0)


def feature_distance(projected: Tensor, told: Sequence[Told]) -> Tensor:
    """1 - cosine between the student's features, (B, d), and the encoder's of those texts it reads: their share of the
    mean over the batch, a scalar."""
    rows = [n for n, one in enumerate(told) if one.features is not None]
    if not rows:
        return projected.new_zeros(())
    wanted = torch.stack([one.features for one in told if one.features is not None])
    return (1 - F.cosine_similarity(projected[rows], wanted, dim=-1)).sum() / len(told)
