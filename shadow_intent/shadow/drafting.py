"""One generation by self-speculation: drafting, verifying, and what is kept of a draft."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import Cache

from .decoders import head_of
from .model import ShadowedModel
from .parts import ShadowParts
from .prepack import Layer, Prepack


@dataclass
class Speculation:
    """What was written, and how."""

    tokens: Tensor
    """(1, T), prompt included."""
    cache: Cache
    """Of prompt and answer but for the last token, to go on from."""
    passes: int = 0
    """Attached passes after the one over the prompt."""
    drafted: int = 0
    """Tokens the shadow proposed, also those behind a refused one."""
    accepted: int = 0
    """Those of them that were written."""
    written: int = 0
    """Tokens after the prompt."""
    lengths: list[int] = field(default_factory=list)
    """Tokens drafted before each pass."""

    @property
    def acceptance(self) -> float:
        """Share of the drafted tokens that were accepted, in [0, 1]; nan when none was drafted."""
        return self.accepted / self.drafted if self.drafted else float("nan")

    @property
    def tokens_per_pass(self) -> float:
        """Tokens written per attached pass after that over the prompt, which writes the first; nan without any."""
        return (self.written - 1) / self.passes if self.passes else float("nan")


class DraftHead:
    """The rows of the base's output head from which the shadow proposes.

    Args:
        base: whose head it is.
        ids: (rows,), tokens that may be proposed; None: all.
        prepack: reads copies of the rows; None: the rows themselves.

    Raises:
        ValueError: the head is offloaded, so that its rows cannot be read.
    """

    def __init__(self, base: Any, ids: Sequence[int] | Tensor | None, prepack: Prepack | None = None) -> None:
        head = head_of(base)
        if head.weight.is_meta:
            raise ValueError(
                "drafting reads the rows of the output head, expected on a device, got offloaded ones (meta); "
                "keep the head on a device, or use the model's own generate"
            )
        self._vocabulary = head.weight.shape[0]
        self._ids = None if ids is None else torch.as_tensor(ids, dtype=torch.long).to(head.weight.device)
        rows = head.weight if self._ids is None else head.weight.detach()[self._ids].contiguous()
        bias = head.bias if head.bias is None or self._ids is None else head.bias.detach()[self._ids]
        self._rows = Layer((rows,), (bias,), None if prepack is None else prepack.of([rows], [bias]))

    def logits(self, state: Tensor) -> Tensor:
        """state, s0 (1, d) -> (1, rows), on the device of s0: that of a sharded base's head may be another."""
        like = self._rows.weights[0]
        there = state.to(like.device, like.dtype)
        return self._rows(there).to(state.device)

    def token(self, row: Tensor) -> Tensor:
        """The token that row (1,) stands for, (1,)."""
        return row if self._ids is None else self._ids[row.to(self._ids.device)].to(row.device)

    def over_vocabulary(self, logits: Tensor) -> Tensor:
        """logits (1, rows) -> (1, V), minus infinity at tokens that are never proposed."""
        if self._ids is None:
            return logits
        return logits.new_full((1, self._vocabulary), float("-inf")).index_copy(1, self._ids.to(logits.device), logits)


class Writer:
    """One generation under way: the model, its cache and how tokens are chosen."""

    def __init__(
        self,
        model: ShadowedModel,
        head: DraftHead,
        shadow: str | ShadowParts | None,
        processors: Any,
        generator: torch.Generator | None = None,
        sample: bool = False,
    ) -> None:
        self._model, self._head = model, head
        self._shadow = self._model.one(shadow)
        self._processors, self._generator, self._sample = processors, generator, sample
        self.scores: list[Tensor] = []
        """(1, V), of each token that the last pass wrote."""

    def begin(self, input_ids: Tensor, prefix_length: Tensor | None, cache: Cache | None) -> Speculation:
        """Reads the prompt, input_ids (1, T) with prefix_length (1,) or None, and writes the first token."""
        new = input_ids if cache is None else input_ids[:, cache.get_seq_length() :]
        if self._shadow.config.prefix_attention and prefix_length is None:
            begun = getattr(cache, "prefix_length", None)
            prefix_length = torch.tensor([input_ids.shape[1]], device=input_ids.device) if begun is None else begun
        output = self._model(
            new,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            prefix_length=prefix_length,
            shadow=self._shadow,
        )
        assert output.past_key_values is not None
        assert output.logits is not None
        output.past_key_values.activate_past_recording()  # or layers with a window could not be cropped
        self.scores = [self._processors(input_ids, output.logits[:, -1].float().to(input_ids.device))]
        first = self._pick(self.scores[0])
        return Speculation(torch.cat([input_ids, first.view(1, 1)], dim=1), output.past_key_values)

    def step(self, result: Speculation, length: int) -> int:
        """Drafts `length` tokens, verifies them, appends what is right and one more; returns how many were right.

        To be followed by `settle`: the cache still holds all that was drafted.
        """
        tokens, states, proposals = self._draft(result, length)
        begun = result.tokens.shape[1]
        logits = self._verify(tokens[:, begun - 1 :], result.cache, torch.cat(states, dim=1))  # (T, V)
        self.scores, chosen = [], None
        for i in range(length + 1):
            self.scores.append(self._processors(tokens[:, : begun + i], logits[i : i + 1]))
            drafted = int(tokens[0, begun + i]) if i < length else None
            chosen = self._judge(self.scores[-1], drafted, proposals[i] if i < length else None)
            if chosen is not None:
                break
        assert chosen is not None
        accepted = len(self.scores) - 1
        result.tokens = torch.cat([tokens[:, : begun + accepted], chosen.view(1, 1)], dim=1)
        result.passes += 1
        result.drafted += length
        result.accepted += accepted
        result.lengths.append(length)
        return accepted

    def settle(self, result: Speculation, most: int, ends: set[int], criteria: Sequence[Callable[..., Any]]) -> bool:
        """Cuts tokens and cache where writing one by one would have ended, if it would; returns whether."""
        known = result.tokens.shape[1] - len(self.scores)
        for end, scores in enumerate(self.scores, start=known + 1):
            result.written += 1
            tokens = result.tokens[:, :end]
            done = result.written >= most or int(tokens[0, -1]) in ends or _stopped(criteria, tokens, scores)
            if done:
                break
        result.tokens = tokens
        # Once a pass, even by nothing: this also cuts layers with a window to size.
        result.cache.crop(tokens.shape[1] - 1 - result.cache.get_seq_length())
        return done

    def rehearse(self, result: Speculation, count: int) -> None:
        """A pass over `count` tokens that leaves no trace."""
        tokens = result.tokens[:, -1:].repeat(1, count)
        self._verify(tokens, result.cache, self._model.draft(tokens, result.cache, self._shadow))
        result.cache.crop(-count)

    def rehearse_draft(self, result: Speculation) -> None:
        """A drafted token that leaves no trace."""
        state = self._model.draft(result.tokens[:, -1:], result.cache, self._shadow)
        self._propose(result.tokens, state)
        (part,) = self._model.caches.of_shadows(result.cache)
        part.crop(-1)

    def _draft(self, result: Speculation, length: int) -> tuple[Tensor, list[Tensor], list[Tensor | None]]:
        """The tokens with the drafted ones, s0 of the last one and of those, and what each was drawn from."""
        tokens, states, proposals = result.tokens, [], []
        for i in range(length + 1):
            states.append(self._model.draft(tokens[:, -1:], result.cache, self._shadow))  # (1, 1, d)
            if i < length:
                token, proposal = self._propose(tokens, states[-1])
                tokens = torch.cat([tokens, token.view(1, 1)], dim=1)
                proposals.append(proposal)
        return tokens, states, proposals

    def _propose(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor | None]:
        """The shadow's next token and, when sampling, the distribution (V,) it was drawn from."""
        told = self._head.logits(state[:, -1].to(tokens.device))  # (1, V or fewer)
        if not self._processors and not self._sample:
            return self._head.token(told.argmax(-1)), None
        scores = self._head.over_vocabulary(told.float())
        scores = self._processors(tokens, scores)
        if not self._sample:
            return scores.argmax(-1), None
        if not bool(scores.isfinite().any()):  # nothing of the short list is allowed here
            scores = torch.zeros_like(scores)
        distribution = scores.softmax(-1)[0]
        return torch.multinomial(distribution, 1, generator=self._generator), distribution

    def _verify(self, tokens: Tensor, cache: Cache, states: Tensor) -> Tensor:
        """The attached model's logits after each of the tokens, (T, V)."""
        output = self._model(tokens, past_key_values=cache, shadow=self._shadow, shadow_state=states)
        assert output.logits is not None
        return output.logits[0].float().to(tokens.device)

    def _pick(self, scores: Tensor) -> Tensor:
        """A token of the model's own, (1,)."""
        if not self._sample:
            return scores.argmax(-1)
        return torch.multinomial(scores.softmax(-1)[0], 1, generator=self._generator)

    def _judge(self, scores: Tensor, drafted: int | None, proposal: Tensor | None) -> Tensor | None:
        """None to accept the drafted token, else the token to write instead, (1,)."""
        if drafted is None:
            return self._pick(scores)
        if not self._sample:
            best = scores.argmax(-1)
            return None if int(best) == drafted else best
        assert proposal is not None
        return judge_sample(scores.softmax(-1)[0], proposal, drafted, self._generator)


def judge_sample(
    target: Tensor, proposal: Tensor, drafted: int, generator: torch.Generator | None = None
) -> Tensor | None:
    """Accepts a drafted token, or draws another, such that what comes out is distributed as `target`.

    Args:
        target: (V,), probabilities of the model.
        proposal: (V,), probabilities `drafted` was drawn from.

    Returns:
        None when it is accepted, else the token to write instead, (1,).
    """
    share = torch.rand((), generator=generator, device=target.device)
    if bool(share * proposal[drafted] < target[drafted]):
        return None
    rest = (target - proposal).clamp(min=0.0)
    if not bool(rest.any()):  # both agree but for rounding
        rest = target
    return torch.multinomial(rest, 1, generator=generator)


def _stopped(criteria: Iterable[Callable[..., Any]], tokens: Tensor, scores: Tensor) -> bool:
    return any(bool(torch.as_tensor(criterion(tokens, scores)).all()) for criterion in criteria)
