"""Self-speculation: the detached shadow drafts, one attached pass verifies several tokens at once.

s0 must be computed for every token anyway, and the shadow says what it expects next for the price of an output head.
What comes out is what the attached model alone would write: its greedy tokens, or samples of its distribution
(Leviathan et al. 2023, arXiv 2211.17192, algorithm 1). Logits of several tokens at once may differ from those of one in
the last bits, as with any batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import (
    Cache,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from .decoders import head_of
from .model import ShadowedModel
from .pace import Costs, DraftLength
from .parts import ShadowParts


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
    accepted: int = 0
    written: int = 0
    """Tokens after the prompt."""
    lengths: list[int] = field(default_factory=list)
    """Tokens drafted before each pass."""

    @property
    def acceptance(self) -> float:
        """Share of the drafted tokens that were accepted; nan when none was drafted."""
        return self.accepted / self.drafted if self.drafted else float("nan")

    @property
    def tokens_per_pass(self) -> float:
        """Tokens written per attached pass; the first one comes from the pass over the prompt."""
        return (self.written - 1) / self.passes if self.passes else float("nan")


class Speculator:
    """Generates with an attached model, one sequence at a time.

    Args:
        model: in evaluation mode.
        draft_ids: tokens the shadow may propose, such as the frequent ones: it then reads only their rows of the output
            head. None: all. Which ones are drafted changes nothing in what is written.
        longest: most tokens of a draft.
        length: always draft that many instead of adapting.
        costs: see `Costs`.
    """

    def __init__(
        self,
        model: ShadowedModel,
        draft_ids: Sequence[int] | Tensor | None = None,
        longest: int = 15,
        length: int | None = None,
        costs: Costs | None = None,
    ) -> None:
        self.model = model
        self.costs = costs or Costs()
        self._longest, self._length = longest, length
        head = head_of(model.base)
        self._ids = None if draft_ids is None else torch.as_tensor(draft_ids, dtype=torch.long).to(head.weight.device)
        self._rows = head.weight if self._ids is None else head.weight.detach()[self._ids].contiguous()
        self._bias = head.bias if head.bias is None or self._ids is None else head.bias.detach()[self._ids]

    @torch.inference_mode()
    def generate(
        self,
        input_ids: Tensor,
        max_new_tokens: int = 20,
        eos_token_id: int | Sequence[int] | None = None,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        logits_processor: LogitsProcessorList | None = None,
        stopping_criteria: Iterable[Callable[..., Any]] = (),
        streamer: Any = None,
        prefix_length: Tensor | None = None,
        past_key_values: Cache | None = None,
        generator: torch.Generator | None = None,
        shadow: str | ShadowParts | None = None,
    ) -> Speculation:
        """Continues a prompt; arguments as those of transformers' `generate`.

        Args:
            input_ids: (1, T), what is in `past_key_values` included.
            logits_processor: must be functions of (input_ids, scores) alone: they also see drafts that are refused.
            past_key_values: the `cache` of an earlier turn.
            generator: for reproducible samples, with a fixed `length`.

        Raises:
            ValueError: more than one row, no token to write, or a model in training mode.
        """
        if input_ids.ndim != 2 or len(input_ids) != 1:
            raise ValueError(f"one sequence at a time, (1, T), got {tuple(input_ids.shape)}; use generate for batches")
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be >= 1, got {max_new_tokens}")
        if self.model.training:
            raise ValueError("the model is in training mode; call eval() first")
        processors: Any = LogitsProcessorList(logits_processor or [])
        if do_sample:
            processors += _warpers(temperature, top_k, top_p)
        writer = _Writer(self, shadow, processors, generator if do_sample else None, do_sample)
        ends = {eos_token_id} if isinstance(eos_token_id, int) else set(eos_token_id or ())
        result = writer.begin(input_ids, prefix_length, past_key_values)
        if streamer is not None:
            streamer.put(input_ids.cpu())
        pace = DraftLength(self.costs, self._longest)
        criteria = list(stopping_criteria)
        done = False
        while not done:
            known = input_ids.shape[1] + result.written
            done = writer.settle(result, max_new_tokens, ends, criteria)
            if streamer is not None:
                streamer.put(result.tokens[0, known:].cpu())
            left = max_new_tokens - result.written
            if not done:
                # the pass itself writes one token more than it accepts
                length = min(left - 1, pace.choose(left - 1) if self._length is None else self._length)
                accepted = writer.step(result, length)
                pace.saw(length, accepted)
        if streamer is not None:
            streamer.end()
        return result

    def calibrate(self, input_ids: Tensor, clock: Callable[[], float], repeats: int = 3) -> Costs:
        """Measures `costs` on this machine and uses them from now on. About forty passes.

        Args:
            input_ids: (1, T), a prompt as they come, with T >= 16.
            clock: seconds, such as time.perf_counter.
        """
        lengths = sorted({n for n in (1, 2, 3, 4, 6, 8, 12) if n <= self._longest} | {self._longest + 1})
        writer = _Writer(self, None, LogitsProcessorList(), None, False)
        with torch.inference_mode():
            result = writer.begin(input_ids, None, None)
            took = {n: _least(partial(writer.rehearse, result, n), clock, repeats) for n in lengths}
            draft = _least(partial(writer.rehearse_draft, result), clock, 2 * repeats)
        verify = tuple((n, took[n] / took[1]) for n in lengths)
        self.costs = Costs(verify, draft / took[1])
        return self.costs


class _Writer:
    """One generation under way: the model, its cache and how tokens are chosen."""

    def __init__(
        self,
        speculator: Speculator,
        shadow: str | ShadowParts | None,
        processors: Any,
        generator: torch.Generator | None,
        sample: bool,
    ) -> None:
        self._model = speculator.model
        self._ids, self._rows, self._bias = speculator._ids, speculator._rows, speculator._bias
        self._shadow = self._model.one(shadow)
        self._processors, self._generator, self._sample = processors, generator, sample
        self.scores: list[Tensor] = []
        """(1, V), of each token that the last pass wrote."""

    def begin(self, input_ids: Tensor, prefix_length: Tensor | None, cache: Cache | None) -> Speculation:
        """Reads the prompt and writes the first token."""
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
        self.scores = [self._processors(input_ids, output.logits[:, -1].float())]
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
        told = torch.nn.functional.linear(state[:, -1].to(self._rows.dtype), self._rows, self._bias)  # (1, V or fewer)
        if not self._processors and not self._sample:
            best = told.argmax(-1)
            return best if self._ids is None else self._ids[best], None
        scores = told.float()
        if self._ids is not None:
            vocabulary = head_of(self._model.base).weight.shape[0]
            scores = scores.new_full((1, vocabulary), float("-inf")).index_copy(1, self._ids, scores)
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
        return output.logits[0].float()

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


def frequent_tokens(texts: Iterable[Sequence[int]], limit: int) -> Tensor:
    """The `limit` most frequent token ids of tokenized texts, (<= limit,), for `Speculator`'s draft_ids."""
    counts: dict[int, int] = {}
    for ids in texts:
        for token in ids:
            counts[token] = counts.get(token, 0) + 1
    return torch.tensor(sorted(counts, key=lambda token: (-counts[token], token))[:limit], dtype=torch.long)


def _warpers(temperature: float, top_k: int, top_p: float) -> list[Any]:
    warpers: list[Any] = [] if temperature == 1.0 else [TemperatureLogitsWarper(temperature)]
    warpers += [TopKLogitsWarper(top_k)] if top_k else []
    return warpers + ([TopPLogitsWarper(top_p)] if top_p < 1.0 else [])


def _stopped(criteria: Iterable[Callable[..., Any]], tokens: Tensor, scores: Tensor) -> bool:
    return any(bool(torch.as_tensor(criterion(tokens, scores)).all()) for criterion in criteria)


def _least(action: Callable[[], None], clock: Callable[[], float], repeats: int) -> float:
    action()
    times = []
    for _ in range(repeats):
        start = clock()
        action()
        times.append(clock() - start)
    return min(times)
