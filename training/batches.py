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
from training.corpus import NO_LABEL, Example, Exchange

Row = tuple[list[int], int, str]
"""Token ids, label and text of an utterance."""


@dataclass(frozen=True, slots=True)
class Utterances:
    """A padded batch."""

    input_ids: Tensor
    """(B, T)"""
    attention_mask: Tensor
    """(B, T), 1 at real tokens."""
    labels: Tensor
    """(B,), positions in the label order; `IGNORE` where there is none."""
    texts: tuple[str, ...]
    """B of them, whole."""


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


def similar_lengths(
    lengths: Sequence[int], batch_size: int, generator: torch.Generator, batches_together: int = 50
) -> list[list[int]]:
    """Every position once, in batches: sorted by length within chunks of so many batches, then batches are shuffled."""
    order = torch.randperm(len(lengths), generator=generator).tolist()
    chunk = batches_together * batch_size
    chunks = [sorted(order[i : i + chunk], key=lengths.__getitem__) for i in range(0, len(order), chunk)]
    batches = [c[i : i + batch_size] for c in chunks for i in range(0, len(c), batch_size)]
    return [batches[position] for position in torch.randperm(len(batches), generator=generator).tolist()]


class UtteranceBatches:
    """Batches of similar length, reshuffled every epoch."""

    def __init__(
        self, examples: Sequence[Example], labels: Sequence[str], tokenizer: Tokenizer, max_tokens: int
    ) -> None:
        self._labels, self._tokenizer, self._max_tokens = labels, tokenizer, max_tokens
        self._rows = self._encode(examples)

    def __len__(self) -> int:
        return len(self._rows)

    def _encode(self, examples: Sequence[Example]) -> list[Row]:
        encodings = self._tokenizer.encode_batch([e.text for e in examples], add_special_tokens=False)
        return [
            (
                (encoding.ids or [0])[: self._max_tokens],
                self._labels.index(example.label) if example.label != NO_LABEL else IGNORE,
                example.text,
            )
            for encoding, example in zip(encodings, examples, strict=True)
        ]

    def epoch(
        self,
        batch_size: int,
        generator: torch.Generator,
        token_dropout: float = 0.0,
        more: Sequence[Example] = (),
    ) -> Iterator[Utterances]:
        """One pass, with the examples of this epoch only in `more`."""
        rows = self._rows + self._encode(more)
        for batch in similar_lengths([len(ids) for ids, *_ in rows], batch_size, generator):
            yield _utterances([rows[n] for n in batch], generator, token_dropout)


def _utterances(rows: Sequence[Row], generator: torch.Generator, token_dropout: float) -> Utterances:
    ids = [_thinned(row, generator, token_dropout) for row, *_ in rows]
    mask = pad([[1] * len(row) for row in ids], 0)
    labels, texts = [label for _, label, _ in rows], tuple(text for *_, text in rows)
    return Utterances(pad(ids, 0), mask, torch.tensor(labels), texts)


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
        lengths = [len(prompt) + len(answer) for prompt, answer in self.rows]
        for batch in similar_lengths(lengths, batch_size, generator, batches_together=8):
            rows = [self.rows[n] for n in batch]
            yield Exchanges(
                input_ids=pad_left([p + a for p, a in rows], 0),
                attention_mask=pad_left([[1] * len(p + a) for p, a in rows], 0),
                answer=pad_left([a for _, a in rows], IGNORE),
                prefix_length=torch.tensor([len(p) for p, _ in rows]),
            )
