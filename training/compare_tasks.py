"""What the methods are compared on: intents of CLINC150, and our requests with their plans and replies."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shadow_intent.cloud import plan
from shadow_intent.errors import PlanError
from shadow_intent.shadow.loss import IGNORE
from shadow_intent.skills import load_skills
from training.batches import pad_left, similar_lengths
from training.clinc_data import Clinc
from training.corpus import Exchange, read_exchanges, split_exchanges

LONGEST = 48
"""Tokens of an utterance."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows padded on the left."""

    input_ids: Tensor
    """(B, T)"""
    attention_mask: Tensor
    """(B, T)"""
    labels: Tensor
    """(B,) classes, or (B, T) tokens of the answer with `IGNORE` elsewhere."""


def _positions(lengths: Sequence[int], size: int, seed: int | None) -> list[list[int]]:
    """Batches of similar length: shuffled with a seed, from short to long without."""
    if seed is not None:
        return similar_lengths(lengths, size, torch.Generator().manual_seed(seed))
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[start : start + size] for start in range(0, len(order), size)]


class Intents:
    """CLINC150 without its out-of-scope part: 150 intents."""

    def __init__(self, path: Path, tokenizer: Any, shots: int, seed: int, limit: int = 0) -> None:
        """`shots`: training utterances per intent, 0 for all; `limit`: most utterances of either part, 0 for all.

        Raises InputError.
        """
        data = Clinc.read(path)
        self.labels = len(data.labels)
        self._tokenizer, self._number = tokenizer, {label: i for i, label in enumerate(data.labels)}
        order = random.Random(seed)
        chosen = []
        for label in data.labels:
            own = sorted(text for text, name in data.parts["train"] if name == label)
            chosen += [(text, label) for text in order.sample(own, min(shots or len(own), len(own)))]
        self.train = self._encode(order.sample(chosen, len(chosen))[: limit or None])
        self.test = self._encode(data.parts["test"][: limit or None])

    def _encode(self, pairs: Sequence[Sequence[str]]) -> list[tuple[list[int], int]]:
        return [(self._tokenizer(text).input_ids[:LONGEST], self._number[label]) for text, label in pairs]

    def batches(self, part: Sequence[tuple[list[int], int]], size: int, seed: int | None) -> Iterator[Batch]:
        """One pass in batches of similar length, shuffled when there is a seed."""
        for batch in _positions([len(ids) for ids, _ in part], size, seed):
            rows = [part[n] for n in batch]
            mask = pad_left([[1] * len(ids) for ids, _ in rows], 0)
            yield Batch(pad_left([ids for ids, _ in rows], 0), mask, torch.tensor([label for _, label in rows]))


class Replies:
    """Requests in English with plan and reply, split as for the bundle."""

    labels = 0

    def __init__(self, tokenizer: Any, limit: int = 0) -> None:
        """`limit`: most requests of either part, 0 for all."""
        parts = split_exchanges(read_exchanges())
        self._tokenizer, self._skills = tokenizer, load_skills()
        spoken = {part: [e for e in found if e.language == "en"][: limit or None] for part, found in parts.items()}
        self.train, self.requests = [self._encode(e) for e in spoken["train"]], spoken["test"]
        self.test = [self._encode(e) for e in self.requests]

    def _encode(self, exchange: Exchange) -> tuple[list[int], list[int]]:
        """Prompt and answer."""
        answer = self._tokenizer(plan.render(exchange.reply, exchange.steps), add_special_tokens=False).input_ids
        return plan.prompt_ids(self._tokenizer, exchange.text), [*answer, self._tokenizer.eos_token_id]

    def batches(self, part: Sequence[tuple[list[int], list[int]]], size: int, seed: int | None) -> Iterator[Batch]:
        """One pass in batches of similar length, shuffled when there is a seed."""
        for batch in _positions([len(prompt) + len(answer) for prompt, answer in part], size, seed):
            rows = [part[n] for n in batch]
            ids = pad_left([prompt + answer for prompt, answer in rows], 0)
            mask = pad_left([[1] * len(prompt + answer) for prompt, answer in rows], 0)
            labels = pad_left([[IGNORE] * len(prompt) + answer for prompt, answer in rows], IGNORE)
            yield Batch(ids, mask, labels)

    def exact(self, request: Exchange, written: Sequence[int]) -> bool:
        """Whether the plan of an answer is the one asked for."""
        try:
            answer = plan.parse(self._tokenizer.decode(written, skip_special_tokens=True), self._skills)
        except PlanError:
            return False
        return answer.steps == request.steps
