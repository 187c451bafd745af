"""Whom the narrow shadow learns from beside the labels: wide shadows, and a sentence encoder in its languages."""

from __future__ import annotations

from collections.abc import Sequence
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


class Teachers:
    """True when there are any."""

    def __init__(
        self,
        folders: Sequence[Path],
        base: PreTrainedModel,
        encoder: EncoderTeacher | None,
        examples: Sequence[Example],
        threads: RowThreads,
    ) -> None:
        """`folders`: parts of wide shadows, cut from `base`. `examples`: what comes in every pass."""
        wide = [Parts.load(folder, base).detached(frozen=True) for folder in folders]
        self.wide: list[DetachedShadow] = [teacher.eval().requires_grad_(False) for teacher in wide]
        self._encoder, self._examples, self._threads = encoder, examples, threads
        self._read: dict[str, Tensor] = {}
        self._made: dict[str, Tensor] = {}

    def __bool__(self) -> bool:
        return bool(self.wide)

    def read(self, made: Sequence[Example]) -> None:
        """Lets the encoder read what comes in every pass, once, and what was made for this one only."""
        if self._encoder:
            self._read = self._read or self._encoder.told(self._examples)
            self._made = self._encoder.told(made)

    @torch.no_grad()
    def logits(self, batch: Utterances) -> Tensor:
        """(B, C), of the mean of the probabilities."""
        said = [self._threads.run(teacher, batch.input_ids, batch.attention_mask) for teacher in self.wide]
        mean = mean_of(said)
        told = [self._read.get(text, self._made.get(text)) for text in batch.texts]
        if rows := [n for n, one in enumerate(told) if one is not None]:
            mean = mean.clone()
            mean[rows] = mean_of([*(one[rows] for one in said), torch.stack([one for one in told if one is not None])])
        return mean


def mean_of(logits: Sequence[Tensor]) -> Tensor:
    """Logits (B, C) of the mean of several classifiers' probabilities; those of the only one as they are."""
    if len(logits) == 1:
        return logits[0]
    return torch.logsumexp(torch.stack([F.log_softmax(one, dim=-1) for one in logits]), dim=0)
