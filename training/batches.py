"""Utterances and exchanges as padded tensors, in an order that depends only on seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from shadow_intent.cloud import plan
from shadow_intent.shadow.loss import IGNORE
from training.corpus import Example, Exchange


@dataclass(frozen=True, slots=True)
class Utterances:
    """A padded batch."""

    input_ids: Tensor
    """(B, T)"""
    attention_mask: Tensor
    """(B, T), 1 at real tokens."""
    labels: Tensor
    """(B,), positions in the label order."""


@dataclass(frozen=True, slots=True)
class Exchanges:
    """A padded batch for language modelling on the answer."""

    input_ids: Tensor
    """(B, T)"""
    attention_mask: Tensor
    """(B, T), padded on the left: every answer ends at the last position."""
    answer: Tensor
    """(B, A), the last A tokens of each row, `IGNORE` before its answer."""
    prefix_length: Tensor
    """(B,), tokens of the prompt."""


def pad(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    """(B, longest), padded on the right."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def pad_left(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    """(B, longest), padded on the left."""
    return pad([row[::-1] for row in rows], value).flip(-1)


class UtteranceBatches:
    """Batches of similar length, reshuffled every epoch."""

    def __init__(
        self, examples: Sequence[Example], labels: Sequence[str], tokenizer: Tokenizer, max_tokens: int
    ) -> None:
        encodings = tokenizer.encode_batch([e.text for e in examples], add_special_tokens=False)
        self.ids = [(e.ids or [0])[:max_tokens] for e in encodings]
        self.labels = [labels.index(e.label) for e in examples]

    def __len__(self) -> int:
        return len(self.ids)

    def epoch(self, batch_size: int, generator: torch.Generator, token_dropout: float = 0.0) -> Iterator[Utterances]:
        """One pass. Rows are sorted by length within chunks of 50 batches, then batches are shuffled."""
        order = torch.randperm(len(self), generator=generator).tolist()
        chunk = 50 * batch_size
        chunks = [sorted(order[i : i + chunk], key=lambda n: len(self.ids[n])) for i in range(0, len(order), chunk)]
        batches = [c[i : i + batch_size] for c in chunks for i in range(0, len(c), batch_size)]
        for position in torch.randperm(len(batches), generator=generator).tolist():
            yield self._batch(batches[position], generator, token_dropout)

    def _batch(self, members: Sequence[int], generator: torch.Generator, token_dropout: float) -> Utterances:
        rows = [_thinned(self.ids[n], generator, token_dropout) for n in members]
        mask = pad([[1] * len(row) for row in rows], 0)
        return Utterances(pad(rows, 0), mask, torch.tensor([self.labels[n] for n in members]))


def _thinned(row: list[int], generator: torch.Generator, probability: float) -> list[int]:
    """The row with tokens left out; short rows are left alone because a single word may be the command."""
    if probability == 0 or len(row) < 4:
        return row
    keep = torch.rand(len(row), generator=generator) >= probability
    return [token for token, kept in zip(row, keep.tolist(), strict=True) if kept] or row


class ExchangeBatches:
    """Prompt and answer through the base's tokenizer and chat template; only the plan where the base cannot speak."""

    def __init__(self, exchanges: Sequence[Exchange], tokenizer: Any, base_languages: Sequence[str]) -> None:
        self.rows: list[tuple[list[int], list[int]]] = []
        for exchange in exchanges:
            answer = plan.render(exchange.reply, exchange.steps)
            if exchange.language not in base_languages:
                answer = answer.partition("\n")[0] + "\n"
            prompt = plan.prompt_ids(tokenizer, exchange.text)
            self.rows.append((prompt, [*tokenizer(answer, add_special_tokens=False).input_ids, tokenizer.eos_token_id]))

    def __len__(self) -> int:
        return len(self.rows)

    def epoch(self, batch_size: int, generator: torch.Generator) -> Iterator[Exchanges]:
        """One pass over all exchanges, similar lengths together."""
        order = torch.randperm(len(self), generator=generator).tolist()
        chunk = 8 * batch_size
        chunks = [sorted(order[i : i + chunk], key=self._length) for i in range(0, len(order), chunk)]
        batches = [c[i : i + batch_size] for c in chunks for i in range(0, len(c), batch_size)]
        for position in torch.randperm(len(batches), generator=generator).tolist():
            rows = [self.rows[n] for n in batches[position]]
            yield Exchanges(
                input_ids=pad_left([p + a for p, a in rows], 0),
                attention_mask=pad_left([[1] * len(p + a) for p, a in rows], 0),
                answer=pad_left([a for _, a in rows], IGNORE),
                prefix_length=torch.tensor([len(p) for p, _ in rows]),
            )

    def _length(self, n: int) -> int:
        return len(self.rows[n][0]) + len(self.rows[n][1])
